"""Queues that may displace work of lower priority, with real containers."""

import pytest

from e2e.clusterapi import EVENTS
from e2e.harness import Harness

pytestmark = pytest.mark.e2e

# The first process of a container does not end on SIGTERM unless it says how.
SLEEP = ("sh", "-c", "trap 'exit 143' TERM; sleep Ref::seconds & wait")


def test_an_array_shrinks_and_a_job_goes_back_to_its_queue_for_one_of_higher_priority(harness: Harness) -> None:
    harness.apply(
        harness.real_environment("pool", maxVcpus=0.15),  # three at a time
        harness.queue("urgent", "pool", priority=10, preemption={"policy": "LowerPriority"}),
        harness.queue("low", "pool", priority=1),
        harness.definition("sleep", *SLEEP, parameters={"seconds": "600"}),
        harness.job("single", "sleep", "low"),
    )
    harness.wait_state("single", "Running")
    harness.apply(harness.job("array", "sleep", "low", array={"size": 6, "maxConcurrency": 2}))
    harness.wait_status("array", lambda status: status.get("array", {}).get("running") == 2)
    harness.apply(*(harness.job(name, "sleep", "urgent", parameters={"seconds": "1"}) for name in ("one", "two")))
    assert {status["state"] for status in harness.wait_finished({"one", "two"}).values()} == {"Succeeded"}
    status = harness.statuses()["single"]
    assert (status["state"], status["interruptions"]) == ("Running", 0)
    harness.wait_status("array", lambda status: status["array"]["running"] == 2)
    status = harness.statuses()["array"]
    assert (status["interruptions"], status["array"]["failed"], status["array"]["retries"]) == (0, 0, 0)

    harness.apply(*(harness.job(name, "sleep", "urgent", parameters={"seconds": "5"}) for name in "abc"))
    assert {status["state"] for status in harness.wait_finished(set("abc")).values()} == {"Succeeded"}
    status = harness.wait_state("single", "Running")
    assert (status["interruptions"], [each["attempt"] for each in status["attempts"]]) == (1, [1, 1])
    said = [
        event["message"]
        for event in harness.api.list(EVENTS, harness.namespace)
        if event["reason"] == "Preempted" and event["involvedObject"]["name"] == "single"
    ]
    assert len(said) == 1
    assert said[0].endswith(f"of queue {harness.named('urgent')}, which has a higher priority")
