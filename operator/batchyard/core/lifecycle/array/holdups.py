"""What keeps indexes of an array from starting that have a slot, and which slots are to be given back for it.

A slot is given back by lowering the parallelism of the Indexed Job by what lacks a pod or a node, and by deleting such
Jobs of single indexes. What runs goes on.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle import takeback
from batchyard.core.lifecycle.takeback import LOOK_SECONDS, Holdup, Patience
from batchyard.core.model.jobruns import NO_REPORT, JobRuns
from batchyard.core.model.run import Pod, PodReport, Run


@dataclass(slots=True, frozen=True)
class Overdue:
    """The slots that an array is to give back."""

    message: str
    slots: int = 0
    """Of its Indexed Job."""
    runs: tuple[Run, ...] = ()
    """Jobs of single indexes."""


def holdups(runs: JobRuns, live: Iterable[Run], patience: Patience) -> list[Holdup]:
    """Return what keeps indexes from starting, the Indexed Job first. `live` are Jobs of single indexes."""
    main, report = runs.indexed, runs.report
    found = [each for run in live if (each := takeback.holdup(run, runs.pods.get(run.name), patience)) is not None]
    if main is None or main.ended or main.deleting:
        return found
    waiting = [each for pod in report.waiting if (each := takeback.holdup(main, pod, patience)) is not None]
    unmade = _unmade(main, report, patience)
    return [*([unmade] if unmade is not None else []), *waiting, *found]


def overdue(runs: JobRuns, pending: Iterable[Pod], patience: Patience, now: float) -> Overdue | None:
    """Return the slots to be given back now, of all `pending` pods of the Indexed Job; None where there are none."""
    main = runs.indexed
    late = [
        (run, each)
        for run in runs.indexes.values()
        if (each := takeback.holdup(run, runs.pods.get(run.name), patience)) is not None and each.due <= now
    ]
    words, slots = [each.last_words for _, each in late], 0
    if main is not None and not main.ended and not main.deleting:
        homeless = [each for pod in pending if (each := takeback.holdup(main, pod, patience)) is not None]
        gone = [each for each in homeless if each.due <= now]
        unmade = _unmade(main, NO_REPORT, patience)
        if unmade is not None and unmade.due <= now:
            gone.append(unmade)
            slots += takeback.lacking(main) - 1
        slots += len(gone)
        words = [each.last_words for each in gone] + words
    late_runs = tuple(run for run, _ in late)
    if not slots and not late_runs:
        return None
    return Overdue(next(filter(None, words), "its pods are not made"), slots, late_runs)


def _unmade(main: Run, report: PodReport, patience: Patience) -> Holdup | None:
    """What keeps pods of the Indexed Job from being made. Some are missing for a moment whenever an index ends."""
    if main.suspended_at is not None:
        return takeback.suspended(main, patience)
    if not takeback.lacks_pods(main, None):
        return None
    if main.refusal is not None and main.refusal.message:
        return takeback.refused(main.name, main.refusal, patience)
    if main.refusal is not None:
        ask_at = max(main.refusal.looked_at, report.looked_at) + LOOK_SECONDS
        return Holdup(Reason.CREATE_FAILED, takeback.UNKNOWN, main.refusal.since + patience.grace_seconds, ask_at)
    ask_at = main.created + takeback.UNSEEN_SECONDS if main.started_at is None else main.started_at
    if main.active:
        ask_at = max(ask_at, report.looked_at) + LOOK_SECONDS
    return Holdup(Reason.CREATE_FAILED, "", math.inf, ask_at)
