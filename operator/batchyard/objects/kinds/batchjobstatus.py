"""A BatchJob's status as the API server stores it, from the record the core decided and back.

It is written when it differs from the one before; a restarted operator reads it back and goes on where it
was.
"""

from collections.abc import Mapping
from math import inf
from typing import Any

from batchyard.api.models.batchjob import JobState
from batchyard.api.quantities import format_bytes, parse_bytes
from batchyard.core.model.job import BatchJob
from batchyard.core.model.queue import WaitingSince
from batchyard.core.model.status import TERMINAL, Attempt, EndedDependency, Status
from batchyard.objects.brevity import DETAIL_BYTES, MESSAGE_BYTES, brief, presentable
from batchyard.objects.conditions import STALLED, ReadyState, render_conditions
from batchyard.objects.indextext import read_indexes, render_indexes
from batchyard.objects.kinds.arraystatus import read_array, render_array
from batchyard.objects.times import format_time, parse_time

NO_DATE = "; its start has no date: going by timeouts and earlier runs, what goes before it takes more than ten years"

MAX_ATTEMPTS = 50
"""Attempts kept in status, newest last; interruptions make the list longer than the retry strategy allows.

Older ones that ran out of memory are kept, too: what the next run gets follows from their number.
"""


def render_status(job: BatchJob, status: Status, previous: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The whole status object; `previous` is the one it replaces, for the conditions' transition times."""
    fields = {
        "observedGeneration": job.generation,
        "state": _shown_state(status).value,
        "reason": brief(status.reason, DETAIL_BYTES),
        "message": _message(status),
        "jobDefinition": f"{job.definition}:{status.revision}" if status.revision is not None else None,
        "jobDefinitionUid": status.definition_uid,
        "jobDefinitionDigest": status.digest,
        "queuePosition": status.queue_position,
        "estimatedStartAt": _rendered_time(status.estimated_start) if status.estimated_start != inf else None,
        "computeEnvironment": status.environment,
        "jobName": status.job_name,
        "startedAt": _rendered_time(status.started_at),
        "stoppedAt": _rendered_time(status.stopped_at),
        "notBefore": _rendered_time(status.not_before),
        "queuedAt": _rendered_time(status.queued_at),
        "heldSince": _held_since(status),
        "headSince": _rendered_time(status.head_since),
        "interruptions": status.interruptions,
        "dependencies": [_render_dependency(each) for each in status.dependencies] or None,
        "attempts": [_render_attempt(attempt) for attempt in _kept(status.attempts)],
        "array": render_array(status.array) if status.array is not None else None,
        "conditions": render_conditions(_ready_state(status), job.generation, previous, now),
    }
    return presentable(_without_blanks(fields))


def read_status(status: Mapping[str, Any]) -> Status:
    """The record that a stored status was rendered from, up to whole seconds."""
    state = JobState(status.get("state", JobState.SUBMITTED))
    _, _, revision = status.get("jobDefinition", "").rpartition(":")
    array = read_array(status["array"]) if "array" in status else None
    if state is JobState.PENDING and array is not None:
        state = _state_of_array(status)
    message, no_date, _ = status.get("message", "").partition(NO_DATE)
    stalled = any(condition["type"] == STALLED for condition in status.get("conditions") or ())
    return Status(
        state=state,
        reason=status.get("reason", ""),
        message=message,
        revision=int(revision) if revision else None,
        definition_uid=status.get("jobDefinitionUid", ""),
        digest=status.get("jobDefinitionDigest", ""),
        queue_position=status.get("queuePosition"),
        estimated_start=inf if no_date else _parsed_time(status.get("estimatedStartAt")),
        environment=status.get("computeEnvironment", ""),
        job_name=status.get("jobName", ""),
        started_at=_parsed_time(status.get("startedAt")),
        stopped_at=_parsed_time(status.get("stoppedAt")),
        attempts=tuple(_read_attempt(attempt) for attempt in status.get("attempts") or ()),
        interruptions=status.get("interruptions") or 0,
        not_before=_parsed_time(status.get("notBefore")),
        queued_at=_parsed_time(status.get("queuedAt")),
        stalled=stalled and state is not JobState.FAILED,
        dependencies=tuple(_read_dependency(each) for each in status.get("dependencies") or ()),
        array=array,
        waiting_since=WaitingSince(status.get("reason", ""), parse_time(status["heldSince"]))
        if "heldSince" in status
        else None,
        head_since=_parsed_time(status.get("headSince")),
    )


def _message(status: Status) -> str:
    """The sentence about the job, and that there is no date for its start where that is so."""
    text = brief(status.message, MESSAGE_BYTES)
    return text + NO_DATE if status.estimated_start == inf else text


def _held_since(status: Status) -> str | None:
    """Of a job that waits for the reason it shows: since when."""
    waiting_since = status.waiting_since
    if waiting_since is None or status.state is not JobState.RUNNABLE or waiting_since.reason != status.reason:
        return None
    return format_time(waiting_since.since)


def _shown_state(status: Status) -> JobState:
    """An array is Pending from when it is queued to when all of its indexes have ended, as in AWS Batch."""
    if status.array is not None and status.state not in TERMINAL and status.state is not JobState.SUBMITTED:
        return JobState.PENDING
    return status.state


def _state_of_array(status: Mapping[str, Any]) -> JobState:
    """The state of an array that is shown as Pending: it has started, waits in its queue, or is not queued yet."""
    if status.get("computeEnvironment"):
        return JobState.RUNNING
    return JobState.RUNNABLE if "queuePosition" in status else JobState.PENDING


def _ready_state(status: Status) -> ReadyState:
    failed = status.state is JobState.FAILED
    return ReadyState(
        ready=status.state is JobState.SUCCEEDED,
        reason=status.reason or status.state.value,
        message=_message(status),
        stalled=status.stalled or failed,
        failed=failed,
    )


def _kept(attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    older = (attempt for attempt in attempts[:-MAX_ATTEMPTS] if attempt.out_of_memory)
    return (*older, *attempts[-MAX_ATTEMPTS:])


def _render_dependency(dependency: EndedDependency) -> dict[str, Any]:
    return _without_blanks(
        {
            "job": dependency.job,
            "state": dependency.state.value,
            "cause": dependency.cause,
            "succeededIndexes": render_indexes(dependency.succeeded),
            "mergedInto": dependency.merged_into,
            "size": dependency.size or None,
        }
    )


def _read_dependency(stored: Mapping[str, Any]) -> EndedDependency:
    return EndedDependency(
        stored["job"],
        JobState(stored["state"]),
        stored.get("cause", ""),
        read_indexes(stored.get("succeededIndexes") or ""),
        stored.get("size", 0),
        stored.get("mergedInto", ""),
    )


def _render_attempt(attempt: Attempt) -> dict[str, Any]:
    fields = _without_blanks(
        {
            "run": attempt.run,
            "attempt": attempt.attempt,
            "jobName": attempt.job_name,
            "podName": attempt.pod_name,
            "nodeName": attempt.node_name,
            "startedAt": _rendered_time(attempt.started_at),
            "stoppedAt": _rendered_time(attempt.stopped_at),
            "exitCode": attempt.exit_code,
            "reason": brief(attempt.reason, DETAIL_BYTES),
            "message": brief(attempt.message, DETAIL_BYTES),
            "memory": None if attempt.memory is None else format_bytes(attempt.memory),
            "outOfMemory": list(attempt.out_of_memory) or None,
            "chargedAs": attempt.charged_as,
        }
    )
    return {**fields, "computeEnvironment": attempt.environment}


def _read_attempt(attempt: Mapping[str, Any]) -> Attempt:
    return Attempt(
        run=attempt["run"],
        attempt=attempt["attempt"],
        job_name=attempt.get("jobName", ""),
        environment=attempt.get("computeEnvironment", ""),
        pod_name=attempt.get("podName", ""),
        node_name=attempt.get("nodeName", ""),
        started_at=_parsed_time(attempt.get("startedAt")),
        stopped_at=_parsed_time(attempt.get("stoppedAt")),
        exit_code=attempt.get("exitCode"),
        reason=attempt.get("reason", ""),
        message=attempt.get("message", ""),
        memory=parse_bytes(attempt["memory"]) if "memory" in attempt else None,
        out_of_memory=tuple(attempt.get("outOfMemory") or ()),
        charged_as=attempt.get("chargedAs", ""),
    )


def _without_blanks(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not known. Zeros and empty lists stay: the API server would put them back by default."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def _rendered_time(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(seconds)


def _parsed_time(text: str | None) -> float | None:
    return None if text is None else parse_time(text)
