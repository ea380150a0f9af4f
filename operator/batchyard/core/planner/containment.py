"""Keeps what raises in the middle of a step to the object that is the cause of it.

A step looks at many jobs at once, so one that it cannot digest would end it for all. When one raises, the object that
was looked at last is left out and the step is run again, until it goes through; then whoever is not needed for that is
put back. A step is pure, so the same is true each time. Errors come back as data. Nothing of this costs anything while
nothing raises.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from batchyard.api import names
from batchyard.api.reasons import Reason
from batchyard.core.insight.visibility import Visibility
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.lifecycle.transitions import to_pending
from batchyard.core.model.status import TERMINAL, WAITING, Status
from batchyard.core.planner.hiding import Culprit, hide, tame, watched
from batchyard.core.scheduling.snapshot import Snapshot

T = TypeVar("T")

MOST_TRIES = 25
"""How often a step is run again at most before it is given up for this pass."""


class Stage(StrEnum):
    """A part of a step, which can be left out when nobody is found to be the cause of an error in it."""

    READING = "reading"
    CYCLES = "cycles"
    SETTLING = "settling"
    PLACEMENT = "placement"
    BACKFILL = "backfill"
    PREEMPTION = "preemption"
    ARRAY_RECLAIM = "array reclaim"
    FRONTS = "fronts"
    ESTIMATES = "estimates"
    OVERVIEW = "overview"
    NODE_POOLS = "node pools"
    WRITING = "writing"
    OTHER = "other"


@dataclass(slots=True, frozen=True)
class Fault:
    """An error, the stage that it was raised in, and the object that is the cause of it, if that is known."""

    stage: Stage
    error: Exception
    culprit: Culprit | None = None


class StageError(Exception):
    """Says in which stage its cause was raised."""

    def __init__(self, stage: Stage, cause: Exception) -> None:
        super().__init__(f"{stage}: {cause}")
        self.stage = stage
        self.cause = cause


class During:
    """Has it known in which stage of a step an error was raised. A pass enters several, so this is no generator."""

    __slots__ = ("_stage",)

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __enter__(self) -> None:
        """Begin the stage."""

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        """End the stage."""
        if isinstance(error, Exception) and not isinstance(error, StageError):
            raise StageError(self._stage, error) from error


def staged(stage: Stage, resting: Collection[Stage], results: Iterator[T]) -> Iterator[T]:
    """Go through what a stage finds, one by one; nothing of one that rests."""
    if stage not in resting:
        with During(stage):
            yield from results


def described(error: Exception) -> str:
    """An error in the words of a status: its kind and what it says, on one line and not too long."""
    text = " ".join(f"{error}".split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def sentence(fault: Fault, visibility: Visibility) -> str:
    """What is said of the object that is the cause of an error."""
    error = described(fault.error) if visibility.quotes_errors else type(fault.error).__name__
    remedy = (
        "correct what is odd in its spec or in its JobDefinition"
        if fault.culprit is not None and fault.culprit.kind == names.BATCH_JOB
        else "correct what is odd in its spec"
    )
    return (
        f"{fault.culprit} is left out, as the {fault.stage} failed on it ({error}); {remedy}, "
        "and report this: it should have been refused in words"
    )


def left_out(status: Status, why: str) -> Status:
    """Return the status of a job that a step cannot digest."""
    if status.state in TERMINAL:
        return status
    if arraystatus.has_started(status):
        return arraystatus.on_hold(status, why)
    if status.state in WAITING:
        return to_pending(status, Reason.INVALID_SPEC, why, stalled=True)
    return status._replace(reason=Reason.INVALID_SPEC, message=why, stalled=True)


@dataclass(slots=True, frozen=True)
class Contained(Generic[T]):
    """What a step came to without those that it cannot digest; nothing, where leaving them out did not help."""

    result: T | None
    faults: tuple[Fault, ...] = ()


def contain(stage: Stage, step: Callable[[Snapshot], T], snapshot: Snapshot) -> Contained[T]:
    """Run a step, without the objects that are the cause of an error if there are any. `stage`: where no other is."""
    try:
        return Contained(step(snapshot))
    except Exception as error:
        return _Search(stage, step, snapshot).run(_fault(stage, error))


_TakeOut = Callable[[Snapshot, Collection[Culprit]], Snapshot]


class _Search(Generic[T]):
    """The runs of one step that has failed, each without some of what it looks at."""

    def __init__(self, stage: Stage, step: Callable[[Snapshot], T], snapshot: Snapshot) -> None:
        self._stage = stage
        self._step = step
        self._snapshot = snapshot
        self._seen: dict[Culprit, None] = {}
        """What the last run has looked at, the last one last."""

    def run(self, first: Fault) -> Contained[T]:
        tried = self._try(hide, ())
        if tried.result is not None:
            return Contained(tried.result, (first,))
        others = [each for each in self._seen if each.kind != names.BATCH_JOB]
        # Without a job a step may take another course, so first they are only made ordinary.
        for take_out in (tame, hide):
            suspects, found = self._suspects(take_out)
            if suspects and self._are_to_blame(suspects):
                tried = self._try(hide, suspects)
                if found and tried.result is not None:
                    return Contained(tried.result, tuple(suspects.values()))
                if guilty := tuple(self._guilty_alone(suspects)):
                    return Contained(tried.result, guilty)
        for each in reversed(others[-MOST_TRIES:]):
            tried = self._try(hide, [each])
            if tried.result is not None:
                return Contained(tried.result, (replace(first, culprit=each),))
        return Contained(None, (first,))

    def _suspects(self, take_out: _TakeOut) -> tuple[dict[Culprit, Fault], bool]:
        """The fewest jobs that must be taken out for the step to go through; else many, and that it does not."""
        taken: dict[Culprit, Fault] = {}
        tried = self._try(take_out, taken)
        while tried.result is None and len(taken) < MOST_TRIES:
            jobs = (each for each in reversed(self._seen) if each.kind == names.BATCH_JOB and each not in taken)
            suspect = next(jobs, None)  # the one that was looked at last
            if suspect is None:
                return taken, False
            taken[suspect] = replace(tried.faults[0], culprit=suspect)
            tried = self._try(take_out, taken)
        if tried.result is None:
            return taken, False
        for each in list(taken) if len(taken) > 1 else ():
            fewer = {culprit: fault for culprit, fault in taken.items() if culprit != each}
            if self._try(take_out, fewer).result is not None:
                taken = fewer
        return taken, True

    def _are_to_blame(self, jobs: Collection[Culprit]) -> bool:
        """Whether it is these jobs that the step fails on, and not what they all look at.

        Then it does not fail on an ordinary job in the place of one of them.
        """
        one = next((each for each in jobs if each.key in self._snapshot.backlog), None)
        if one is None:
            return True
        return (
            self._try(lambda snapshot, rest: hide(tame(snapshot, [one]), rest), self._all_but(one)).result is not None
        )

    def _guilty_alone(self, suspects: Mapping[Culprit, Fault]) -> Iterator[Fault]:
        """Those that make the step fail even where no other job waits."""
        for suspect, fault in suspects.items():
            if suspect.key in self._snapshot.backlog and self._try(hide, self._all_but(suspect)).result is None:
                yield fault

    def _all_but(self, one: Culprit) -> list[Culprit]:
        return [Culprit(names.BATCH_JOB, key) for key in self._snapshot.backlog if key != one.key]

    def _try(self, take_out: _TakeOut, culprits: Collection[Culprit]) -> Contained[T]:
        self._seen = {}
        try:
            return Contained(self._step(watched(take_out(self._snapshot, culprits), self._note)))
        except Exception as error:
            return Contained(None, (_fault(self._stage, error),))

    def _note(self, culprit: Culprit) -> None:
        self._seen.pop(culprit, None)
        self._seen[culprit] = None


def _fault(stage: Stage, error: Exception) -> Fault:
    return Fault(error.stage, error.cause) if isinstance(error, StageError) else Fault(stage, error)
