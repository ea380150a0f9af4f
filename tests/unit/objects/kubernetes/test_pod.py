"""What is read from the objects of the API server: how the containers of a pod ended."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.model.run import NOTHING
from batchyard.objects.kubernetes.pod import read_pod

KILLED = {"exitCode": 137, "reason": "OOMKilled"}
KILLED_SOFTLY = {"exitCode": 1, "reason": "OOMKilled"}
SURVIVED = {"exitCode": 0, "reason": "OOMKilled"}
FAILED = {"exitCode": 3, "reason": "Error"}
SIGNALLED = {"exitCode": 137, "reason": "Error"}
DONE = {"exitCode": 0, "reason": "Completed"}


def pod(*ends: dict[str, Any], init: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    def shown(prefix: str, ends: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
        return [{"name": f"{prefix}-{index}", "state": {"terminated": end}} for index, end in enumerate(ends)]

    labels = {names.JOB: "videos", names.JOB_UID: "uid", "batch.kubernetes.io/job-name": "videos-1"}
    metadata = {"name": "videos-1-x", "namespace": "media", "uid": "uid-pod", "labels": labels}
    return {
        "metadata": {**metadata, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {
            "phase": "Failed",
            "initContainerStatuses": shown("init", init),
            "containerStatuses": shown("main", ends),
        },
    }


@pytest.mark.parametrize(
    ("obj", "exit_code", "reason", "killed"),
    [
        (pod(KILLED), 137, "OOMKilled", ("main-0",)),
        (pod(KILLED_SOFTLY), 1, "OOMKilled", ("main-0",)),
        (pod(SIGNALLED), 137, "Error", ()),
        (pod(SURVIVED), 0, "OOMKilled", ()),
        (pod(SURVIVED, FAILED), 3, "Error", ()),
        (pod(FAILED, KILLED), 137, "OOMKilled", ("main-1",)),
        (pod(KILLED, KILLED), 137, "OOMKilled", ("main-0", "main-1")),
        (pod(init=(DONE, KILLED)), 137, "OOMKilled", ("init-1",)),
        (pod(DONE, init=(DONE,)), 0, "Completed", ()),
    ],
)
def test_memory_ran_out_where_the_state_of_a_failed_container_says_so(
    obj: dict[str, Any], exit_code: int, reason: str, killed: tuple[str, ...]
) -> None:
    found = read_pod(obj)
    assert found is not None
    assert (found.exit_code, found.reason, found.out_of_memory) == (exit_code, reason, killed)


def asking(cpu: str, **spec: Any) -> dict[str, Any]:
    return {**pod(), "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": cpu}}}], **spec}}


def test_what_a_pod_asks_for_is_read_once_with_what_admission_has_added() -> None:
    first = read_pod(asking("1", overhead={"cpu": "250m"}))
    assert first is not None
    assert first.request == {"cpu": 1250}
    again = read_pod(asking("3"), first)
    assert again is not None
    assert again.request == {"cpu": 1250}


def test_what_cannot_be_read_is_not_known() -> None:
    found = read_pod(asking("plenty"))
    assert found is not None
    assert found.request == NOTHING


def test_what_a_known_pod_belongs_to_does_not_change_with_its_labels() -> None:
    first = read_pod(pod())
    changed = pod()
    changed["metadata"]["labels"] |= {names.JOB: "another", names.JOB_UID: "other"}
    assert read_pod(changed, first) == first
