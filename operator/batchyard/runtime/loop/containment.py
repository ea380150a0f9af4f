"""Lets the loop go on whatever a pass looks at: errors stay with the object that is the cause of them.

The search for that object is `core.containment`'s; here is what follows. A job at fault says so and is left out until
its spec or its definition changes, a queue or an environment is refused. Where nobody is found, the stage rests for a
while, longer each time. Every error is logged and counted.
"""

import logging
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from batchyard.api import names
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.job import Key
from batchyard.core.model.timers import lies_ahead
from batchyard.core.planner.actions import Action
from batchyard.core.planner.containment import Contained, Fault, Stage, contain, described, sentence
from batchyard.core.planner.hiding import Culprit, hide
from batchyard.core.planner.results import Placed, Settled
from batchyard.core.planner.schedule import place
from batchyard.core.planner.settle import never, settle
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.kube.backoff import Backoff
from batchyard.runtime.loop.actions import CreateRun
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Containment:
    """The steps of a pass, none of which raises."""

    def __init__(self, cache: Cache, metrics: Metrics, visibility: Visibility, clock: Callable[[], float]) -> None:
        self._cache = cache
        self._visibility = visibility
        self._metrics = metrics
        self._clock = clock
        self._backoff = Backoff(initial=1.0, maximum=300.0)
        self._rests: dict[Hashable, tuple[int, float]] = {}
        """How often in a row something has failed, and until when it is not tried again."""
        self._unsettled: set[Key] = set()
        """Jobs that could not be settled the last time: the others are not settled together with them."""

    def settle(
        self, keys: Collection[Key], now: float, cycles: Mapping[Key, str], enough: Callable[[], bool]
    ) -> Settled:
        """Bring jobs up to date until it is enough: all at once, or one by one where that raises."""
        suspects = self._unsettled.intersection(keys) if self._unsettled else set[Key]()
        others = [key for key in keys if key not in suspects] if suspects else keys
        try:
            result = settle(self._cache.snapshot(), others, now, cycles, enough)
        except Exception:
            result, suspects = Settled(), set(keys)
        found = False
        for key in suspects:
            # Time or not, one of those at fault is found: else the next pass would come no further than this one.
            stop_at = enough if found else never
            try:
                result.add(settle(self._cache.snapshot(), [key], now, cycles, stop_at))
            except Exception as error:
                fault = Fault(Stage.SETTLING, error, Culprit(names.BATCH_JOB, key))
                self.report(fault)
                self._unsettled.add(key)
                self._cache.tell_fault(key, sentence(fault, self._visibility))
                found = True
            else:
                self._unsettled -= {key} - result.left
        self._unsettled = {key for key in self._unsettled if key in self._cache.jobs}
        return result

    def place(self, snapshot: Snapshot, fresh: Iterable[Key], now: float) -> Placed:
        """Hand capacity out, without those who make that fail."""
        snapshot = hide(snapshot, [Culprit(names.BATCH_JOB, key) for key in self._cache.faults.running(snapshot)])
        fresh = list(fresh)
        while True:
            resting = frozenset(stage for stage in Stage if self._is_resting(stage, now))
            step = partial(place, fresh=fresh, now=now, resting=resting)
            found = self.contain(Stage.PLACEMENT, step, snapshot)
            if found.result is not None:
                for stage in Stage.PLACEMENT, Stage.BACKFILL, Stage.PREEMPTION, Stage.ARRAY_RECLAIM:
                    if stage not in resting:
                        self._rests.pop(stage, None)
                return found.result
            stages = {fault.stage for fault in found.faults if fault.culprit is None}
            if not stages - resting:
                return Placed()  # somebody was found, but not all: the next pass goes on
            for stage in stages:
                self._rest(stage, now)

    def contain(self, stage: Stage, step: Callable[[Snapshot], T], snapshot: Snapshot) -> Contained[T]:
        """Run a step that looks at many objects, and leave those out from now on that make it fail."""
        found = contain(stage, step, snapshot)
        for fault in found.faults:
            self.report(fault)
            if fault.culprit is not None:
                self._leave_out(fault.culprit, sentence(fault, self._visibility))
        return found

    def attempt(self, stage: Stage, what: Hashable, call: Callable[[], T], otherwise: T) -> T:
        """Do something that concerns one object, or decides nothing; should it raise, it rests for a while."""
        now = self._clock()
        if self._is_resting((stage, what), now):
            return otherwise
        try:
            result = call()
        except Exception as error:
            self.report(Fault(stage, error))
            self._rest((stage, what), now)
            return otherwise
        self._rests.pop((stage, what), None)
        return result

    def report(self, fault: Fault) -> None:
        """Log and count an error."""
        self._metrics.contained_errors.labels(fault.stage.value).inc()
        where = f" of {fault.culprit}" if fault.culprit is not None else ""
        _log.error("The %s%s failed: %s", fault.stage, where, described(fault.error), exc_info=fault.error)

    def unwritten(self, action: Action, error: Exception) -> bool:
        """Take in that something could not be written for no fault of the API server's; returns whether that is all.

        A job whose Kubernetes Job cannot be built gives its slot back, and is left out.
        """
        if not isinstance(action, CreateRun):
            self.report(Fault(Stage.WRITING, error))
            return False
        culprit = Culprit(names.BATCH_JOB, action.job)
        fault = Fault(Stage.WRITING, error, culprit)
        self.report(fault)
        self._leave_out(culprit, sentence(fault, self._visibility))
        self._cache.withdraw(culprit.key)
        return True

    def _leave_out(self, culprit: Culprit, why: str) -> None:
        if culprit.kind == names.BATCH_JOB:
            self._cache.leave_out(culprit.key, why)
        else:
            self._cache.catalogue.refuse(culprit.kind, culprit.key[1], why)

    def _is_resting(self, what: Hashable, now: float) -> bool:
        rest = self._rests.get(what)
        return rest is not None and lies_ahead(rest[1], now, self._backoff.maximum)

    def _rest(self, what: Hashable, now: float) -> None:
        failures = self._rests.get(what, (0, 0.0))[0] + 1
        self._rests[what] = (failures, now + self._backoff.delay(failures))
