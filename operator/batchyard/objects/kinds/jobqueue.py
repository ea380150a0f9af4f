"""A JobQueue: read as a record; and its status, with how many jobs are where and whether it can start any."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from batchyard.api.models import jobqueue as api
from batchyard.api.models.batchjob import JobState
from batchyard.api.models.meta import LabelSelector
from batchyard.core.model.queue import FairShare, Queue, QueueLimits, Selector
from batchyard.core.model.status import TERMINAL
from batchyard.objects.brevity import presentable
from batchyard.objects.conditions import ReadyState, render_conditions
from batchyard.objects.kinds.checked import checked
from batchyard.objects.meta import Object, identity_of


def read_queue(obj: Object) -> Queue:
    """Read a JobQueue; of a refused one nothing else counts."""
    found = checked(api.JobQueue, obj)
    if isinstance(found, str):
        return Queue(**identity_of(obj), priority=0, enabled=True, environments=(), refusal=found)
    spec = found.spec
    return Queue(
        **identity_of(obj),
        priority=spec.priority,
        enabled=spec.state is api.EnabledState.ENABLED,
        environments=spec.compute_environments,
        namespaces=None if spec.namespace_selector is None else _selector(spec.namespace_selector),
        fair_share=fair_share(spec.scheduling_policy),
        limits=queue_limits(spec.limits, spec.scheduling_policy),
        bypass_seconds=bypass_seconds(spec.queueing),
        time_limits=time_limits(spec.job_state_time_limits),
        preempts_after=preempts_after(spec.preemption),
    )


def fair_share(policy: api.SchedulingPolicy) -> FairShare | None:
    """How a queue with this policy divides capacity; None where it is first come, first served."""
    if policy.type is not api.PolicyType.FAIR_SHARE:
        return None
    settings = policy.fair_share or api.FairShare()
    return FairShare(
        decay_seconds=settings.share_decay_seconds,
        reservation=settings.compute_reservation,
        admission=settings.share_admission,
        weights={each.share_identifier: each.weight_factor for each in settings.shares},
    )


def queue_limits(limits: api.QueueLimits | None, policy: api.SchedulingPolicy) -> QueueLimits | None:
    """How many jobs may run at the same time, of the queue and of its shares; None where nothing is said of it."""
    own = limits or api.QueueLimits()
    listed = policy.fair_share.shares if policy.fair_share is not None else ()
    shares = {each.share_identifier: each.max_running_jobs for each in listed if each.max_running_jobs is not None}
    found = QueueLimits(own.max_running_jobs, own.max_running_jobs_per_share, shares)
    return None if found == QueueLimits() else found


def bypass_seconds(queueing: api.Queueing) -> int:
    """For how long others may start before a job at the head that finds no room; 0 where the order is strict."""
    return queueing.max_bypass_seconds if queueing.policy is api.QueueingPolicy.BYPASS else 0


def time_limits(limits: Iterable[api.JobStateTimeLimit]) -> dict[str, int]:
    """How long a job may wait, in seconds, by reason."""
    return {each.reason: each.max_time_seconds for each in limits}


def preempts_after(preemption: api.Preemption | None) -> int | None:
    """Seconds that work of lower priority runs before it may be displaced; None where it never may."""
    if preemption is None or preemption.policy == "Never":
        return None
    return preemption.minimum_run_seconds


def _selector(selector: LabelSelector) -> Selector:
    return Selector(
        match_labels=tuple(selector.match_labels.items()),
        expressions=tuple((each.key, each.operator, each.values) for each in selector.match_expressions),
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
        "conditions": render_conditions(_ready_state(queue, missing), queue.generation, previous, now),
    }
    return presentable(status)


def _ready_state(queue: Queue, missing: Sequence[str]) -> ReadyState:
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
