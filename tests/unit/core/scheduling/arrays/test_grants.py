"""Places for arrays within a pass: as many as fit, in one environment, in turn with the jobs of other shares."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from batchyard.api.models.batchjob import JobState
from batchyard.core.model.array import ArrayDemand, ArrayShape, ArrayStatus
from batchyard.core.model.job import BatchJob
from batchyard.core.model.queue import FairShare
from batchyard.core.model.status import Status
from batchyard.core.planner.results import Placed
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, make_environment, make_job, make_node, make_queue, waiting

BOTH = ("small", "large")


def make_array(name: str = "array", size: int = 100, **spec: object) -> BatchJob:
    return replace(make_job(name, **spec), array=ArrayShape(size))


def snapshot(*jobs: BatchJob, demands: Mapping[str, ArrayDemand], **fields: object) -> Snapshot:
    nodes = [make_node("a", cpu="3", labels={"pool": "small"}), make_node("b", cpu="10", labels={"pool": "large"})]
    environments = [make_environment(name=name, node_selector={"pool": name}) for name in BOTH]
    return waiting(
        *jobs,
        demands={("media", name): demand for name, demand in demands.items()},
        **{"nodes": nodes, "environments": environments, "queues": [make_queue(environments=BOTH)], **fields},  # type: ignore[arg-type]
    )


def counts(placed: Placed) -> dict[str, tuple[str, int]]:
    return {placement.key[1]: (placement.environment, placement.slots) for placement in placed.placements}


def test_it_goes_where_all_of_it_fits_else_where_most_does() -> None:
    assert counts(place(snapshot(make_array(), demands={"array": ArrayDemand(slots=3)}), [], NOW)) == {
        "array": ("small", 3)
    }
    assert counts(place(snapshot(make_array(), demands={"array": ArrayDemand(slots=5)}), [], NOW)) == {
        "array": ("large", 5)
    }
    assert counts(place(snapshot(make_array(), demands={"array": ArrayDemand(slots=50)}), [], NOW)) == {
        "array": ("large", 10)
    }


def test_one_that_runs_stays_where_it_is() -> None:
    demand = ArrayDemand(slots=5, environment="small")
    found = snapshot(make_array(), demands={"array": demand})
    placed = place(replace(found, statuses={("media", "array"): started()}), [], NOW)
    assert counts(placed) == {"array": ("small", 3)}
    status = placed.statuses["media", "array"]
    assert status.state is JobState.RUNNING
    assert status.message.endswith("; needs 1 vCPU on one node of environment small")


def test_one_whose_environment_is_disabled_says_so() -> None:
    environments = [make_environment(name="small", enabled=False), make_environment(name="large")]
    demand = ArrayDemand(slots=5, environment="small")
    found = snapshot(make_array(), demands={"array": demand}, environments=environments)
    placed = place(replace(found, statuses={("media", "array"): started()}), [], NOW)
    assert not placed.placements
    assert "environment small, in which the array runs, is disabled" in placed.statuses["media", "array"].message


def test_those_behind_it_wait_until_it_has_all_that_it_asks_for() -> None:
    first, second = make_array(), make_job("late")
    demands = {"array": ArrayDemand(slots=13)}
    only_large = [make_queue(environments=("large",))]
    assert counts(place(snapshot(first, second, demands=demands, queues=only_large), [], NOW)) == {
        "array": ("large", 10)
    }
    demands = {"array": ArrayDemand(slots=9)}
    placed = counts(place(snapshot(first, second, demands=demands, queues=only_large), [], NOW))
    assert placed == {"array": ("large", 9), "late": ("large", 1)}


def test_shares_take_turns_place_by_place() -> None:
    arrays = [replace(make_array(name), share=name) for name in ("red", "blue")]
    queue = make_queue(environments=("large",), fair_share=FairShare(weights={"red": 0.25, "blue": 1.0}))
    demands = {"red": ArrayDemand(slots=100), "blue": ArrayDemand(slots=100)}
    usage = {"urgent": Usage(600)}
    placed = place(snapshot(*arrays, demands=demands, queues=[queue], usage=usage), [], NOW)
    assert Counter({name: count for name, (_, count) in counts(placed).items()}) == {"red": 8, "blue": 2}


def started() -> Status:
    return Status(JobState.RUNNING, environment="small", revision=3, started_at=NOW, array=ArrayStatus(100))
