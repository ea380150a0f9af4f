"""What the status of a fair-share queue says of its shares: a report, and what a restarted operator goes on from."""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from batchyard.api.models.jobqueue import MAX_SHARES
from batchyard.core.scheduling.fairshare.usage import ShareUsage
from batchyard.objects.times import format_time, parse_time


def render_count(count: Iterable[ShareUsage], waiting: Mapping[str, int], now: float) -> dict[str, Any]:
    """The `fairShare` of a queue's status; `waiting` are jobs per share. The shares that used most are listed."""
    idle = {share: ShareUsage(share, 0.0, 0, -inf) for share in waiting}
    everybody = {**idle, **{each.share: each for each in count}}.values()
    most = sorted(everybody, key=lambda each: (-each.used, -each.in_use, each.share))[:MAX_SHARES]
    return {
        "countedAt": format_time(now),
        "shares": [_render(each, waiting.get(each.share, 0)) for each in sorted(most, key=lambda each: each.share)],
    }


def _render(share: ShareUsage, waiting: int) -> dict[str, Any]:
    fields = {
        "shareIdentifier": share.share,
        "usedVcpuSeconds": share.used,
        "vcpus": share.in_use / 1000,
        "runnable": waiting,
    }
    return {**fields, "lastUsedAt": format_time(share.last_used)} if share.last_used > -inf else fields


def read_count(status: Mapping[str, Any]) -> tuple[list[ShareUsage], float]:
    """The count in a queue's status, and the time it was made for; empty and minus infinity where there is none.

    One that makes no sense (a status can be written by hand) is none.
    """
    shown = status.get("fairShare") or {}
    try:
        return [_read(each) for each in shown.get("shares") or ()], parse_time(shown["countedAt"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return [], -inf


def shown_waiting(shown: Mapping[str, Any]) -> dict[str, int]:
    """How many jobs of each share waited when the count was made."""
    return {each["shareIdentifier"]: each["runnable"] for each in shown.get("shares") or () if each.get("runnable")}


def _read(share: Mapping[str, Any]) -> ShareUsage:
    last_used = share.get("lastUsedAt")
    return ShareUsage(
        share["shareIdentifier"],
        float(share["usedVcpuSeconds"]),
        round(share["vcpus"] * 1000),
        parse_time(last_used) if last_used else -inf,
    )
