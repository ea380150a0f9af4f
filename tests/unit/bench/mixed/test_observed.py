"""What the pods of a side come to: when they ran, what kept them waiting, and where they were expected."""

from typing import Any

import pytest

from batchyard.objects.kubernetes.steering import steered
from bench.mixed.observed import ALL, Pods, figures
from bench.mixed.tasks import free_milli

UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
GATED = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}


def pod(
    job: str = "a", uid: str = "1", node: str = "", phase: str = "Pending", expected: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    container = {"resources": {"requests": {"cpu": "2"}}}
    spec = {"containers": [container]}
    steered({"spec": {"template": {"spec": spec}}}, expected)
    if node:
        spec["nodeName"] = node  # type: ignore[assignment]
    status = {"phase": phase, "conditions": more.pop("conditions", [])}
    return {"metadata": {"uid": uid, "labels": {"batchyard.dev/job": job}, **more}, "spec": spec, "status": status}


def ran(pods: Pods, began: float, ended: float, **of: Any) -> None:
    pods.see(pod(node="n", phase="Running", **of), began)
    pods.see(pod(node="n", phase="Succeeded", **of), ended)


def summed(pods: Pods, *jobs: str, seconds: float = 10) -> Any:
    return figures(list(pods.by_uid.values()), dict.fromkeys(jobs, "one"), dict.fromkeys(jobs, 0.0), seconds, 0)


def test_a_pod_uses_what_it_asks_for_from_running_to_its_end() -> None:
    pods = Pods()
    pods.see(pod(), 1)
    pods.see(pod(node="n"), 2)
    ran(pods, 3, 8)
    pods.see(pod(node="n", phase="Succeeded", deletionTimestamp="now"), 9)
    assert summed(pods, "a").utilisation == pytest.approx(2000 * 5 / (free_milli() * 10))


def test_a_pod_that_was_seen_only_when_it_had_ended_counts_as_run() -> None:
    pods = Pods()
    pods.see(pod(node="n", phase="Succeeded"), 4)
    assert summed(pods, "a").waits["one"].mean == 4
    assert summed(pods, "a").utilisation == 0


def test_pods_that_found_no_node_count_until_they_have_one() -> None:
    pods = Pods()
    pods.see(pod(conditions=[GATED]), 0)
    pods.see(pod(conditions=[UNSCHEDULABLE]), 1)
    pods.see(pod(conditions=[UNSCHEDULABLE]), 2)
    ran(pods, 5, 6)
    ran(pods, 5, 6, job="b", uid="2")
    assert (summed(pods, "a", "b").unschedulable, summed(pods, "a", "b").unschedulable_seconds) == (1, 4)


def test_a_pod_that_is_deleted_before_it_found_a_node_waited_until_then() -> None:
    pods = Pods()
    pods.see(pod(conditions=[UNSCHEDULABLE]), 1)
    pods.see(pod(conditions=[UNSCHEDULABLE], deletionTimestamp="now"), 3)
    ran(pods, 5, 6, uid="2")
    assert summed(pods, "a").unschedulable_seconds == 2
    assert summed(pods, "a").repeated == 1


def test_a_pod_on_another_node_than_the_one_it_prefers_is_elsewhere() -> None:
    pods = Pods()
    for uid, node, expected in (("1", "n", ("n",)), ("2", "n", ("m",)), ("3", "n", ()), ("4", "", ("m",))):
        pods.see(pod(uid, uid, node=node, expected=expected), 0)
    assert [each.is_elsewhere for each in pods.by_uid.values()] == [False, True, False, False]


def test_bare_jobs_are_known_by_the_label_of_kubernetes() -> None:
    pods, seen = Pods(), pod(node="n", phase="Running")
    seen["metadata"]["labels"] = {"batch.kubernetes.io/job-name": "bare"}
    pods.see(seen, 7)
    assert summed(pods, "bare").waits["one"].longest == 7


def test_jobs_wait_from_submission_until_their_first_pod_runs() -> None:
    pods = Pods()
    ran(pods, 4, 5)
    ran(pods, 8, 9, uid="2")
    ran(pods, 7, 9, job="b", uid="3")
    of = figures(list(pods.by_uid.values()), {"a": "one", "b": "two"}, {"a": 1.0, "b": 2.0}, 10, 0)
    assert {name: each.mean for name, each in of.waits.items()} == {"one": 3, "two": 5, ALL: 4}
    assert of.waits[ALL].longest == 5
    assert of.repeated == 1
