"""Queues and environments, on simulated nodes: who starts when, who waits for what, and who may submit at all."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from batchyard.api import names
from e2e.harness import Harness, conditions, started_in_order
from localcluster.nodes.simulated import TAINT

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def definitions(shared: Harness) -> None:
    shared.apply(
        shared.simulated_definition("second", duration="1s"),
        shared.simulated_definition("moment", duration="3s"),
        shared.simulated_definition("double", duration="1s", cpu="2"),
        shared.simulated_definition("endless", annotations={"sim.batchyard.dev/never-finish": "true"}),
        shared.simulated_definition("huge", cpu="1000"),
    )


def test_queues_that_share_an_environment_are_served_by_priority(shared: Harness) -> None:
    shared.apply(
        shared.simulated_environment("contended", maxVcpus=1, state="Disabled"),
        shared.queue("low", "contended", priority=1),
        shared.queue("high", "contended", priority=100),
        *(shared.job(f"low-{index}", "second", "low") for index in (1, 2)),
    )
    assert shared.wait_reason("low-1", "ComputeEnvironmentDisabled")["state"] == "Runnable"
    shared.apply(*(shared.job(f"high-{index}", "second", "high") for index in (1, 2)))
    shared.wait_reason("high-1", "ComputeEnvironmentDisabled")
    shared.apply(shared.simulated_environment("contended", maxVcpus=1))
    told = shared.wait_reason("low-1", "WaitingForHigherPriority")["message"]
    assert f"held for a job of queue {shared.named('high')} (priority 100)" in told
    order = ["high-1", "high-2", "low-1", "low-2"]
    assert started_in_order(shared.wait_finished(order), order)


def test_a_waiting_job_says_for_what_and_where_it_stands(shared: Harness) -> None:
    waiting = [f"place-{index}" for index in range(1, 4)]
    shared.apply(
        shared.simulated_environment("taken", maxVcpus=2, maxMemory="1Gi"),
        shared.queue("line", "taken", queueing={"policy": "Strict"}),
        shared.job("holder", "endless", "line"),
    )
    shared.wait_state("holder", "Running")
    shared.apply(*(shared.job(name, "double", "line") for name in waiting))
    head = shared.wait_reason(waiting[0], "InsufficientCapacity")
    assert head["queuePosition"] == 1
    assert "needs 2 vCPU, 32 MiB memory on one node" in head["message"]
    for position, name in enumerate(waiting[1:], start=2):
        status = shared.wait_reason(name, "WaitingInQueue")
        assert (status["state"], status["queuePosition"]) == ("Runnable", position)
        assert f"position {position} in queue {shared.named('line')}" in status["message"]

    status = shared.wait_shown("computeenvironments", "taken", lambda status: status.get("jobs") == 1)
    assert status["capacity"]["cpu"] == "2"
    assert (status["used"]["cpu"], status["free"]["cpu"]) == ("1", "1")
    assert (status["capacity"]["memory"], status["used"]["memory"]) == ("1Gi", "32Mi")
    status = shared.wait_shown("jobqueues", "line", lambda status: status.get("jobs", {}).get("runnable") == 3)
    assert status["jobs"]["running"] == 1
    told = (shared.namespace, waiting[0], "InsufficientCapacity")
    assert tuple(status["head"][part] for part in ("namespace", "name", "reason")) == told
    assert head["message"].startswith(status["head"]["message"]), "figures are told of the job alone"
    assert [each["name"] for each in status["front"]] == waiting
    assert status["front"][0]["since"] == status["head"]["since"]

    # Free capacity that is too small for the head is kept for it; places are renewed as the line moves on.
    shared.apply(shared.job("small-and-late", "second", "line"))
    shared.wait_reason("small-and-late", "WaitingInQueue")
    shared.kubectl("delete", "batchjob", "holder")
    statuses = shared.wait_finished([*waiting, "small-and-late"])
    assert started_in_order(statuses, [*waiting, "small-and-late"])


def test_a_waiting_job_is_told_about_when_it_starts(shared: Harness) -> None:
    shared.apply(
        shared.simulated_environment("foreseen", maxVcpus=1),
        shared.queue("foreseen", "foreseen"),
        shared.job("an-hour", "endless", "foreseen", timeout={"attemptDurationSeconds": 3600}),
    )
    shared.wait_state("an-hour", "Running")
    line = [f"after-it-{number}" for number in range(3)]
    shared.apply(*(shared.job(name, "second", "foreseen", timeout={"attemptDurationSeconds": 600}) for name in line))
    shared.wait_status(line[2], lambda status: status.get("queuePosition") == 3)
    shared.kubectl("delete", "batchjob", line[1])  # with its new place the last one is told when it starts
    status = shared.wait_status(line[2], lambda status: "estimatedStartAt" in status)
    running = shared.statuses()["an-hour"]
    until = datetime.fromisoformat(status["estimatedStartAt"]) - datetime.fromisoformat(running["startedAt"])
    assert 3599 <= until.total_seconds() <= 4201, "after an hour, and after a job of ten minutes at most"
    shared.kubectl("delete", "batchjob", "an-hour")
    assert "estimatedStartAt" not in shared.wait_state(line[2], "Succeeded")


def test_a_job_that_delays_nobody_goes_before_a_large_one_that_waits(shared: Harness) -> None:
    shared.apply(
        shared.simulated_environment("gap", maxVcpus=2),
        shared.queue("gap", "gap", queueing={"policy": "Strict"}),
        shared.job("holder-of-one", "endless", "gap", timeout={"attemptDurationSeconds": 3600}),
    )
    shared.wait_state("holder-of-one", "Running")
    shared.apply(shared.job("of-two", "double", "gap"))
    assert shared.wait_reason("of-two", "InsufficientCapacity")["queuePosition"] == 1
    shared.apply(
        shared.job("too-long", "second", "gap", timeout={"attemptDurationSeconds": 7200}),
        shared.job("without-end", "second", "gap"),
        shared.job("short", "second", "gap", timeout={"attemptDurationSeconds": 60}),
    )
    assert shared.wait_finished(["short"])["short"]["state"] == "Succeeded"
    statuses = shared.statuses()
    assert {statuses[name]["state"] for name in ("of-two", "too-long", "without-end")} == {"Runnable"}
    shared.kubectl("delete", "batchjob", "holder-of-one")
    order = ["of-two", "too-long"]
    assert started_in_order(shared.wait_finished([*order, "without-end"]), order)


def test_a_disabled_queue_starts_nothing_and_lets_running_jobs_end(shared: Harness) -> None:
    shared.apply(
        shared.simulated_environment("open", maxVcpus=4),
        shared.queue("pausing", "open"),
        shared.job("before", "moment", "pausing"),
    )
    shared.wait_state("before", "Running")
    shared.apply(shared.queue("pausing", "open", state="Disabled"), shared.job("during", "second", "pausing"))
    assert shared.wait_reason("during", "JobQueueDisabled")["state"] == "Runnable"
    assert shared.wait_finished(["before"])["before"]["state"] == "Succeeded"
    assert not shared.jobs_of("during")
    shared.wait_condition("jobqueues", "pausing", "Disabled")
    shared.apply(shared.queue("pausing", "open"))
    shared.wait_state("during", "Succeeded")


def test_a_disabled_environment_is_passed_over_and_lets_running_jobs_end(shared: Harness) -> None:
    shared.apply(
        shared.simulated_environment("preferred", maxVcpus=4),
        shared.simulated_environment("spare", maxVcpus=1),
        shared.queue("ordered", "preferred", "spare"),
        shared.job("at-home", "moment", "ordered"),
    )
    assert shared.wait_state("at-home", "Running")["computeEnvironment"] == shared.named("preferred")
    shared.apply(
        shared.simulated_environment("preferred", maxVcpus=4, state="Disabled"),
        shared.job("guest", "second", "ordered"),
    )
    statuses = shared.wait_finished(["at-home", "guest"])
    assert {status["state"] for status in statuses.values()} == {"Succeeded"}
    assert statuses["guest"]["computeEnvironment"] == shared.named("spare")


def test_a_full_environment_lets_jobs_go_to_the_next_one(shared: Harness) -> None:
    shared.apply(
        shared.simulated_environment("front", maxVcpus=1),
        shared.simulated_environment("overflow", maxVcpus=1),
        shared.queue("spilling", "front", "overflow"),
        *(shared.job(f"spilled-{index}", "second", "spilling") for index in (1, 2)),
    )
    statuses = shared.wait_finished(["spilled-1", "spilled-2"])
    places = [statuses[name]["computeEnvironment"] for name in ("spilled-1", "spilled-2")]
    assert places == [shared.named("front"), shared.named("overflow")]


@pytest.fixture
def own_nodes(shared: Harness) -> Iterator[dict[str, str]]:
    """A label for nodes of this test's own, which are removed after it."""
    label = {"batchyard.dev/e2e": shared.namespace}
    yield label
    shared.cluster.kubectl("delete", "nodes", "-l", f"batchyard.dev/e2e={shared.namespace}", "--wait=false")


