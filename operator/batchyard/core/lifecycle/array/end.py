"""Whether an array has come to its end, and what is said of that."""

from typing import NamedTuple

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.admission.references import Unsatisfiable
from batchyard.core.lifecycle.array.mainpods import given_up
from batchyard.core.lifecycle.array.view import ArrayView
from batchyard.core.lifecycle.ending.outcome import not_started
from batchyard.core.model.array import ArrayStatus


class End(NamedTuple):
    """How an array has ended."""

    state: JobState
    reason: str
    message: str


def end_of(view: ArrayView, array: ArrayStatus) -> End | None:
    """Return the end of an array of which so much has ended; None while it goes on."""
    return _too_many_failures(view, array) or _never_started(view, array) or _stuck(view, array) or _all(view, array)


def _too_many_failures(view: ArrayView, array: ArrayStatus) -> End | None:
    limit, failures = view.shape.max_failed_indexes, array.failed - view.shape.stopped
    if limit is None or len(failures) <= limit:
        return None
    message = f"{len(failures)} indexes failed, more than maxFailedIndexes ({limit}) allows{_first(array)}"
    return End(JobState.FAILED, Reason.TOO_MANY_FAILED_INDEXES, message)


def _never_started(view: ArrayView, array: ArrayStatus) -> End | None:
    """As all indexes are alike, one that cannot be started stands for all of them until another one has."""
    if view.status.started_at is not None or array.running or array.succeeded or array.failed:
        return None
    pods = given_up(view)
    return End(JobState.FAILED, Reason.CANNOT_START, not_started(pods[0]).message) if pods else None


def _stuck(view: ArrayView, array: ArrayStatus) -> End | None:
    """What it refers to is not to be had any more, and no index runs or will start by itself."""
    lack = view.lack
    if not isinstance(lack, Unsatisfiable) or array.active or _unfinished(array) <= 0:
        return None
    starts_more = view.going is not None and view.shown is not None and view.shown.parallelism > 0
    return None if starts_more else End(JobState.FAILED, lack.reason, lack.message)


def _all(view: ArrayView, array: ArrayStatus) -> End | None:
    if _unfinished(array) > 0:
        return None
    if view.going is not None and not view.moved:  # the Job controller has a last word to say
        return None
    if not array.failed:
        return End(JobState.SUCCEEDED, Reason.COMPLETED, f"all {array.what} succeeded")
    return End(JobState.FAILED, Reason.INDEXES_FAILED, f"{len(array.failed)} of {array.what} failed{_first(array)}")


def _unfinished(array: ArrayStatus) -> int:
    return len(array.indexes) - len(array.succeeded) - len(array.failed)


def _first(array: ArrayStatus) -> str:
    if not array.first_failures:
        return ""
    first = array.first_failures[0]
    return f": {array.failed.brief()}; first seen: index {first.index}: {first.message}"
