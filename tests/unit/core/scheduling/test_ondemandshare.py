"""Which of the runs that are granted belong to the part of an environment's work that is kept off spot."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from batchyard.core.model.array import ArrayDemand, ArrayShape, IndexedJob
from batchyard.core.model.cluster.leftalone import LeftAlone
from batchyard.core.model.job import BatchJob
from batchyard.core.model.managed import CAPACITY_TYPE, SPOT
from batchyard.core.model.pods.podset import PodSet, PodSets
from batchyard.core.model.pods.withoutspot import without_spot
from batchyard.core.model.resources import Resources
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.ondemandshare import is_on_demand
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, make_job, make_managed, make_node, make_queue, make_run, waiting

ONE: Resources = {"cpu": 1000, "pods": 1}
PODS: PodSets = (PodSet(1, {"cpu": 1000}),)
OFF_SPOT = without_spot(PODS)
LEFT = LeftAlone(NOW - 20, NOW + 160, "environment pool got no node: there is none")
OVER = replace(LEFT, until=NOW)


def jobs(count: int) -> list[BatchJob]:
    return [replace(make_job(f"job-{number}"), created=NOW + number, uid=f"job-{number}") for number in range(count)]


def scene(*waiting_jobs: BatchJob, percent: int = 25, charges: Any = (), **fields: Any) -> Snapshot:
    """One environment that keeps a part of its work on demand, and what runs there."""
    found: dict[Hashable, Charge] = dict(enumerate(charges))
    environments = [make_managed(100, on_demand_percent=percent)]
    defaults: dict[str, Any] = {"environments": environments, "nodes": [], "charges": found}
    return waiting(*waiting_jobs, **{**defaults, **fields})


def placed(snapshot: Snapshot) -> list[Placement]:
    return place(snapshot, [], NOW).placements


def off_spot(snapshot: Snapshot) -> list[int]:
    """Which of those that start are kept off spot."""
    return [number for number, each in enumerate(placed(snapshot)) if each.on_demand]


def charge(name: str = "old", *, on_demand: bool = False, **fields: Any) -> Charge:
    run = make_run(owner=("media", name), on_demand=on_demand)
    return Charge("pool", ONE, run.owner, run, **fields)


def test_of_jobs_alike_the_first_is_then_as_many_as_it_takes() -> None:
    assert off_spot(scene(*jobs(9), percent=25)) == [0, 4, 8]
    assert off_spot(scene(*jobs(4), percent=50)) == [0, 2]
    assert off_spot(scene(*jobs(3), percent=100)) == [0, 1, 2]
    assert off_spot(scene(*jobs(3), percent=0)) == []


def test_it_goes_by_what_runs_there_and_what_was_granted() -> None:
    three = [charge() for _ in range(3)]
    assert off_spot(scene(*jobs(2), charges=[*three, charge(on_demand=True)])) == [0]
    assert off_spot(scene(*jobs(2), charges=[*three[:1], charge(on_demand=True)])) == []
    granted = Placement(("media", "new"), "pool", {"cpu": 1000}, on_demand=True)
    seen = scene(charges=[Charge("pool", ONE, granted.key)])
    assert not is_on_demand(seen, seen.charges[0])
    assert is_on_demand(replace(seen, granted={granted.key: granted}), seen.charges[0])


def test_what_is_on_other_nodes_for_whatever_reason_counts() -> None:
    kinds = {"s": {CAPACITY_TYPE: SPOT}, "d": {CAPACITY_TYPE: "on-demand"}, "unknown": {}}
    nodes = {name: make_node(name, labels={**make_managed().node_selector, **kind}) for name, kind in kinds.items()}

    def off_beside(*charges: Charge) -> list[int]:
        return off_spot(replace(scene(*jobs(1), charges=charges), nodes=nodes))

    assert off_beside(charge(bound={"s": ONE})) == off_beside(charge(bound={"gone": ONE})) == [0]
    assert off_beside(charge(bound={"d": ONE})) == off_beside(charge(bound={"unknown": ONE})) == []
    three = [charge() for _ in range(3)]
    assert off_beside(charge(on_demand=True, bound={"d": ONE}), *three) == [0], "none counts twice"


def test_large_ones_count_for_more() -> None:
    requests = {each.key: {"cpu": 1000 * size} for each, size in zip(jobs(5), (4, 1, 1, 1, 8), strict=True)}
    assert off_spot(scene(*jobs(5), requests=requests, percent=50)) == [0, 4]


def test_what_runs_elsewhere_says_nothing() -> None:
    both = [make_managed(100, name=name, on_demand_percent=50) for name in ("pool", "other")]
    elsewhere = replace(charge(on_demand=True), environment="other")
    snapshot = scene(*jobs(1), charges=[elsewhere], environments=both, queues=[make_queue()])
    assert off_spot(snapshot) == [0]


def test_an_array_is_as_a_whole() -> None:
    array = replace(make_job("array"), array=ArrayShape(10), uid="array")
    demands = {array.key: ArrayDemand(slots=10)}
    (first,) = placed(scene(array, demands=demands))
    assert (first.slots, first.on_demand) == (10, True)
    (other,) = placed(scene(array, demands=demands, charges=[charge(on_demand=True)]))
    assert (other.slots, other.on_demand) == (10, True), "one of eleven would be too little"
    (small,) = placed(scene(array, demands={array.key: ArrayDemand(slots=2)}, charges=[charge(on_demand=True)]))
    assert (small.slots, small.on_demand) == (2, False)
    for on_demand in (True, False):
        run = make_run(owner=array.key, owner_uid="array", indexed=IndexedJob(10, 4), on_demand=on_demand)
        bound = {array.key: ArrayDemand(slots=2, environment="pool")}
        (more,) = placed(scene(array, demands=bound, arrays={array.key: run}, runs=[run]))
        assert more.on_demand is on_demand, "as it began"


def test_where_nodes_on_demand_do_not_come_the_part_is_not_kept() -> None:
    assert off_spot(scene(*jobs(3), left_alone={("pool", OFF_SPOT): LEFT})) == []
    assert len(placed(scene(*jobs(3), left_alone={("pool", OFF_SPOT): LEFT}))) == 3


def test_one_finds_out_whether_they_come_again_and_the_others_are_on_spot() -> None:
    """That is said of pods which are not on spot: the others may be asked for all the same."""
    snapshot = scene(*jobs(3), percent=100, left_alone={("pool", OFF_SPOT): OVER})
    assert [(each.on_demand, each.finds_out) for each in placed(snapshot)] == [
        (True, True),
        (False, False),
        (False, False),
    ]


def test_what_does_not_come_on_spot_says_nothing_of_the_part() -> None:
    snapshot = scene(*jobs(2), percent=50, left_alone={("pool", PODS): OVER})
    first = placed(snapshot)[0]
    assert (first.on_demand, first.finds_out) == (True, False)