def test_a_job_that_never_fits_says_so_at_once_and_delays_nobody(shared: Harness, own_nodes: dict[str, str]) -> None:
    unmanaged = {"nodeSelector": own_nodes, "tolerations": [{"key": TAINT, "operator": "Exists"}]}
    shared.apply(
        shared.object(names.COMPUTE_ENVIRONMENT, "growing", {"unmanaged": unmanaged}),
        shared.queue("mixed", "growing"),
        shared.job("a-too-large", "huge", "mixed"),
        shared.job("b-modest", "second", "mixed"),
    )
    assert "no usable node" in shared.wait_reason("b-modest", "NoNodes")["message"]
    shared.cluster.add_nodes(1, cpu="4", labels=own_nodes)
    status = shared.wait_reason("a-too-large", "ExceedsCapacity")
    assert "the job needs 1000 vCPU" in status["message"]
    assert conditions(status)["Stalled"] == "True"
    shared.wait_state("b-modest", "Succeeded")
    assert shared.statuses()["a-too-large"]["state"] == "Runnable"
    shared.cluster.add_nodes(1, cpu="2000", labels=own_nodes)
    assert "Stalled" not in conditions(shared.wait_state("a-too-large", "Succeeded"))


def test_a_queue_takes_jobs_of_the_namespaces_it_selects(shared: Harness) -> None:
    selector = {"matchLabels": {"batchyard.dev/team": "blue"}}
    shared.apply(
        shared.simulated_environment("anyone"),
        shared.queue("blue-only", "anyone", namespaceSelector=selector),
        shared.job("outsider", "second", "blue-only"),
    )
    status = shared.wait_reason("outsider", "NamespaceNotAllowed")
    assert status["state"] == "Pending"
    assert f"does not accept jobs of namespace {shared.namespace}" in status["message"]
    shared.cluster.kubectl("label", "namespace", shared.namespace, "batchyard.dev/team=blue")
    shared.wait_state("outsider", "Succeeded")
