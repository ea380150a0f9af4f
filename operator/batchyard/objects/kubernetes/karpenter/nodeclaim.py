"""From a Karpenter NodeClaim, which stands for a node that was asked for, to its record.

Karpenter and its provider write to claims. One that is odd in a part is read for the rest.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from batchyard.api import names
from batchyard.core.model.cluster.nodeclaim import Mishap, NodeClaim
from batchyard.core.model.resources import Resources, is_name, readable
from batchyard.objects.conditions import conditions_of
from batchyard.objects.kubernetes.karpenter.mishap import mishap
from batchyard.objects.meta import Object, created_at, spec_of
from batchyard.objects.times import parse_time

_UNDECIDED = ("", "AwaitingReconciliation")
"""Reasons of the condition Launched before Karpenter has tried. Until a machine is made it is Unknown, not False."""


def read_nodeclaim(obj: Object) -> NodeClaim:
    """Read a NodeClaim. An amount that is none counts as nothing of that resource."""
    metadata = obj["metadata"]
    status = _object(obj.get("status"))
    labels = _texts(metadata.get("labels"))
    return NodeClaim(
        name=metadata["name"],
        environment=labels.get(names.NODE_ENVIRONMENT, ""),
        created=created_at(obj),
        # Once there is a machine, the labels say which of the values that were asked for it has.
        labels={**dict(_decided(spec_of(obj).get("requirements"))), **labels},
        capacity=_amounts(status.get("capacity")),
        allocatable=_amounts(status.get("allocatable")),
        provider_id=str(status.get("providerID") or ""),
        node=str(status.get("nodeName") or ""),
        deleting="deletionTimestamp" in metadata,
        **_launch(obj),
    )


class _Launch(TypedDict, total=False):
    launched_at: float
    mishap: Mishap


def _launch(obj: Object) -> _Launch:
    """When its machine was launched, or why it was not. That is so since its creation: Karpenter goes on trying."""
    launched = next((each for each in conditions_of(obj) if each.get("type") == "Launched"), {})
    at, reason = _moment(launched.get("lastTransitionTime"), created_at(obj)), str(launched.get("reason") or "")
    if launched.get("status") == "True":
        return {"launched_at": at}
    if reason in _UNDECIDED:
        return {}
    return {"mishap": mishap(reason, str(launched.get("message") or ""), at)}


def _moment(said: Any, otherwise: float) -> float:
    try:
        return parse_time(said) if isinstance(said, str) else otherwise
    except ValueError:
        return otherwise


def _decided(requirements: Any) -> Iterator[tuple[str, str]]:
    """The labels for which only one value was asked."""
    for each in requirements if isinstance(requirements, list) else ():
        match each:
            case {"key": str(key), "operator": "In", "values": [str(value)]}:
                yield key, value


def _amounts(said: Any) -> Resources:
    understood, _ = readable({name: amount for name, amount in _object(said).items() if is_name(name)})
    return understood


def _texts(said: Any) -> dict[str, str]:
    return {key: value for key, value in _object(said).items() if isinstance(value, str)}


def _object(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {}
