"""Which indexes of an earlier array run again in a new one (`spec.array.rerun`), and what the others count as.

The new array waits for the end of the earlier one, as for a dependency of the type Finished, and its status remembers
that end. All that is decided here follows from that memory, so it stays the same when the earlier array is deleted.
"""

from dataclasses import replace

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.admission.references import Unsatisfiable
from batchyard.core.model.array import ArrayShape, ArrayStatus, Rerun
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.status import EndedDependency, Status


def choose(shape: ArrayShape, rerun: Rerun, status: Status) -> tuple[Status, Unsatisfiable | None]:
    """Return the status with the chosen indexes entered, once they are known, and why none can run if that is so."""
    return _entered(shape, rerun, status), _refusal(shape, rerun, status)


def _refusal(shape: ArrayShape, rerun: Rerun, status: Status) -> Unsatisfiable | None:
    """Say why there is nothing that could run again, as soon as that is known."""
    outside = (rerun.indexes or IndexSet()) - IndexSet.below(shape.size)
    if outside:
        message = (
            f"spec.array.rerun.indexes has {outside.brief()}, but indexes of this array go from 0 to {shape.size - 1}"
        )
        return Unsatisfiable(Reason.INVALID_SPEC, f"{message}; submit it anew with indexes that there are")
    end = _end(rerun, status)
    if end is None:
        return None
    if end.size != shape.size:
        has = f"has {end.size} indexes" if end.size else "is no array"
        message = f"spec.array.rerun is for arrays of the same size, but BatchJob {rerun.job} {has} and this one"
        return Unsatisfiable(
            Reason.INVALID_SPEC, f"{message} {shape.size}; submit it anew with the size of the other one"
        )
    if not _chosen(shape, rerun, end):
        return Unsatisfiable(
            Reason.NOTHING_TO_RERUN, f"every index of BatchJob {rerun.job} has succeeded: none is to run again"
        )
    return None


def _entered(shape: ArrayShape, rerun: Rerun, status: Status) -> Status:
    """Return the status with the indexes that run again, and those that count as succeeded from before, once known."""
    end = _end(rerun, status)
    if end is None or end.size != shape.size:
        return status
    chosen = _chosen(shape, rerun, end)
    array = status.array or ArrayStatus(shape.size)
    if array.chosen == chosen:
        return status
    return status._replace(array=replace(array, chosen=chosen, succeeded_before=_succeeded(end) - chosen))


def _end(rerun: Rerun, status: Status) -> EndedDependency | None:
    return next((each for each in status.dependencies if each.job == rerun.job), None)


def _chosen(shape: ArrayShape, rerun: Rerun, end: EndedDependency) -> IndexSet:
    return rerun.indexes if rerun.indexes is not None else IndexSet.below(shape.size) - _succeeded(end)


def _succeeded(end: EndedDependency) -> IndexSet:
    if end.state is JobState.SUCCEEDED and not end.succeeded:
        return IndexSet.below(end.size)
    return end.succeeded
