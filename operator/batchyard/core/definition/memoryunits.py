"""Amounts of memory that were hardly meant as they stand: `2048` is bytes here, and `400m` less than one.

AWS Batch counts memory in MiB, and `m` is a thousandth in Kubernetes. Both are valid, so the job runs (or is killed at
its start); but whoever wrote them is told what they mean. Called for the status of a definition, for what a job
overrides, and for pods that do not start.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any

from batchyard.api.names import DEFAULT_CONTAINER
from batchyard.api.quantities import InvalidQuantity, parse_bytes
from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.podtemplate import pod_templates

DOUBTFUL_MEMORY = "DoubtfulMemory"
"""Reason of the condition and of the Event that say so."""
_LEAST = 4 * 1024**2
"""Bytes with which hardly any program starts: a runtime and a shell take that much."""
_UNITLESS = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(m?)", re.ASCII)
_SHOWN = 3


def doubts_about_definition(content: Mapping[str, Any]) -> str:
    """Sentences about the containers of a definition's content, or nothing."""
    try:
        specs = [template["spec"] for template in pod_templates(content)]
    except TemplateError:
        return ""
    return _sentences(chain(*map(_doubts_about_pod, specs), _doubts_about_growth(content)))


def doubt_about_pod(spec: Mapping[str, Any]) -> str:
    """The first such sentence about the spec of a pod that does not start, or nothing."""
    return next(_doubts_about_pod(spec), "")


def doubts_about_job(spec: Mapping[str, Any]) -> str:
    """Sentences about what a job overrides, or nothing."""
    ranges = (spec.get("nodeOverrides") or {}).get("nodeRanges") or ()
    overrides = [spec, *ranges] if ranges else [spec]
    doubts = (_doubts(each.get("containerOverrides") or ()) for each in overrides)
    return _sentences(chain(*doubts, _doubts_about_growth(spec)))


def _sentences(doubts: Iterable[str]) -> str:
    found = list(dict.fromkeys(doubts))
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return "; ".join(found[:_SHOWN]) + more


def _doubts_about_pod(spec: Mapping[str, Any]) -> Iterator[str]:
    for field in ("initContainers", "containers"):
        yield from _doubts(spec.get(field) or ())
    yield from _doubts_about(spec, "the pod")


def _doubts(containers: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for container in containers:
        yield from _doubts_about(container, f"container {container.get('name') or DEFAULT_CONTAINER}")


def _doubts_about(whole: Mapping[str, Any], name: str) -> Iterator[str]:
    resources = whole.get("resources") or {}
    for side in ("limits", "requests"):
        amount = (resources.get(side) or {}).get("memory")
        if amount is not None and (doubt := _doubt(str(amount))):
            yield f"resources.{side}.memory of {name} is {doubt}"


def _doubts_about_growth(spec: Mapping[str, Any]) -> Iterator[str]:
    amount = ((spec.get("retryStrategy") or {}).get("onOutOfMemory") or {}).get("maxMemory")
    if amount is not None and (doubt := _doubt(str(amount))):
        yield f"retryStrategy.onOutOfMemory.maxMemory is {doubt}"


def _doubt(amount: str) -> str:
    match = _UNITLESS.fullmatch(amount)
    try:
        if match is None or not 0 < parse_bytes(amount) < _LEAST:
            return ""
    except InvalidQuantity:
        return ""
    number, milli = match.groups()
    if milli:
        return f"{amount}, which is {Decimal(number) / 1000:f} bytes: did you mean {number}M?"
    return f"{number} bytes: did you mean {number}Mi?"
