"""The scheduling loop: wakes when something changed, runs one pass of the planner, hands the work out.

Runs only while this process holds the lease. A pass never awaits, so it sees one consistent state of the cache and
leaves another; all writing happens in the work queue behind it.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from functools import partial

from batchyard.api.reasons import Reason
from batchyard.core.admission.cycles import find_cycles
from batchyard.core.model.job import Key
from batchyard.core.model.status import TERMINAL, Status
from batchyard.core.planner.containment import Fault, Stage
from batchyard.core.planner.results import Placed, Settled
from batchyard.kube.backoff import Backoff
from batchyard.objects.indextext import read_indexes
from batchyard.runtime.controllers.forecast import Forecast
from batchyard.runtime.controllers.preemption import PreemptionController
from batchyard.runtime.controllers.reclaim import ArrayReclaimer
from batchyard.runtime.controllers.statusreports import StatusReporter
from batchyard.runtime.loop.alarms import Alarms
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.loop.settlingtime import SettlingTime
from batchyard.runtime.loop.workqueue import Urgency, WorkQueue
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.state.cache import Cache

GATHER_SECONDS = 0.02
"""How long a pass waits for more events after the first: events come in bursts, and a pass serves them all."""

CONFIRM_SECONDS = 0.05
"""How long new jobs of one definition are gathered before the definition is read for all of them."""

STATUS_HOLD_SECONDS = 0.3
"""How long a status that is not final is held back: many of those are overtaken by the next one within that time."""

DEPENDENCIES_HOLD_SECONDS = 10.0
"""How long the end of one dependency is held back while others are waited for: one write tells of all that end
within that time, and a job whose dependencies end together needs none. Deletion of the one that ended ends the wait."""

ARRAY_HOLD_SECONDS = 1.0
ARRAY_HOLD_SHARE = 0.03
"""How long the status of an array that runs is held back: at least so long, and this share of the time it has run, so
that the number of its writes grows with the logarithm of that time."""

LOOK_HOLD_SECONDS = 0.5
"""How long indexes that have failed or are to end are gathered before their pods are read."""

ASK_HOLD_SECONDS = 2.0
"""How long pods that do not start are gathered before their Events are read."""

MEMORY_SECONDS = 0.5
"""How soon an expired job is looked at again while jobs that depend on it have yet to write down how it ended."""

SEARCH_SHARE = 0.02
MAX_SEARCH_PAUSE_SECONDS = 60.0
"""The share of time that searches for circles of dependencies may take, and how long one is put off at most."""

OVERVIEW_SECONDS = 2.0
"""How often queues and environments are looked at for statuses to write."""

RENEWAL_SECONDS = 10.0
RENEWALS = 50
"""How often, and for how many jobs at once, outdated places in a queue are written anew."""

Item = tuple[Hashable, ...]
"""What to do and to which object: ("create", namespace, name), ("stop", namespace, name, uid)…"""


class Loop:
    """Passes of the planner over the cache."""

    def __init__(
        self,
        cache: Cache,
        work: WorkQueue[Item],
        status_reporter: StatusReporter,
        reclaimer: ArrayReclaimer,
        preemptions: PreemptionController,
        containment: Containment,
        metrics: Metrics,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._work = work
        self._status_reporter = status_reporter
        self._forecast = Forecast(cache, containment)
        self._reclaimer = reclaimer
        self._preemptions = preemptions
        self._containment = containment
        self._metrics = metrics
        self._clock = clock
        self._settling_time = SettlingTime(monotonic)
        self._next_search = 0.0
        self._taken: set[Key] = set()
        """The jobs that the pass under way is about."""
        self._fresh: list[Key] = []
        """Those that came into the backlog since jobs were placed last."""
        self._alarms = Alarms()
        self._last_pass = 0.0

    async def run(self) -> None:
        """Run passes until cancelled."""
        try:
            await self._run()
        finally:
            self._reclaimer.close()

    async def _run(self) -> None:
        next_overview = next_renewal = self._clock()
        backoff, failures = Backoff(initial=1.0, maximum=60.0), 0
        while True:
            now = self._clock()
            if not now < next_overview <= now + OVERVIEW_SECONDS:
                next_overview = now + OVERVIEW_SECONDS
                for kind, name in self._status_reporter.outdated():
                    self._work.add(("overview", kind, name), Urgency.OVERVIEW)
            if not now < next_renewal <= now + RENEWAL_SECONDS:
                next_renewal = now + RENEWAL_SECONDS
                self._containment.attempt(Stage.ESTIMATES, "places", partial(self._renew_places, now), None)
            wake_at = min(self._alarms.next(), next_overview)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(wake_at - now, 0.0)):
                    await self._cache.changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            try:
                self.run_pass()
                failures = 0
            except Exception as error:  # whatever a pass has taken must be done all the same
                failures += 1
                self._containment.report(Fault(Stage.OTHER, error))
                self._take_up_again()
                await asyncio.sleep(backoff.delay(failures))

    def _take_up_again(self) -> None:
        """Have everything looked at again that the last pass may have left undone."""
        self._cache.again(self._taken)
        for key in self._cache.granted:
            self._work.add(("create", *key), Urgency.CREATE)

    def run_pass(self) -> None:
        """Settle what happened, place what waits, and hand the consequences to the work queue."""
        now = self._clock()
        self._cache.changed.clear()
        self._taken = keys = self._cache.take_dirty() | self._due(now)
        with self._metrics.pass_seconds.time():
            while self._cache.catalogue.reading.faults:
                self._containment.report(self._cache.catalogue.reading.faults.popleft())
            # 1. Bring jobs up to date.
            settled = self._settle_all(keys, now, self._find_cycles(now))
            # 2. Hand free capacity out.
            placed = self._place(now) if self._settling_time.may_place(left=bool(settled.left)) else None
        # 3. Write.
        self._hand_out(settled, now)
        if placed is not None:
            self._carry_out(placed, now)
        self._write_statuses()
        self._announce()
        for key in self._cache.awaiting_definition:
            self._work.add(("confirm", *key), Urgency.CREATE, CONFIRM_SECONDS)
        for key in self._cache.catalogue.take_dirty_definitions():
            self._work.add(("definition", *key), Urgency.CREATE)

    def _find_cycles(self, now: float) -> dict[Key, str]:
        """Look for circles that jobs which came have closed. Nothing is lost by doing so later: they only wait."""
        if not self._cache.dependents.newcomers or now < self._next_search <= now + MAX_SEARCH_PAUSE_SECONDS:
            return {}
        began = time.perf_counter()
        newcomers, self._cache.dependents.newcomers = self._cache.dependents.newcomers, set()
        search = partial(find_cycles, newcomers)
        cycles = self._containment.contain(Stage.CYCLES, search, self._cache.snapshot()).result
        pause = (time.perf_counter() - began) / SEARCH_SHARE
        if cycles is None:
            self._cache.dependents.newcomers |= newcomers
            pause = MAX_SEARCH_PAUSE_SECONDS
        self._next_search = now + min(pause, MAX_SEARCH_PAUSE_SECONDS)
        return cycles or {}

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
        snapshot = self._preemptions.enter(self._cache.snapshot(), now)
        placed = self._containment.place(snapshot, self._fresh, now)
        self._fresh = []
        for placement in placed.placements:
            self._cache.grant(placement)
        for key, status in placed.statuses.items():
            self._cache.set_status(key, status)
        return placed

    def _carry_out(self, placed: Placed, now: float) -> None:
        """Have done what was decided on capacity."""
        self._containment.attempt(Stage.FRONTS, "", lambda: self._status_reporter.fronts.note(placed, now), None)
        self._forecast.note(placed)
        self._reclaimer.want(placed.reclaims)
        for placement in placed.placements:
            self._work.add(("create", *placement.key), Urgency.CREATE)
            self._metrics.wait_seconds.observe(now - self._cache.jobs[placement.key].created)
        for name in self._preemptions.want(placed.preemptions, now):
            self._work.add(("displace", *name), Urgency.CREATE)

    def _due(self, now: float) -> set[Key]:
        """Jobs whose alarm rings; when the clock was set back, all: their times are of another clock."""
        due: set[Key] = set()
        if now < self._last_pass:
            due = self._alarms.take_all()
        self._last_pass = now
        return due | self._alarms.take_due(now)

    def _hand_out(self, settled: Settled, now: float) -> None:
        for key, at in settled.wake.items():
            self._alarms.ring_at(key, at)
        self._alarms.tidy(self._cache.jobs)
        for run in settled.stop:
            cache = self._cache
            if cache.persistence.holds_end_of(run, cache.jobs.get(run.owner), cache.statuses.get(run.owner)):
                self._work.add(("stop", run.owner[0], run.name, run.uid), Urgency.STOP)
            else:
                self._cache.persistence.unstopped.add(run.owner)
                self._work.add(("status", *run.owner), Urgency.FINAL_STATUS)
        for key in settled.pods_to_delete:
            self._work.add(("halt", *key), Urgency.STOP, LOOK_HOLD_SECONDS)
        for key in settled.give_backs:
            self._work.add(("giveBack", *key), Urgency.STOP, LOOK_HOLD_SECONDS)
        self._read_more(settled)
        self._end_pods(settled)
        for key, node in settled.nodes:
            self._work.add(("node", *key, node), Urgency.CREATE)
        for key in settled.expired:
            dependents = self._cache.unpersisted_dependents_of(key)
            for dependent in dependents:
                self._work.add(("status", *dependent), Urgency.FINAL_STATUS)
            if dependents:
                self._alarms.ring_at(key, now + MEMORY_SECONDS)
            else:
                self._work.add(("expire", *key), Urgency.FINAL_STATUS)

    def _end_pods(self, settled: Settled) -> None:
        """Have single pods ended whose Kubernetes Jobs go on until then."""
        for key, pod in settled.abandoned:
            self._work.add(("abandon", *key, pod.owner_uid, pod.name), Urgency.STOP)
        for pod in settled.forced:
            self._work.add(("forced", pod.owner[0], pod.name, pod.uid), Urgency.STOP)
        for pod in settled.outlasted:
            self._work.add(("outlasted", pod.owner[0], pod.name), Urgency.STOP)

    def _read_more(self, settled: Settled) -> None:
        """Have read what no informer tells."""
        for key in settled.pods_to_read:
            self._work.add(("look", *key), Urgency.OVERVIEW, LOOK_HOLD_SECONDS)
        for key, pod in settled.silent:
            self._cache.runs.unexplained[key[0]][pod.name] = pod.uid
            self._work.add(("ask", key[0]), Urgency.OVERVIEW, ASK_HOLD_SECONDS)

    def _write_statuses(self) -> None:
        for key in self._cache.changes.take_respecified():
            self._work.add(("status", *key), Urgency.STATUS, STATUS_HOLD_SECONDS)
        for key in self._cache.changes.take_decided():
            status = self._cache.statuses.get(key)
            if status is None:
                continue
            if status.state in TERMINAL:
                self._forecast.ended(key)
                self._metrics.finished.labels(self._known_queue(key), status.state.value).inc()
                self._work.add(("status", *key), Urgency.FINAL_STATUS)
            elif self._must_remember(key, status):
                self._work.add(("status", *key), Urgency.FINAL_STATUS)
            else:
                self._work.add(("status", *key), Urgency.STATUS, self._hold_seconds(key, status))
        while self._cache.persistence.unpersisted_dependents:
            self._work.add(("status", *self._cache.persistence.unpersisted_dependents.pop()), Urgency.FINAL_STATUS)

    def _known_queue(self, key: Key) -> str:
        """The queue of a job; nothing if there is none of that name, as jobs may name any."""
        queue = self._cache.jobs[key].queue
        return queue if queue in self._cache.catalogue.queues else ""

    def _must_remember(self, key: Key, status: Status) -> bool:
        """Whether a status is memory of what no Job will tell: which indexes are to run again although they ended."""
        if status.array is None or not status.array.interrupted:
            return False
        written = (self._cache.persistence.written.get(key, {}).get("array") or {}).get("interruptedIndexes", "")
        return bool(status.array.interrupted - read_indexes(written))

    def _hold_seconds(self, key: Key, status: Status) -> float:
        if status.array is not None and status.started_at is not None:
            return max(ARRAY_HOLD_SECONDS, ARRAY_HOLD_SHARE * (self._clock() - status.started_at))
        shown = self._cache.persistence.written.get(key, {}).get("reason")
        waits_on = status.reason == Reason.WAITING_FOR_DEPENDENCIES == shown
        return DEPENDENCIES_HOLD_SECONDS if waits_on else STATUS_HOLD_SECONDS

    def _announce(self) -> None:
        for key, announcement in self._cache.changes.take_announcements():
            self._work.add(("announce", *key, announcement), Urgency.FINAL_STATUS)

    def _renew_places(self, now: float) -> None:
        for key, status in self._forecast.renewals(RENEWALS, now).items():
            self._cache.set_status(key, status)
        self._write_statuses()
