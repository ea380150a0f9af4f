"""Fair-share queues on a real cluster: what three shares get is measured, across a restart of the operator."""

from collections import Counter
from datetime import datetime
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import until
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess

pytestmark = pytest.mark.e2e

WEIGHTS = {"one": 1.0, "two": 0.5, "four": 0.25}
"""Weights of usage: the lower, the more a share gets. These come to 1 : 2 : 4."""

JOBS_PER_SHARE = 48


def policy(**settings: Any) -> dict[str, Any]:
    return {"type": "FairShare", "fairShare": settings}


def share_of(job: str) -> str:
    return job.partition("-")[0]


def vcpu_seconds(statuses: dict[str, dict[str, Any]], until_: float) -> Counter[str]:
    """What each share has had up to a moment, from the times in the statuses of its jobs of one vCPU each."""
    had: Counter[str] = Counter()
    for job, status in statuses.items():
        for attempt in status.get("attempts", ()):
            started = attempt.get("startedAt")
            if started is not None:
                end = min(_seconds(attempt["stoppedAt"]) if "stoppedAt" in attempt else until_, until_)
                had[share_of(job)] += round(max(end - _seconds(started), 0))
    return had


def _seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def running(harness: Harness) -> Counter[str]:
    return Counter(share_of(job) for job, status in harness.statuses().items() if status.get("state") == "Running")


def started(harness: Harness) -> int:
    return sum(status.get("state") in ("Running", "Succeeded") for status in harness.statuses().values())


def test_three_shares_get_what_their_weights_say(harness: Harness, operator: OperatorProcess) -> None:
    weights = [{"shareIdentifier": share, "weightFactor": weight} for share, weight in WEIGHTS.items()]
    harness.apply(
        harness.simulated_environment("divided", maxVcpus=14),
        harness.queue("fair", "divided", state="Disabled", schedulingPolicy=policy(shares=weights)),
        harness.simulated_definition("work", duration="3s"),
        *(
            harness.job(f"{share}-{number:02}", "work", "fair", shareIdentifier=share)
            for share in WEIGHTS
            for number in range(JOBS_PER_SHARE)
        ),
    )
    first = harness.wait_reason("one-00", "JobQueueDisabled")
    assert first["queuePosition"] == 1
    harness.wait_status("four-47", lambda status: status.get("queuePosition") == JOBS_PER_SHARE)
    assert "position 48 in share four of queue" in harness.statuses()["four-47"]["message"]

    harness.apply(harness.queue("fair", "divided", schedulingPolicy=policy(shares=weights)))
    # On a busy machine the status of a short job may go past Running: it is skipped for that of the job's end.
    until(lambda: started(harness) >= 14 or None, 60, lambda: f"{started(harness)} have started")
    until(lambda: harness.statuses()["four-12"].get("state") == "Succeeded" or None, 60, lambda: "no progress")
    operator.replace()
    statuses = until(lambda: _all_of_four(harness), 90, lambda: f"{running(harness)} run")
    last_start = max(_seconds(status["startedAt"]) for job, status in statuses.items() if share_of(job) == "four")
    had = vcpu_seconds(statuses, last_start)
    assert had.total() > 200
    for share, weight in WEIGHTS.items():
        assert had[share] / had.total() == pytest.approx(1 / weight / 7, rel=0.15), dict(had)

    counted = harness.wait_shown("jobqueues", "fair", lambda status: len(_shares(status)) == 3)
    assert set(_shares(counted)) == set(WEIGHTS)
    harness.apply(harness.queue("fair", "divided", state="Disabled", schedulingPolicy=policy(shares=weights)))


def _all_of_four(harness: Harness) -> dict[str, Any] | None:
    statuses = harness.statuses()
    mine = [status for job, status in statuses.items() if share_of(job) == "four"]
    return statuses if all("startedAt" in status for status in mine) else None


def _shares(status: dict[str, Any]) -> dict[str, Any]:
    return {each["shareIdentifier"]: each for each in status.get("fairShare", {}).get("shares", ())}


def test_jobs_and_queues_must_agree_on_shares(harness: Harness) -> None:
    harness.apply(
        harness.simulated_environment("any", maxVcpus=1),
        harness.queue("fair", "any", schedulingPolicy=policy()),
        harness.queue("plain", "any"),
        harness.simulated_definition("work"),
        harness.job("missing", "work", "fair"),
        harness.job("surplus", "work", "plain", shareIdentifier="red"),
        harness.job("right", "work", "fair", shareIdentifier="red", schedulingPriorityOverride=7),
    )
    assert harness.wait_reason("missing", "ShareIdentifierMissing")["state"] == "Failed"
    assert harness.wait_reason("surplus", "ShareIdentifierNotAllowed")["state"] == "Failed"
    harness.wait_state("right", "Succeeded")
    (job,) = harness.jobs_of("right")
    assert job["metadata"]["annotations"][names.SHARE] == "red"


def test_a_policy_can_be_changed_but_not_its_type(harness: Harness) -> None:
    refused = "the type of a queue's scheduling policy cannot be changed"
    harness.apply(
        harness.queue("fair", "any", schedulingPolicy=policy(shareDecaySeconds=60)),
        harness.queue("plain", "any"),
    )
    harness.apply(harness.queue("fair", "any", schedulingPolicy=policy(computeReservation=10)))
    assert refused in harness.refused(harness.queue("plain", "any", schedulingPolicy=policy()))
    assert refused in harness.refused(harness.queue("fair", "any", schedulingPolicy={"type": "FIFO"}))
    harness.apply(harness.queue("plain", "any", schedulingPolicy={"type": "FIFO"}))
    shares = [{"shareIdentifier": f"team{number:03}*", "weightFactor": 0.5} for number in range(400)]
    harness.apply(harness.queue("fair", "any", schedulingPolicy=policy(shares=shares)))
