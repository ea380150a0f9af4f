"""What keeps indexes of an array from starting that have a slot, and which slots are to be given back for it.

A slot is given back by lowering the parallelism of the Indexed Job by what lacks a pod or a node, and by deleting such
Jobs of single indexes. What runs goes on.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle import takeback
from batchyard.core.lifecycle.takeback import LOOK_SECONDS, Holdup, Patience
from batchyard.core.model.jobruns import NO_REPORT, JobRuns
from batchyard.core.model.run import Pod, PodReport, Run
from batchyard.core.model.status import NO_NODE_CAME


class InVain(NamedTuple):
    """An environment where indexes have waited in vain for nodes."""

    environment: str
    message: str
    on_demand: bool = False
    """Whether they were of the part of its work that is not on spot."""


@dataclass(slots=True, frozen=True)
class Overdue:
    """The slots that an array is to give back."""

    message: str
    slots: int = 0
    """Of its Indexed Job."""
    runs: tuple[Run, ...] = ()
    """Jobs of single indexes."""
    in_vain: tuple[InVain, ...] = ()
    refused: bool = True
    """Whether anything else than nodes was lacking, which is tried again no sooner than after a while."""


def holdups(runs: JobRuns, live: Iterable[Run], patience_in: Callable[[str], Patience]) -> list[Holdup]:
    """Return what keeps indexes from starting, the Indexed Job first. `live` are Jobs of single indexes."""
    main, report = runs.indexed, runs.report
    held = (takeback.holdup(run, runs.pods.get(run.name), patience_in(run.environment)) for run in live)
    found = [each for each in held if each is not None]
    if main is None or main.ended or main.deleting:
        return found
    patience = patience_in(main.environment)
    # Once all have started, pods are not read again: what waited then does not any more.
    pods = report.waiting if main.active > main.ready else ()
    waiting = [each for pod in pods if (each := takeback.holdup(main, pod, patience)) is not None]
    unmade = _unmade(main, report, patience)
    return [*([unmade] if unmade is not None else []), *waiting, *found]


def overdue(
    runs: JobRuns, pending: Collection[Pod], patience_in: Callable[[str], Patience], now: float
) -> Overdue | None:
    """Return the slots to be given back now, of all `pending` pods of the Indexed Job; None where there are none."""
    main = runs.indexed
    going = None if main is None or main.ended or main.deleting else main
    asked: list[tuple[Run, Pod | None]] = [] if going is None else [(going, pod) for pod in pending]
    asked += [(run, runs.pods.get(run.name)) for run in runs.indexes.values()]
    held_up = defaultdict[str, list[_Late]](list)
    for run, pod in asked:
        if (held := takeback.holdup(run, pod, patience_in(run.environment))) is not None:
            held_up[run.environment].append(_Late(run, held, pod))
    late = [each for name, several in held_up.items() for each in _given_up(several, patience_in(name), now)]
    late_runs = tuple(each.run for each in late if each.run is not going)
    slots = len(late) - len(late_runs)
    unmade = None if going is None else _unmade(going, NO_REPORT, patience_in(going.environment))
    if going is not None and unmade is not None and unmade.due <= now:
        late.insert(slots, _Late(going, unmade, None))
        slots += takeback.lacking(going)
    if not slots and not late_runs:
        return None
    message = next((each.held.last_words for each in late if each.held.last_words), "its pods are not made")
    in_vain = {(each.run.environment, each.run.on_demand): each for each in reversed(late) if each.in_vain}
    told = tuple(InVain(name, each.held.last_words, on_demand) for (name, on_demand), each in in_vain.items())
    return Overdue(message, slots, late_runs, told, refused=not all(each.in_vain for each in late))


class _Late(NamedTuple):
    """What keeps an index from starting."""

    run: Run
    held: Holdup
    pod: Pod | None

    @property
    def in_vain(self) -> bool:
        """Whether that is a node which does not come."""
        return self.held.outcome().reason == NO_NODE_CAME


def _given_up(held_up: Iterable[_Late], patience: Patience, now: float) -> list[_Late]:
    """What is not borne any more in one environment.

    Nodes may be on their way for some of the pods, whichever these will be; only the others have waited in vain, unless
    all have waited for too long.
    """
    gone = [each for each in held_up if each.held.due <= now]
    if patience.no_nodes is None:
        return gone
    longest = patience.unschedulable_seconds
    too_late = sum(each.in_vain and each.pod is not None and each.pod.created + longest <= now for each in gone)
    left = max(patience.no_nodes.pods, too_late)
    return [*(each for each in gone if not each.in_vain), *[each for each in gone if each.in_vain][:left]]


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
