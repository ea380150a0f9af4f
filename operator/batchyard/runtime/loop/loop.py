"""The scheduling loop: wakes when something changed, runs one pass of the planner, hands the work out.

Runs only while this process holds the lease. A pass never awaits, so it sees one consistent state of the cache and
leaves another; all writing happens in the work queue behind it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from batchyard.core.model.job import Key
from batchyard.core.planner.actions import Expire, ExplainPod, StopRun
from batchyard.core.planner.containment import Fault, Stage
from batchyard.core.planner.results import Placed, Settled
from batchyard.kube.backoff import Backoff
from batchyard.runtime.loop.actions import (
    ActionQueue,
    Announce,
    ConfirmDefinition,
    CreateRun,
    ReadEvents,
    ReconcileDefinition,
    WriteStatus,
)
from batchyard.runtime.loop.alarms import Alarms
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.loop.cyclesearch import CycleSearch
from batchyard.runtime.loop.expiry import Dependents, Expiry
from batchyard.runtime.loop.observers import PassObserver, Routine
from batchyard.runtime.loop.settlingtime import SettlingTime
from batchyard.runtime.loop.statuswrites import StatusWrites
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.state.cache import Cache

GATHER_SECONDS = 0.02
"""How long a pass waits for more events after the first: events come in bursts, and a pass serves them all."""


class Loop:
    """Passes of the planner over the cache."""

    def __init__(
        self,
        cache: Cache,
        work: ActionQueue,
        containment: Containment,
        observers: Sequence[PassObserver],
        routines: Sequence[Routine],
        metrics: Metrics,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._work = work
        self._containment = containment
        self._observers = observers
        self._routines = routines
        self._metrics = metrics
        self._clock = clock
        self._settling_time = SettlingTime(monotonic)
        self._cycle_search = CycleSearch(cache, containment)
        self._status_writes = StatusWrites(cache, work, clock)
        self._taken: set[Key] = set()
        """The jobs that the pass under way is about."""
        self._fresh: list[Key] = []
        """Those that came into the backlog since jobs were placed last."""
        self._alarms = Alarms()
        self._expiry = Expiry(cache, work, self._alarms, [Dependents(cache)])
        self._last_pass = 0.0

    async def run(self) -> None:
        """Run passes until cancelled."""
        backoff, failures = Backoff(initial=1.0, maximum=60.0), 0
        while True:
            now = self._clock()
            self._run_routines(now)
            wake_at = min(self._alarms.next(), *(routine.next_at for routine in self._routines))
            await self._cache.changed.wait(max(wake_at - now, 0.0))
            await asyncio.sleep(GATHER_SECONDS)
            try:
                self.run_pass()
                failures = 0
            except Exception as error:  # whatever a pass has taken must be done all the same
                failures += 1
                self._containment.report(Fault(Stage.OTHER, error))
                self._take_up_again()
                await asyncio.sleep(backoff.delay(failures))

    def _run_routines(self, now: float) -> None:
        due = [routine for routine in self._routines if routine.is_due(now)]
        for routine in due:
            for action in routine.run(now):
                self._work.ask_for(action)
        if due:  # they may have decided statuses
            self._status_writes.hand_out()

    def _take_up_again(self) -> None:
        """Have everything looked at again that the last pass may have left undone."""
        self._cache.again(self._taken)
        for key in self._cache.granted:
            self._work.ask_for(CreateRun(key))

    def run_pass(self) -> None:
        """Settle what happened, place what waits, and hand the consequences to the work queue."""
        now = self._clock()
        self._cache.accounts.observe_pods()
        self._cache.changed.clear()
        self._taken = keys = self._cache.take_dirty() | self._due(now)
        with self._metrics.pass_seconds.time():
            while self._cache.catalogue.reading.faults:
                self._containment.report(self._cache.catalogue.reading.faults.popleft())
            # 1. Bring jobs up to date.
            settled = self._settle_all(keys, now, self._cycle_search.run(now))
            # 2. Hand free capacity out.
            placed = self._place(now) if self._settling_time.may_place(left=bool(settled.left)) else None
        # 3. Have the consequences written.
        self._hand_out(settled, now)
        if placed is not None:
            self._carry_out(placed, now)
        self._status_writes.hand_out()
        for key, announcement in self._cache.changes.take_announcements():
            self._work.ask_for(Announce(key, announcement))
        for key in self._cache.awaiting_definition:
            self._work.ask_for(ConfirmDefinition(key))
        for key in self._cache.catalogue.take_dirty_definitions():
            self._work.ask_for(ReconcileDefinition(key))

    def _due(self, now: float) -> set[Key]:
        """Jobs whose alarm rings; when the clock was set back, all: their times are of another clock."""
        due: set[Key] = set()
        if now < self._last_pass:
            due = self._alarms.take_all()
        self._last_pass = now
        return due | self._alarms.take_due(now)

    def _settle_all(self, keys: set[Key], now: float, cycles: Mapping[Key, str]) -> Settled:
        """Settle these jobs, then those whose dependencies ended by that, and so on down the chain.

        Those for which there is no time are left to the next pass.
        """
        result = Settled()
        self._settling_time.begin()
        keys = keys | cycles.keys()
        while keys and not result.left:
            self._taken.update(keys)
            settled = self._containment.settle(keys, now, cycles, self._settling_time.is_over)
            self._fresh += self._cache.enter(settled)
            result.add(settled)
            keys = self._cache.take_dirty()
        if result.left:
            self._cache.dependents.newcomers |= result.left & cycles.keys()
            self._cache.mark(*result.left, *keys)
        return result

    def _place(self, now: float) -> Placed:
        """Hand free capacity out, and enter who got what."""
        self._cache.preemptions.tidy(now, self._cache.runs)
        placed = self._containment.place(self._cache.snapshot(), self._fresh, now)
        self._fresh = []
        if placed.unmet is not None and (unmet := self._cache.node_waits.take(placed.unmet)):
            self._cache.mark(*unmet)
        for item, nodes in placed.expected.items():
            self._cache.accounts.charges.expect(item, nodes)
        for placement in placed.placements:
            self._cache.grant(placement)
        for key, status in placed.statuses.items():
            self._cache.set_status(key, status)
        return placed

    def _hand_out(self, settled: Settled, now: float) -> None:
        """Have done what was found to be done about jobs."""
        for key, at in settled.wake.items():
            self._alarms.ring_at(key, at)
        self._alarms.tidy(self._cache.jobs)
        for action in settled.actions:
            match action:
                case StopRun():
                    self._stop(action)
                case Expire():
                    self._expiry.carry_out(action, now)
                case ExplainPod():
                    self._cache.runs.unexplained[action.namespace][action.name] = action.uid
                    self._work.ask_for(ReadEvents(action.namespace))
                case _:
                    self._work.ask_for(action)

    def _stop(self, action: StopRun) -> None:
        """Have a run stopped once the end of its attempt is stored."""
        cache, key = self._cache, action.job
        run = cache.runs.find((key[0], action.name))
        if run is None or cache.persistence.holds_end_of(run, cache.jobs.get(key), cache.statuses.get(key)):
            self._work.ask_for(action)
        else:
            cache.persistence.unstopped.add(key)
            self._work.ask_for(WriteStatus(key))

    def _carry_out(self, placed: Placed, now: float) -> None:
        """Have done what was decided on capacity."""
        for placement in placed.placements:
            self._work.ask_for(CreateRun(placement.key))
            self._metrics.wait_seconds.observe(now - self._cache.jobs[placement.key].created)
        for observer in self._observers:
            for action in observer.observe_pass(placed, now):
                self._work.ask_for(action)
