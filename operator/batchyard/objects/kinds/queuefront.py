"""What the status of a JobQueue says of the jobs that wait in it.

The status that was written before tells since when a job has been at its position, and since when the queue has been
blocked: so these times outlive the process that saw them.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Any

from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.scheduling.decisions import Hold
from batchyard.objects.brevity import DETAIL_BYTES, MESSAGE_BYTES, brief
from batchyard.objects.times import format_time, parse_time

PARTS = ("head", "front", "blocked")
"""The fields of a JobQueue's status that are about this."""


def render_front(
    waiting: Sequence[BatchJob],
    head: tuple[str, str],
    estimated_start: float | None,
    blocked: tuple[float, Hold] | None,
    previous: Mapping[str, Any],
    now: float,
    visibility: Visibility,
) -> dict[str, Any]:
    """These parts. `head` is the reason of the first of those that wait, and a sentence; `estimated_start` is its
    own. Jobs whose names may not be shown are told apart by their uids."""
    if not waiting:
        return {}
    shown = [*(previous.get("front") or ()), *([None] * len(waiting))]
    front = [_render(job, before, now, visibility) for job, before in zip(waiting, shown, strict=False)]
    first = {**front[0], **_why(*head)}
    if estimated_start is not None and estimated_start < inf:
        first["estimatedStartAt"] = format_time(estimated_start)
    status: dict[str, Any] = {"head": first, "front": front}
    if blocked is not None:
        since, hold = blocked
        status["blocked"] = {"since": format_time(since), **_why(hold.reason, hold.message)}
    return status


def _why(reason: str, message: str) -> dict[str, str]:
    return {"reason": brief(reason, DETAIL_BYTES), "message": brief(message, MESSAGE_BYTES)}


def _render(job: BatchJob, before: Mapping[str, Any] | None, now: float, visibility: Visibility) -> dict[str, Any]:
    namespace, name = job.key
    stays = before is not None and _key(before, {job.uid: job.key}) == job.key
    since = format_time(now)
    if stays and before is not None and (shown := _time(before.get("since"))) >= job.created:
        since = format_time(min(shown, now))
    who = {"namespace": namespace, "name": name} if visibility.shows(job.key, "") else {"uid": job.uid}
    share = {"shareIdentifier": job.share} if job.share else {}
    return {**who, **share, "since": since}


def shown_front(status: Mapping[str, Any], jobs: Iterable[BatchJob] = ()) -> list[Key]:
    """The jobs that a status lists; of those listed by their uids the ones among `jobs`, for others a blank."""
    by_uid = {job.uid: job.key for job in jobs}
    return [_key(each, by_uid) for each in status.get("front") or ()]


def _key(shown: Mapping[str, Any], by_uid: Mapping[str, Key]) -> Key:
    if "uid" in shown:
        return by_uid.get(shown["uid"], ("", ""))
    return shown.get("namespace") or "", shown.get("name") or ""


def blocked_since(status: Mapping[str, Any]) -> float | None:
    """Since when a queue was blocked when its status was written, if it was."""
    since = _time((status.get("blocked") or {}).get("since"))
    return since if since > -inf else None


def _time(text: object) -> float:
    """A time in a status, which can be written by hand; minus infinity where it is none."""
    try:
        return parse_time(str(text))
    except ValueError:
        return -inf
