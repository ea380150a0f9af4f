"""All accounts, told of each event once: a grant, its withdrawal, a run seen, a run gone, a leadership that begins.

Of pods they are told before a pass, for all that happened to those of a run together: there are many such events.

What it takes to tell when a run counts as living is kept here, for all of them.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts import podsums
from batchyard.runtime.state.accounts.account import Account, Occupancy
from batchyard.runtime.state.accounts.arrayslots import ArraySlots
from batchyard.runtime.state.accounts.charges import Charges
from batchyard.runtime.state.accounts.consumption import Consumptions
from batchyard.runtime.state.accounts.limitusage import LimitUsage
from batchyard.runtime.state.accounts.shares import Shares
from batchyard.runtime.state.noderoom import NodeRoom
from batchyard.runtime.state.pods.livepods import Seat
from batchyard.runtime.state.runs import Runs

A = TypeVar("A", bound=Account)


class Accounts:
    """The accounts by name, and what they are told.

    `runs` and `room` are the cache's own, `freed` is called on credit.
    """

    def __init__(self, runs: Runs, room: NodeRoom, freed: Callable[[], None], clock: Callable[[], float]) -> None:
        self._runs = runs
        self._starting: Counter[Hashable] = Counter()
        """How many nodes of a run are being created."""
        self._all: list[Account] = []
        self.charges = self.open(Charges(freed, room))
        self.limit_usage = self.open(LimitUsage())
        self.consumptions = self.open(Consumptions(self.existing))
        self.shares = self.open(Shares(clock, self.existing))
        self.array_slots = self.open(ArraySlots(clock))

    def open(self, account: A) -> A:
        """Have an account told of all that happens from now on."""
        self._all.append(account)
        return account

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        """Count so many slots of a placement, which have no Job yet; what the job was granted before is replaced."""
        for account in self._all:
            account.grant(job, resolved, placement, count)

    def withdraw(self, key: Key) -> None:
        """Take back what a job was granted."""
        for account in self._all:
            account.withdraw(key)

    def observe_run(self, run: Run, before: Run | None) -> None:
        """Count a Job as it is now, which `runs` shows already."""
        if before is None or not _counts_alike(run, before):
            self._observe(run, before, news=before is None or not before.ended)

    def forget_run(self, run: Run) -> None:
        """Count a Job as over that `runs` shows no more."""
        occupancy = self._occupancy(run, news=True)
        for account in self._all:
            account.forget_run(run, occupancy)

    def observe_pods(self) -> None:
        """Count what has happened to the pods of runs since the last call."""
        for run in {item_of(run): run for run in self._runs.take_moved()}.values():
            self._observe(run, run, news=False)

    def reset(self) -> None:
        """Begin anew, as this process begins to act."""
        for account in self._all:
            account.reset()

    @contextmanager
    def starting(self, main: Run) -> Iterator[None]:
        """Keep a multi-node job alive while one of its nodes is being created, even should the main node end."""
        item = item_of(main)
        self._starting[item] += 1
        try:
            yield
        finally:
            self._starting -= Counter([item])
            self._observe(main, main, news=False)

    def existing(self) -> Iterator[tuple[Run, Occupancy]]:
        """Return the Jobs that exist, as if they were seen for the first time."""
        return ((run, self._occupancy(run, news=True)) for run in self._runs.all())

    def _observe(self, run: Run, before: Run | None, *, news: bool) -> None:
        occupancy = self._occupancy(run, news=news)
        for account in self._all:
            account.observe_run(run, before, occupancy)

    def _occupancy(self, run: Run, *, news: bool) -> Occupancy:
        item, jobs = item_of(run), self._runs.jobs_of(run)
        seats = self._seats(jobs)
        pods = sum(seats.values())
        return Occupancy(
            item,
            slots=1 if run.indexed is None else max(pods, *(each.slots_taken for each in jobs), 0),
            living=pods > 0 or self._starting[item] > 0 or any(map(self._runs.may_run, jobs)),
            counts=news and not run.main_uid,
            bound=podsums.bound(run, seats),
            excess=podsums.excess(run, seats),
        )

    def _seats(self, jobs: list[Run]) -> Mapping[Seat, int]:
        """How many pods of some Jobs have which seat: as many as a multi-node job has nodes, for each event of one."""
        of_each = [self._runs.live.seats_of(each) for each in jobs]
        if len(of_each) == 1:
            return of_each[0]
        seats: dict[Seat, int] = {}
        for seat, count in (entry for several in of_each for entry in several.items()):
            seats[seat] = seats.get(seat, 0) + count
        return seats


def _counts_alike(run: Run, before: Run) -> bool:
    """Whether nothing has changed of a Job that it counts by; so it is of most events of one with a single pod."""
    if run.indexed is not None or run.ended or before.ended or run.request != before.request:
        return False
    counted = (run.environment, run.queue, run.share, run.consumables)
    return counted == (before.environment, before.queue, before.share, before.consumables)


def item_of(run: Run) -> Hashable:
    """Return what a run is charged under: all nodes of a multi-node job under one and the same."""
    return ("run", run.owner_uid, run.number, run.index)
