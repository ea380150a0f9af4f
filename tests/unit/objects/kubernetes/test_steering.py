"""The wish for a node in a Kubernetes Job."""

from typing import Any

from batchyard.objects.kubernetes.job import build_job
from batchyard.objects.kubernetes.steering import HOSTNAME, steered
from unit.samples import make_environment, make_job, make_resolved

REQUIRED = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "Exists"}]}]}
OWN = [{"weight": 1, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}}]


def affinity(hostnames: list[str], **own: Any) -> Any:
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": "x"}], **({"affinity": own} if own else {})}
    resolved = make_resolved(template={"spec": spec})
    body = steered(build_job(make_job(), resolved, make_environment(), 1, 1), hostnames)
    assert resolved.template["spec"].get("affinity") == (own or None), "the definition's template stays as it is"
    return body["spec"]["template"]["spec"].get("affinity")


def wish(*hostnames: str) -> Any:
    terms = [{"key": HOSTNAME, "operator": "In", "values": list(hostnames)}]
    return [{"weight": 100, "preference": {"matchExpressions": terms}}]


def test_pods_prefer_the_nodes_that_they_are_expected_on() -> None:
    found = affinity(["a", "b"])
    assert found == {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": wish("a", "b")}}
    assert affinity([]) is None


def test_what_they_require_stays() -> None:
    found = affinity(
        ["a"],
        nodeAffinity={"requiredDuringSchedulingIgnoredDuringExecution": REQUIRED},
        podAntiAffinity={"preferredDuringSchedulingIgnoredDuringExecution": []},
    )
    assert found["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] == REQUIRED
    assert found["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == wish("a")
    assert found["podAntiAffinity"] == {"preferredDuringSchedulingIgnoredDuringExecution": []}


def test_what_they_prefer_themselves_counts_alone() -> None:
    own = {"preferredDuringSchedulingIgnoredDuringExecution": OWN}
    assert affinity(["a"], nodeAffinity=own) == {"nodeAffinity": own}
