"""All accounts, told of each event once: a grant, its withdrawal, a run seen, a run gone, a leadership that begins.

What it takes to tell when a run counts as living is kept here, for all of them.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.account import Account, Occupancy
from batchyard.runtime.state.accounts.arrayslots import ArraySlots
from batchyard.runtime.state.accounts.charges import Charges
from batchyard.runtime.state.accounts.consumption import Consumptions
from batchyard.runtime.state.accounts.limitusage import LimitUsage
from batchyard.runtime.state.accounts.shares import Shares
from batchyard.runtime.state.runs import Runs

A = TypeVar("A", bound=Account)


class Accounts:
    """The accounts by name, and what they are told. `runs` are the cache's own, `freed` is called on credit."""

    def __init__(self, runs: Runs, freed: Callable[[], None], clock: Callable[[], float]) -> None:
        self._runs = runs
        self._starting: Counter[Hashable] = Counter()
        """How many nodes of a run are being created."""
        self._all: list[Account] = []
        self.charges = self.open(Charges(freed))
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
        self._observe(run, before, news=before is None or not before.ended)

    def forget_run(self, run: Run) -> None:
        """Count a Job as over that `runs` shows no more."""
        occupancy = self._occupancy(run, news=True)
        for account in self._all:
            account.forget_run(run, occupancy)

    def reset(self) -> None:
        """Begin anew, as this process begins to act."""
        for account in self._all:
            account.reset()

    @contextmanager
    def starting(self, main: Run) -> Iterator[None]:
        """Keep a multi-node job alive while one of its nodes is being created, even should the main node end."""
        item = _item(main)
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
        item = _item(run)
        slots = 1 if run.indexed is None else run.slots_taken
        return Occupancy(item, slots, self._lives(run, item), news and not run.main_uid)

    def _lives(self, run: Run, item: Hashable) -> bool:
        of_job = self._runs.of(run.owner_uid)
        own = of_job.mains.get(run.number) if run.index is None else of_job.indexes.get(run.name)
        if own is not None and not own.ended:
            return True
        if run.node is None:
            return False
        children = (each for each in of_job.children.values() if each.number == run.number)
        return self._starting[item] > 0 or any(not each.ended for each in children)


def _item(run: Run) -> Hashable:
    return ("run", run.owner_uid, run.number, run.index)
