"""The status of an array that has started: its counts as a message, why others of it wait, and how it is closed."""

from collections.abc import Iterable
from dataclasses import replace

from batchyard.api.reasons import Reason
from batchyard.core.model.array import ArrayStatus
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.run import Run
from batchyard.core.model.status import TERMINAL, Status


def orphaned_runs(status: Status, runs: Iterable[Run], *, terminate: bool) -> list[Run]:
    """The runs that go on although the array has ended, or is to be terminated."""
    if status.state not in TERMINAL and not terminate:
        return []
    return [run for run in runs if not run.ended and not run.deleting]


def described(status: Status, array: ArrayStatus) -> Status:
    """Return the status of an array that has started, with the message that its counts make."""
    starting = len(array.active) - array.running
    parts = [f"{array.running} of {array.what} run"]
    if starting:
        parts.append(f"{starting} start")
    parts += [f"{len(array.succeeded)} succeeded", f"{len(array.failed)} failed"]
    message = ", ".join(parts)
    if array.waiting > 0 and array.hold:
        message += f"; {array.waiting} wait: {array.hold}"
    if array.trouble:
        message += f"; not all start: {array.trouble}"
    if array.lost:
        message += f"; {array.lost}"
    if array.instead:
        message += f"; {array.instead}"
    reason = Reason.NODE_LOST if array.lost else Reason.INDEXES_RUNNING
    return status._replace(array=array, reason=reason, message=message)


def on_hold(status: Status, why: str) -> Status:
    """Return the status of an array that has started and gets no further slot now."""
    if status.array is None or status.array.hold == why:
        return status
    return described(status, replace(status.array, hold=why))


def has_started(status: Status) -> bool:
    """Whether the status is that of an array of which a Kubernetes Job was seen."""
    return status.array is not None and bool(status.environment)


def closed(status: Status) -> Status:
    """Return the status of an ended array: what did not succeed has failed."""
    array = status.array
    if array is None or status.state not in TERMINAL:
        return status
    failed = array.indexes - array.succeeded
    none = IndexSet()
    ended = replace(array, failed=failed, interrupted=none, active=none, running=0, hold="")
    return status._replace(array=ended)
