"""What is true of arrays at any moment: the places that their Jobs take, what is granted, and what their status says.

Called by the planner, by the runtime's books of what is charged, and by `arrayprogress`, which moves arrays on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from batchyard.core.arrayrecords import ArrayGrant, ArrayStatus, Want
from batchyard.core.indexes import IndexSet
from batchyard.core.reasons import Reason
from batchyard.core.records import TERMINAL, Run, Status

ACKNOWLEDGE_SECONDS = 30.0
"""How long the Job controller may take to make the pods of the places that a Job was given."""


def granted(want: Want, main: Run | None, before: int) -> ArrayGrant:
    """Return the grant of one place more than `before` of what an array asks for: retries first, then slots."""
    count = before + 1
    slots = max(count - len(want.retries), 0)
    parallelism = main.indexed.parallelism if main is not None and main.indexed is not None else 0
    return ArrayGrant(slots, parallelism + slots, want.retries[:count])


def outstanding(grant: ArrayGrant, main: Run | None, others: Mapping[str, Run]) -> int:
    """Return how many places of a grant have no Kubernetes Job yet. `others` are those of single indexes, by name."""
    started = {(run.index, run.number) for run in others.values()}
    due = sum((each.index, each.run) not in started for each in grant.retries)
    given = main is not None and (
        main.ended or (main.indexed is not None and main.indexed.parallelism >= grant.parallelism)
    )
    return due if given else due + grant.slots


def acknowledged(run: Run) -> bool:
    """Whether the Job controller has made a pod for every place of an Indexed Job, as far as its status shows."""
    return run.indexed is None or run.ended or run.active + run.indexed.terminating >= places_of(run)


def settling(run: Run, raised_at: float | None, now: float) -> bool:
    """Whether it is yet to be seen what became of the places that an Indexed Job was given last.

    To take them back now would hit pods that have just been made for them. It is not waited for without end: the Job
    controller may be kept from making pods.
    """
    if raised_at is None or acknowledged(run):
        return False
    return raised_at <= now < raised_at + ACKNOWLEDGE_SECONDS


def strays(status: Status, runs: Iterable[Run], *, terminate: bool) -> list[Run]:
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
    reason = Reason.NODE_LOST if array.lost else Reason.INDEXES_RUNNING
    return status._replace(array=array, reason=reason, message=message)


def held(status: Status, why: str) -> Status:
    """Return the status of an array that has started and gets no further place now."""
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


def taken(run: Run) -> int:
    """How many places the Job of a run takes up: of an Indexed Job as many as it has pods, or may start at once."""
    if run.ended:
        return 0
    if run.indexed is None:
        return 1
    return max(run.active + run.indexed.terminating, places_of(run))


def places_of(run: Run) -> int:
    """How many indexes an Indexed Job may run at the same time, going by its parallelism and by what is left."""
    shown = run.indexed
    return 0 if shown is None else min(shown.parallelism, shown.unfinished)
