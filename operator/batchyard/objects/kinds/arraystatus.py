"""What became of an array's indexes, as `status.array` of a BatchJob holds it."""

from collections.abc import Mapping
from typing import Any

from batchyard.core.model.array import ArrayStatus, FailedIndex
from batchyard.objects.brevity import DETAIL_BYTES, brief
from batchyard.objects.indextext import read_indexes, render_indexes


def render_array(array: ArrayStatus) -> dict[str, Any]:
    """The object to store. Sets of no index are left out."""
    succeeded, failed = len(array.succeeded), len(array.failed)
    chosen = {} if array.chosen is None else {"chosenIndexes": render_indexes(array.chosen)}
    sets = {
        "activeIndexes": render_indexes(array.active),
        "succeededIndexes": render_indexes(array.succeeded),
        "failedIndexes": render_indexes(array.failed),
        "interruptedIndexes": render_indexes(array.interrupted),
        "succeededBeforeIndexes": render_indexes(array.succeeded_before),
    }
    return {
        "size": array.size,
        "progress": f"{succeeded + failed}/{len(array.indexes)}",
        "waiting": array.waiting,
        "starting": len(array.active) - array.running,
        "running": array.running,
        "succeeded": succeeded,
        "failed": failed,
        "retries": array.retries,
        **({"restarts": array.restarts} if array.restarts else {}),
        **({"moved": True} if array.moved else {}),
        **({"chargedAs": array.charged_as} if array.charged_as else {}),
        **chosen,
        **{name: text for name, text in sets.items() if text},
        "firstFailures": [_render_failure(each) for each in array.first_failures],
    }


def read_array(stored: Mapping[str, Any]) -> ArrayStatus:
    """The record that was stored, but for what the Jobs of the array show themselves."""
    return ArrayStatus(
        size=stored["size"],
        succeeded=read_indexes(stored.get("succeededIndexes") or ""),
        failed=read_indexes(stored.get("failedIndexes") or ""),
        interrupted=read_indexes(stored.get("interruptedIndexes") or ""),
        active=read_indexes(stored.get("activeIndexes") or ""),
        running=stored.get("running") or 0,
        retries=stored.get("retries") or 0,
        restarts=stored.get("restarts") or 0,
        moved=bool(stored.get("moved")),
        charged_as=stored.get("chargedAs", ""),
        chosen=read_indexes(stored["chosenIndexes"]) if "chosenIndexes" in stored else None,
        succeeded_before=read_indexes(stored.get("succeededBeforeIndexes") or ""),
        first_failures=tuple(_read_failure(each) for each in stored.get("firstFailures") or ()),
    )


def _render_failure(failure: FailedIndex) -> dict[str, Any]:
    fields = {
        "index": failure.index,
        "attempt": failure.attempt,
        "exitCode": failure.exit_code,
        "reason": brief(failure.reason, DETAIL_BYTES),
        "message": brief(failure.message, DETAIL_BYTES),
        "podName": failure.pod_name,
        "nodeName": failure.node_name,
    }
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _read_failure(stored: Mapping[str, Any]) -> FailedIndex:
    return FailedIndex(
        index=stored["index"],
        attempt=stored["attempt"],
        exit_code=stored.get("exitCode"),
        reason=stored.get("reason", ""),
        message=stored.get("message", ""),
        pod_name=stored.get("podName", ""),
        node_name=stored.get("nodeName", ""),
    )
