"""What is used up is counted once, whatever is seen when, and resources are never promised twice."""

from collections import Counter
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from batchyard.core.model.consumable import Consumable, Count
from batchyard.core.model.job import BatchJob
from batchyard.core.planner.schedule import place
from batchyard.core.scheduling.consumption import MARGIN_SECONDS, Consumption
from batchyard.core.scheduling.limits import Name, needs
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, make_job, make_node, make_queue, waiting

TOTALS = {"licence": 5, "token": 4}


@dataclass
class Made:
    """A Kubernetes Job."""

    created: float
    amount: int


class Books(RuleBasedStateMachine):
    """Operators that grant, see Jobs late or twice, write counts, die at any moment, and are followed by others."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.number = 0
        self.granted: dict[str, int] = {}
        self.jobs: dict[str, Made] = {}
        self.gone = 0
        self.seen: set[str] = set()
        self.stored = Count(0, NOW)
        self.book = Consumption(self.stored)

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(amount=st.integers(1, 3))
    def a_place_is_granted(self, amount: int) -> None:
        self.number += 1
        self.granted[f"job-{self.number}"] = amount
        self.book.grant(f"job-{self.number}", amount)

    @precondition(lambda self: self.granted)
    @rule(data=st.data(), skew=st.integers(0, int(MARGIN_SECONDS) - 1))
    def a_job_is_made(self, data: st.DataObject, skew: int) -> None:
        """By an API server whose clock is behind."""
        name = data.draw(st.sampled_from(sorted(self.granted.keys() - self.jobs.keys()) or [""]))
        if name:
            self.jobs[name] = Made(max(self.now - skew, NOW), self.granted[name])

    @rule(data=st.data())
    def a_job_is_seen(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.jobs) or [""]))
        if name:
            self._see(name)

    @precondition(lambda self: self.granted)
    @rule(data=st.data())
    def a_job_is_not_made_after_all(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.granted.keys() - self.jobs.keys()) or [""]))
        if name:
            self.book.withdraw(name)
            del self.granted[name]

    @rule()
    def the_count_is_written(self) -> None:
        self.stored = self.book.count()

    @rule(data=st.data())
    def a_job_is_deleted_that_was_counted(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.seen & self.jobs.keys()) or [""]))
        if name:
            self.stored = self.book.count()
            self.gone += self.jobs.pop(name).amount

    @rule()
    def the_operator_is_replaced(self) -> None:
        """Nothing of it is under way any more once the next one acts."""
        self.granted.clear()
        self.seen.clear()
        self.book = Consumption(self.stored)
        for name in list(self.jobs):
            self._see(name)

    def _see(self, name: str) -> None:
        self.book.start(name, self.jobs[name].created, self.jobs[name].amount)
        self.book.withdraw(name)
        self.granted.pop(name, None)
        self.seen.add(name)

    @invariant()
    def no_more_is_left_than_it_says(self) -> None:
        assert self.book.taken >= self._truth()

    @invariant()
    def what_was_seen_is_counted_once(self) -> None:
        unseen = sum(made.amount for name, made in self.jobs.items() if name not in self.seen)
        assert self.book.consumed == self._truth() - unseen

    def _truth(self) -> int:
        return self.gone + sum(made.amount for made in self.jobs.values())


TestBooks = Books.TestCase


amounts = st.fixed_dictionaries({}, optional={"licence": st.integers(1, 6), "token": st.integers(1, 5)})
submissions = st.lists(st.tuples(st.sampled_from(["high", "low"]), amounts, st.integers(1, 3)), max_size=15)


def make(drawn: list[tuple[str, dict[str, int], int]], held: dict[str, int], cpu: int) -> Snapshot:
    jobs = [
        replace(make_job(f"job-{number:02}"), uid=str(number), queue=queue, created=NOW + number)
        for number, (queue, _, _) in enumerate(drawn)
    ]
    resources = {name: Consumable(name, name, 1, NOW, total, name == "licence") for name, total in TOTALS.items()}
    counts: Counter[Name] = Counter({("consumable", "licence"): held["licence"]})
    snapshot = waiting(
        *jobs,
        requests={job.key: {"cpu": 1000 * size} for job, (_, _, size) in zip(jobs, drawn, strict=True)},
        queues=[make_queue("high", priority=2), make_queue("low", priority=1)],
        nodes=[make_node(cpu=str(cpu))],
        limit_usage=counts,
        consumables=resources,
        used_up={"token": held["token"]},
    )
    asked = {job.key: asks for job, (_, asks, _) in zip(jobs, drawn, strict=True)}
    resolved = {key: replace(each, consumables=asked[key]) for key, each in snapshot.resolved.items()}
    return replace(snapshot, resolved=resolved)


snapshots = st.builds(
    make,
    submissions,
    st.fixed_dictionaries({"licence": st.integers(0, 6), "token": st.integers(0, 4)}),
    st.integers(1, 12),
)


def started(snapshot: Snapshot) -> list[BatchJob]:
    return [snapshot.jobs[placement.key] for placement in place(snapshot, [], NOW).placements]


def left(snapshot: Snapshot) -> dict[str, int]:
    return {
        "licence": TOTALS["licence"] - snapshot.limit_usage.get(("consumable", "licence"), 0),
        "token": TOTALS["token"] - snapshot.used_up["token"],
    }


@given(snapshots)
def test_no_more_is_given_than_is_left(snapshot: Snapshot) -> None:
    given_: Counter[Name] = Counter()
    for job in started(snapshot):
        given_.update(needs(job.queue, "", snapshot.resolved[job.key].consumables))
    for name, amount in left(snapshot).items():
        assert given_["consumable", name] <= max(amount, 0)


@given(snapshots)
def test_within_a_queue_those_that_need_the_same_keep_their_order(snapshot: Snapshot) -> None:
    """Unless a job waits for what does not come by itself: it keeps nothing from others."""
    names, statuses = {job.key for job in started(snapshot)}, place(snapshot, [], NOW).statuses
    for resource in TOTALS:
        for queue in ("high", "low"):
            passed_over = False
            for key in snapshot.backlog.queue(queue):
                job = snapshot.resolved[key]
                if resource not in job.consumables:
                    continue
                if key in names:
                    assert not passed_over, f"{key} went before another that waits for {resource}"
                elif key not in statuses or not statuses[key].stalled:
                    passed_over = True


@given(snapshots)
def test_who_needs_none_is_not_delayed(snapshot: Snapshot) -> None:
    """A job that lacks a resource starts nothing and keeps no room: without those jobs the others start as they do."""
    names = {job.key for job in started(snapshot)}
    held = [
        key
        for key, status in place(snapshot, [], NOW).statuses.items()
        if key not in names and "Consumable" in str(status.reason)
    ]
    for key in held:
        snapshot.backlog.remove(key)
    assert {job.key for job in started(snapshot)} == names
