"""A job's pods as the API server will have them: what a job is charged with, and why its pods can never be made.

What is written into the Kubernetes Job stays as the job and its definition give it. What is here is worked out before
a grant, as a pod that takes more than was granted finds no place, or takes that of another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from batchyard.api.quantities import InvalidQuantity
from batchyard.core.definition.commands import each_container
from batchyard.core.definition.nodeneeds.podconstraints import constraints_of
from batchyard.core.definition.podadmission import bounds, runtimeclasses
from batchyard.core.definition.podadmission.defaults import defaults_of
from batchyard.core.model.definition import Resolved
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.podadmission.rules import PodRules
from batchyard.core.model.resources import Resources, checked_request, pod_requests, to_resource_list


@dataclass(slots=True, frozen=True)
class AdmittedPod:
    """A pod once admission has added to it what it adds."""

    spec: Mapping[str, Any]
    request: Resources
    """What the pod takes; nothing of it is zero."""
    refusal: str = ""
    """Why the API server refuses it, and what to do; empty where it does not, as far as that is known."""


def admitted_pod(spec: Mapping[str, Any], rules: PodRules) -> AdmittedPod:
    """Return what admission makes of a pod that is as its job gives it."""
    refusals, admitted = [], spec
    if name := spec.get(runtimeclasses.FIELD):
        runtime_class = rules.runtime_classes.get(name)
        refusals.append(runtimeclasses.refusal(spec, runtime_class))
        admitted = runtimeclasses.applied(spec, runtime_class) if runtime_class is not None else spec
    if rules.limit_ranges:
        defaults = defaults_of(rules.limit_ranges)
        refusals.append(bounds.refusal(spec, rules.limit_ranges, defaults))
        admitted = _with_pod_requests(spec, each_container(admitted, defaults.added))
    try:
        request = checked_request(pod_requests(admitted))
    except InvalidQuantity as error:
        refusals.append(f"with what LimitRanges and RuntimeClass add, {error}")
        admitted, request = spec, {name: amount for name, amount in pod_requests(spec).items() if amount}
    return AdmittedPod(admitted, request, next(filter(None, refusals), ""))


def _with_pod_requests(spec: Mapping[str, Any], admitted: dict[str, Any]) -> dict[str, Any]:
    """The pod with the requests that it has as a whole: these are set before any LimitRange is looked at."""
    whole = spec.get("resources") or {}
    names = {*(whole.get("requests") or {}), *(whole.get("limits") or {})}
    if not names:
        return admitted
    before = pod_requests({**spec, "overhead": {}})
    requests = {name: before[name] for name in names}
    return {**admitted, "resources": {**whole, "requests": to_resource_list(requests)}}


def under_rules(resolved: Resolved, rules: PodRules) -> Resolved:
    """Return what a job comes to once its pods come under these rules, whatever they came under before."""
    gang = resolved.gang
    if gang is None:
        pod = admitted_pod(resolved.template["spec"], rules)
        constraints = constraints_of(pod.spec, resolved.zone_policy)
        refusal = _refused(pod.refusal)
        return replace(resolved, request=pod.request, constraints=constraints, rules=rules, refusal=refusal)
    pods = [admitted_pod(group.template["spec"], rules) for group in gang.groups]
    groups = tuple(
        replace(group, request=pod.request, constraints=constraints_of(pod.spec, resolved.zone_policy))
        for group, pod in zip(gang.groups, pods, strict=True)
    )
    refusals = [
        f"of {'node' if len(group.nodes) == 1 else 'nodes'} {IndexSet.of(group.nodes).brief()}, {pod.refusal}"
        for group, pod in zip(groups, pods, strict=True)
        if pod.refusal
    ]
    gang = replace(gang, groups=groups)
    return replace(resolved, request=gang.request, gang=gang, rules=rules, refusal=_refused(*refusals[:1]))


def _refused(*why: str) -> str:
    return next((f"the API server would refuse its pods: {each}" for each in why if each), "")
