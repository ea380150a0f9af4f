"""Fargate profiles: which pods are Fargate's, and the admission policy that marks them when they are made."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEDULER = "fargate-scheduler"
PROFILE_LABEL = "eks.amazonaws.com/fargate-profile"
PROBE_LABEL = "sim.batchyard.dev/fargate-probe"
"""On pods that are made on trial only, to see whether the policy is at work."""
POLICY = "fargate-profiles"
_REGISTRATION = "admissionregistration.k8s.io/v1"
_LABELS = "object.metadata.?labels.orValue({})"


@dataclass(frozen=True)
class Profile:
    """A selector of pods, under the name of its profile: several of one name are its selectors.

    Namespace and labels may hold the wildcards * and ?, keys of labels, too.
    """

    name: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether pods of that namespace with these labels are Fargate's, by this profile."""
        return _matches(self.namespace, namespace) and all(
            any(_matches(key, k) and _matches(value, v) for k, v in labels.items())
            for key, value in self.labels.items()
        )

    def condition(self) -> str:
        """The same in CEL, of a pod that is admitted."""
        labels = [
            f"{_LABELS}.exists(k, {_cel_matches('k', key)} && {_cel_matches('object.metadata.labels[k]', value)})"
            for key, value in self.labels.items()
        ]
        return " && ".join([_cel_matches("request.namespace", self.namespace), *labels])


def is_selected(profiles: Sequence[Profile], name: str, namespace: str, labels: Mapping[str, str]) -> bool:
    """Whether a profile of that name selects the pod."""
    return any(each.name == name and each.selects(namespace, labels) for each in profiles)


def policy(profiles: Sequence[Profile], probe: str) -> list[dict[str, Any]]:
    """The policy and its binding: a pod gets the first profile, by name, that selects it, and Fargate's scheduler.

    A pod that names a profile in its label gets no other one. The probe stands for this very policy: a pod with it as
    its label `PROBE_LABEL` gets the scheduler, too.
    """
    chosen = _chosen(profiles, probe)
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "matchConditions": [{"name": "has-a-profile", "expression": f"({chosen}) != ''"}],
        "variables": [{"name": "profile", "expression": chosen}],
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _patch()}}],
    }
    binding = {"policyName": POLICY}
    return [
        {"apiVersion": _REGISTRATION, "kind": kind, "metadata": {"name": POLICY}, "spec": each}
        for kind, each in (("MutatingAdmissionPolicy", spec), ("MutatingAdmissionPolicyBinding", binding))
    ]


def path_of(kind: str) -> str:
    """Where the policy or its binding is."""
    plural = {"MutatingAdmissionPolicy": "mutatingadmissionpolicies"}.get(kind, f"{kind.lower()}s")
    return f"/apis/{_REGISTRATION}/{plural}/{POLICY}"


def _chosen(profiles: Sequence[Profile], probe: str) -> str:
    """CEL of the name of a pod's profile, empty if it has none."""
    names = sorted({each.name for each in profiles})
    asked = f'{_LABELS}[?"{PROFILE_LABEL}"].orValue("")'
    branches = [f'{_LABELS}[?"{PROBE_LABEL}"].orValue("") == {json.dumps(probe)} ? "probe"']
    for name in names:
        selectors = " || ".join(f"({each.condition()})" for each in profiles if each.name == name)
        branches.append(f'{asked} in ["", {json.dumps(name)}] && ({selectors}) ? {json.dumps(name)}')
    return " : ".join([*branches, '""'])


def _patch() -> str:
    """CEL of what is changed; EKS gives such pods the priority of system-node-critical, whatever they ask for."""
    label = _add(f'"/metadata/labels/" + jsonpatch.escapeKey("{PROFILE_LABEL}")', "variables.profile")
    labels = _add('"/metadata/labels"', f'{{"{PROFILE_LABEL}": variables.profile}}')
    values = {
        "schedulerName": SCHEDULER,
        "priorityClassName": "system-node-critical",
        "priority": 2_000_001_000,
        "preemptionPolicy": "PreemptLowerPriority",
    }
    changes = [_add(f'"/spec/{name}"', json.dumps(value)) for name, value in values.items()]
    return f"[has(object.metadata.labels) ? {label} : {labels}, {', '.join(changes)}]"


def _add(path: str, value: str) -> str:
    return f'JSONPatch{{op: "add", path: {path}, value: {value}}}'


def _regex(wildcards: str) -> str:
    return "^" + re.escape(wildcards).replace(r"\*", ".*").replace(r"\?", ".") + "$"


def _matches(wildcards: str, text: str) -> bool:
    return re.match(_regex(wildcards), text) is not None


def _cel_matches(what: str, wildcards: str) -> str:
    return f"{what}.matches({json.dumps(_regex(wildcards))})"
