"""Jobs in real containers that wait for jobs: joined, failing, late, in a circle, deleted, across a dead operator.

The jobs of one namespace are submitted together and run side by side; each test looks at its own.
"""

from datetime import datetime

import pytest

from e2e.clusterapi import Json
from e2e.harness import Harness, conditions
from e2e.operatorprocess import OperatorProcess

pytestmark = pytest.mark.e2e

HOLD = ("sh", "-c", "until [ -e /tmp/end ]; do sleep 0.2; done")


@pytest.fixture(scope="module", autouse=True)
def submitted(shared: Harness) -> None:
    shared.apply(
        shared.real_environment(),
        shared.queue("queue", "real"),
        shared.definition("quick", "true", cpu="20m"),
        shared.definition("broken", "sh", "-c", "exit 3", cpu="20m"),
        shared.definition("slow", *HOLD, cpu="20m"),
    )
    shared.apply(
        # Submitted before what they wait for.
        _job(shared, "bottom", {"job": "left"}, {"job": "right", "type": "Sequential"}),
        _job(shared, "left", {"job": "top"}),
        _job(shared, "right", {"job": "top"}),
        _job(shared, "top"),
        _job(shared, "fails", definition="broken"),
        _job(shared, "link-1", {"job": "fails"}),
        _job(shared, "link-2", {"job": "link-1"}),
        _job(shared, "always", {"job": "link-2", "type": "Finished"}),
        _job(shared, "alarm", {"job": "fails", "type": "Failed"}),
        _job(shared, "no-alarm", {"job": "top", "type": "Failed"}),
        _job(shared, "early", {"job": "late"}),
        _job(shared, "egg", {"job": "hen"}),
        _job(shared, "quick-one"),
        _job(shared, "slow-one", definition="slow"),
        _job(shared, "patient", {"job": "quick-one"}, {"job": "slow-one"}),
    )


def _job(harness: Harness, name: str, *others: Json, definition: str = "quick") -> Json:
    return harness.job(name, definition, "queue", dependsOn=list(others))


def _time(status: Json, field: str) -> datetime:
    return datetime.fromisoformat(status[field])


def test_one_deleted_after_its_end_counts_across_a_dead_operator(shared: Harness, operator: OperatorProcess) -> None:
    shared.wait_state("quick-one", "Succeeded")
    shared.kubectl("delete", "batchjob", "quick-one")
    status = shared.wait_status("patient", lambda status: bool(status.get("dependencies")))
    assert status["dependencies"] == [{"job": "quick-one", "state": "Succeeded"}]
    slow = shared.wait_state("slow-one", "Running")["attempts"][0]["podName"]
    operator.replace()
    shared.kubectl("exec", slow, "--", "touch", "/tmp/end")  # noqa: S108 - in the job's own container
    statuses = shared.wait_finished(["slow-one", "patient"])
    assert statuses["patient"]["state"] == "Succeeded"
    assert _time(statuses["patient"], "startedAt") >= _time(statuses["slow-one"], "stoppedAt")
    assert [each["job"] for each in statuses["patient"]["dependencies"]] == ["quick-one", "slow-one"]


def test_a_diamond_runs_from_top_to_bottom(shared: Harness) -> None:
    statuses = shared.wait_finished(["top", "left", "right", "bottom"])
    assert {status["state"] for status in statuses.values()} == {"Succeeded"}
    for first, then in (("top", "left"), ("top", "right"), ("left", "bottom"), ("right", "bottom")):
        assert _time(statuses[then], "startedAt") >= _time(statuses[first], "stoppedAt")


def test_a_failure_goes_down_the_chain_and_names_the_culprit(shared: Harness) -> None:
    statuses = shared.wait_finished(["fails", "link-1", "link-2", "always", "alarm", "no-alarm"])
    states = {name: (status["state"], status["reason"]) for name, status in statuses.items()}
    not_met, completed = ("Failed", "DependencyNotMet"), ("Succeeded", "Completed")
    assert (states["link-1"], states["link-2"], states["no-alarm"]) == (not_met, not_met, not_met)
    assert (states["always"], states["alarm"]) == (completed, completed)
    assert statuses["link-1"]["message"].startswith("BatchJob fails had to succeed but failed: NonZeroExit: ")
    assert "because of BatchJob fails (NonZeroExit: " in statuses["link-2"]["message"]
    assert "BatchJob top had to fail but succeeded" in statuses["no-alarm"]["message"]
    assert conditions(statuses["link-2"])["Failed"] == "True"
    assert [shared.jobs_of(name) for name in ("link-1", "link-2", "no-alarm")] == [[], [], []]


def test_one_that_comes_later_is_waited_for(shared: Harness) -> None:
    status = shared.wait_reason("early", "DependencyNotFound")
    assert status["message"] == (
        f"waits for BatchJob late to succeed; late does not exist in namespace {shared.namespace} yet"
    )
    shared.apply(_job(shared, "late"))
    assert shared.wait_finished(["early"])["early"]["state"] == "Succeeded"


def test_a_circle_is_found_when_it_is_closed(shared: Harness) -> None:
    shared.wait_reason("egg", "DependencyNotFound")
    shared.apply(_job(shared, "hen", {"job": "egg", "type": "Finished"}))
    statuses = shared.wait_finished(["hen", "egg"])
    assert {status["reason"] for status in statuses.values()} == {"DependencyCycle"}
    assert "can ever start: hen -> egg -> hen; delete them" in statuses["hen"]["message"]
    refusal = shared.refused(_job(shared, "self", {"job": "self"}))
    assert "a job cannot depend on itself; remove the entry that names the job" in refusal


def test_dependencies_between_indexes_are_for_arrays(shared: Harness) -> None:
    sentence = "the types NToN, and Sequential without a job, are for arrays: give spec.array, or choose another type"
    assert sentence in shared.refused(_job(shared, "steps", {"type": "Sequential"}))
    assert sentence in shared.refused(_job(shared, "pairs", {"job": "top", "type": "NToN"}))
