"""Usage of shares as the cache feeds it: what counts, what does not, and when a count is due."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.model.queue import FairShare
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.shares import COUNT_SECONDS, Shares
from batchyard.runtime.state.catalogue import Catalogue
from unit.runtime.state.accounts.seen import occupancy, seen
from unit.samples import NOW, make_job, make_queue, make_run, succeeded


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


def furnished(*runs: Run, status: dict[str, Any] | None = None) -> tuple[Shares, Clock]:
    clock = Clock()
    shares = Shares(clock, lambda: [(run, occupancy(run)) for run in runs])
    catalogue = Catalogue(lambda _: None)
    catalogue.queues["urgent"] = make_queue(fair_share=FairShare())
    catalogue.statuses["JobQueue", "", "urgent"] = status or {}
    shares.usages(catalogue)
    return shares, clock


def used(shares: Shares, share: str = "red") -> float:
    """What a share has used by the next count."""
    shown = shares.count("urgent", {}, {}) or {}
    return float(next((each["usedVcpuSeconds"] for each in shown["shares"] if each["shareIdentifier"] == share), 0))


def red(run: Run) -> Run:
    return run._replace(share="red")


def test_runs_that_exist_count_from_their_times() -> None:
    shares, clock = furnished(red(succeeded(1)), red(make_run(2, created=NOW + 60)), make_run(3))
    clock.now = NOW + 120
    assert used(shares) == pytest.approx(120, rel=0.3)


def test_what_the_last_count_includes_is_not_counted_again() -> None:
    counted = {"shareIdentifier": "red", "usedVcpuSeconds": 40, "vcpus": 1, "runnable": 0}
    status = {
        "fairShare": {
            "countedAt": "2026-01-01T00:01:00Z",
            "shares": [{**counted, "lastUsedAt": "2026-01-01T00:01:00Z"}],
        }
    }
    shares, clock = furnished(red(succeeded(1)), status=status)
    clock.now = NOW + 60
    assert used(shares) == 40


def test_a_multi_node_job_counts_as_a_whole_by_its_main_node() -> None:
    shares, clock = furnished()
    main = red(make_run(1, node=0, request={"cpu": 3000, "pods": 3}))
    shares.observe_run(*seen(main))
    shares.observe_run(*seen(main._replace(uid="other", name="videos-1-1", node=1, main_uid=main.uid)))
    clock.now = NOW + 10
    shown = shares.count("urgent", {}, {}) or {}
    assert shown["shares"][0]["vcpus"] == 3


def test_a_grant_is_held_until_it_is_withdrawn() -> None:
    shares, clock = furnished()
    job = replace(make_job(), share="red")
    shares.grant(job, None, Placement(job.key, "pool", {"cpu": 2000}), 1)
    assert (shares.count("urgent", {"red": 1}, {}) or {})["shares"][0]["vcpus"] == 2
    shares.withdraw(job.key)
    shares.withdraw(job.key)
    clock.now = NOW + COUNT_SECONDS
    assert (shares.count("urgent", {}, {}) or {})["shares"] == []


def test_a_count_stands_until_there_is_news_and_time_has_passed() -> None:
    shares, clock = furnished()
    first = shares.count("urgent", {}, {})
    shares.observe_run(*seen(red(make_run())))
    clock.now = NOW + COUNT_SECONDS - 1
    assert shares.count("urgent", {}, {}) is first
    clock.now = NOW + COUNT_SECONDS
    second = shares.count("urgent", {}, {})
    assert second != first
    shares.observe_run(*seen(red(succeeded())))
    clock.now += COUNT_SECONDS
    third = shares.count("urgent", {}, {})
    clock.now += COUNT_SECONDS
    assert shares.count("urgent", {}, {}) is third, "it only fades"
    assert shares.count("urgent", {"red": 1}, {}) != third, "somebody waits"
    clock.now = NOW - 3600
    assert shares.count("urgent", {}, {}) != third, "the clock was set back"


def test_other_queues_show_no_count_and_a_refused_one_keeps_its_own() -> None:
    shares, _ = furnished()
    assert shares.count("plain", {}, {}) is None
    kept = {"countedAt": "2026-01-01T00:00:00Z", "shares": []}
    assert shares.count("plain", {}, {"fairShare": kept}) is kept
