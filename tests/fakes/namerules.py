"""Kubernetes' rules for the names of what the operator creates: every test of a whole operator holds it to them."""

import re
from typing import Any

from batchyard.kube.protocol import Object
from batchyard.kube.resources import CONTROLLER_REVISIONS, EVENTS, JOBS, SERVICES
from fakes.store import Store

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def hold_to_name_rules(store: Store) -> None:
    """Have the store refuse names that a real API server refuses."""
    store.validate(JOBS, _job)
    store.validate(SERVICES, lambda new, old: _problem(_SERVICE, new["metadata"]["name"], old))
    for resource in (EVENTS, CONTROLLER_REVISIONS):
        store.validate(resource, lambda new, old: _problem(_SUBDOMAIN, new["metadata"]["name"], old))


def _job(new: Object, old: Object | None) -> str:
    """The name of a Job labels its pods; that of an Indexed Job names their hosts, too."""
    name, spec = new["metadata"]["name"], new.get("spec") or {}
    indexed = spec.get("completionMode") == "Indexed"
    pod = (spec.get("template") or {}).get("spec") or {}
    hosts = [f"{name}-{spec['completions'] - 1}" if indexed else name, pod.get("hostname"), pod.get("subdomain")]
    return next((problem for host in hosts if host and (problem := _problem(_LABEL, host, old))), "")


def _problem(rule: re.Pattern[str], name: Any, old: Object | None) -> str:
    fits = old is not None or (isinstance(name, str) and rule.fullmatch(name))
    return "" if fits else f"metadata.name: Invalid value: {name!r}"
