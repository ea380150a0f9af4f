"""A JobQueue: read as a record; and its status, with how many jobs are where and whether it can start any."""

from collections.abc import Mapping, Sequence
from typing import Any

from batchyard.api import names
from batchyard.api.models.batchjob import JobState
from batchyard.api.models.jobqueue import PolicyType, ShareAdmission
from batchyard.api.validation import parse_jobqueue
from batchyard.core.model.queue import FairShare, Queue, QueueLimits, Selector
from batchyard.core.model.status import TERMINAL
from batchyard.objects.brevity import presentable
from batchyard.objects.conditions import ReadyState, render_conditions
from batchyard.objects.kinds.refusal import refusal_of
from batchyard.objects.meta import Object, created_at, spec_of


def read_queue(obj: Object) -> Queue:
    """Read a JobQueue; of a refused one nothing else counts."""
    metadata = obj["metadata"]
    refusal = refusal_of(names.JOB_QUEUE, obj, parse_jobqueue)
    spec = {} if refusal else spec_of(obj)
    selector = spec.get("namespaceSelector")
    return Queue(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=created_at(obj),
        priority=spec.get("priority", 0),
        enabled=spec.get("state", "Enabled") == "Enabled",
        environments=tuple(spec.get("computeEnvironments") or ()),
        namespaces=None if selector is None else _selector(selector),
        fair_share=_fair_share(spec.get("schedulingPolicy") or {}),
        limits=_limits(spec),
        time_limits={each["reason"]: each["maxTimeSeconds"] for each in spec.get("jobStateTimeLimits") or ()},
        preempts_after=_preempts_after(spec.get("preemption") or {}),
        refusal=refusal,
    )


def _preempts_after(preemption: Mapping[str, Any]) -> int | None:
    return preemption.get("minimumRunSeconds", 0) if preemption.get("policy") == "LowerPriority" else None


def _fair_share(policy: Mapping[str, Any]) -> FairShare | None:
    if policy.get("type") != PolicyType.FAIR_SHARE:
        return None
    settings, defaults = policy.get("fairShare") or {}, FairShare()
    return FairShare(
        decay_seconds=settings.get("shareDecaySeconds", defaults.decay_seconds),
        reservation=settings.get("computeReservation", defaults.reservation),
        admission=ShareAdmission(settings.get("shareAdmission", defaults.admission)),
        weights={each["shareIdentifier"]: each.get("weightFactor", 1.0) for each in settings.get("shares") or ()},
    )


def _limits(spec: Mapping[str, Any]) -> QueueLimits | None:
    own = spec.get("limits") or {}
    listed = ((spec.get("schedulingPolicy") or {}).get("fairShare") or {}).get("shares") or ()
    shares = {each["shareIdentifier"]: each["maxRunningJobs"] for each in listed if "maxRunningJobs" in each}
    found = QueueLimits(own.get("maxRunningJobs"), own.get("maxRunningJobsPerShare"), shares)
    return None if found == QueueLimits() else found


def _selector(selector: Mapping[str, Any]) -> Selector:
    return Selector(
        match_labels=tuple((selector.get("matchLabels") or {}).items()),
        expressions=tuple(
            (expression["key"], expression["operator"], tuple(expression.get("values") or ()))
            for expression in selector.get("matchExpressions") or ()
        ),
    )


_COUNTED = tuple(state for state in JobState if state not in TERMINAL)


def render_queue_status(
    queue: Queue,
    counts: Mapping[JobState, int],
    missing: Sequence[str],
    previous: Mapping[str, Any],
    now: float,
    fair_share: Mapping[str, Any] | None = None,
    front: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The whole status; `missing` are those of the queue's environments that do not exist, `front` is what
    `queuefront` says of the jobs that wait."""
    shares = {} if fair_share is None else {"fairShare": fair_share}
    status = {
        "observedGeneration": queue.generation,
        "jobs": {state.value.lower(): counts.get(state, 0) for state in _COUNTED},
        **shares,
        **(front or {}),
        "conditions": render_conditions(_verdict(queue, missing), queue.generation, previous, now),
    }
    return presentable(status)


def _verdict(queue: Queue, missing: Sequence[str]) -> ReadyState:
    if queue.refusal:
        return ReadyState(False, "InvalidSpec", queue.refusal, stalled=True)
    if missing:
        subject = "ComputeEnvironment" if len(missing) == 1 else "ComputeEnvironments"
        verb = "does" if len(missing) == 1 else "do"
        usable = [name for name in queue.environments if name not in missing]
        meanwhile = f"jobs start in {', '.join(usable)}" if usable else "no job can start"
        return ReadyState(
            False,
            "ComputeEnvironmentNotFound",
            f"{subject} {', '.join(missing)} {verb} not exist: create what is missing or take it out of"
            f" spec.computeEnvironments; until then {meanwhile}",
        )
    if not queue.enabled:
        return ReadyState(True, "Disabled", "spec.state is Disabled: no new job starts, running jobs go on")
    return ReadyState(True, "Enabled", "jobs are started as capacity allows")
