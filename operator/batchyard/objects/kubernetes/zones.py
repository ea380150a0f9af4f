"""What the pods of a Kubernetes Job say of zones (`zonePolicy` of a JobDefinition).

The planner has found room for them by zone (`core.model.pods.zones`); this has the scheduler, and what makes nodes,
come to the same.
"""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names
from batchyard.core.definition.nodeneeds.limiting import limited
from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.zones import of_zone

_FIELD = "topologySpreadConstraints"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def spread(template: Mapping[str, Any]) -> dict[str, Any]:
    """A pod that is rather in a zone with few of its definition, unless it says itself how it is to be spread.

    A wish, so that it runs somewhere when there is room in one zone only.
    """
    spec = template["spec"]
    if spec.get(_FIELD):
        return dict(template)
    alike = {names.DEFINITION: template["metadata"]["labels"][names.DEFINITION]}
    wish = {
        "maxSkew": 1,
        "topologyKey": ZONE,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": alike},
    }
    return {**template, "spec": {**spec, _FIELD: [wish]}}


def together(template: Mapping[str, Any], zone: str | None) -> dict[str, Any]:
    """A pod in a zone or, where that shows with the first of a run, in the one that the others of its run are in."""
    if zone is not None:
        return limited(template, of_zone(zone))
    labels, spec = template["metadata"]["labels"], template["spec"]
    same = {name: labels[name] for name in (names.JOB_UID, names.RUN)}
    affinity = spec.get("affinity") or {}
    of_pods = affinity.get("podAffinity") or {}
    term = {"topologyKey": ZONE, "labelSelector": {"matchLabels": same}}
    of_pods = {**of_pods, _REQUIRED: [*(of_pods.get(_REQUIRED) or ()), term]}
    return {**template, "spec": {**spec, "affinity": {**affinity, "podAffinity": of_pods}}}
