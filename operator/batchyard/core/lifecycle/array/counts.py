"""How many indexes of an array run, have succeeded and have failed, and what keeps the others."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle import lostnodes
from batchyard.core.lifecycle.array.indexruns import IndexRuns
from batchyard.core.lifecycle.array.view import ArrayView
from batchyard.core.lifecycle.takeback import Holdup
from batchyard.core.model.array import ArrayStatus, FailedIndex
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.run import Pod

SHOWN_FAILURES = 10


def counted(view: ArrayView, indexes: IndexRuns, holdups: Sequence[Holdup], lost: Sequence[Pod]) -> ArrayStatus:
    """Return what the status is to say of the indexes."""
    before, main = view.before, view.going
    succeeded = indexes.succeeded
    failed = before.failed | IndexSet.of(indexes.failures) | indexes.never
    running = indexes.started()
    active = IndexSet.of(indexes.live) | view.of_main
    if main is not None:
        running += min(main.ready, main.active)
    retries = sum(run.attempt > 1 for chain in indexes.chains.values() for run in chain)
    return replace(
        before,
        succeeded=succeeded,
        failed=failed,
        interrupted=indexes.interrupted,
        active=active - succeeded - failed,
        running=min(running, len(active)),
        retries=max(before.retries, retries),
        first_failures=_first_failures(view, indexes),
        trouble=next((each.message for each in holdups if each.message), ""),
        lost=lostnodes.of_indexes(lost, view.nodes),
        hold=_hold(view, indexes),
        lacking=view.lack is not None,
        moved=view.moved,
        instead=next((run.instead for run in view.runs.of_array if run.instead), ""),
        charged_as=next((run.charged_as for run in view.runs.of_array if run.charged_as), before.charged_as),
    )


def _first_failures(view: ArrayView, indexes: IndexRuns) -> tuple[FailedIndex, ...]:
    """The failures that were seen first: those that are shown stay."""
    shown = list(view.before.first_failures)
    shown += [indexes.failures[index] for index in sorted(indexes.failures)]
    if view.gate is not None:
        why, never = view.gate.why_never, islice(indexes.never, SHOWN_FAILURES)
        shown += [FailedIndex(index, 0, None, Reason.DEPENDENCY_NOT_MET, why) for index in never]
    return tuple(shown[:SHOWN_FAILURES])


def _hold(view: ArrayView, indexes: IndexRuns) -> str:
    """Why those that wait do not start, as far as it does not depend on others."""
    if view.lack is not None:
        return view.lack.message
    if view.gate is not None and not indexes.due:
        return view.gate.why
    return "" if view.before.lacking else view.before.hold
