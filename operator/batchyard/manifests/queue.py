"""The status of a JobQueue: how many jobs are where, and whether the queue can start any.

Called by the executor when the counts or the queue's environments have changed.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from batchyard.api.batchjob import JobState
from batchyard.core.queuerecords import Queue
from batchyard.core.records import TERMINAL
from batchyard.manifests.brevity import presentable
from batchyard.manifests.conditions import Verdict, render_conditions

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


def _verdict(queue: Queue, missing: Sequence[str]) -> Verdict:
    if queue.refusal:
        return Verdict(False, "InvalidSpec", queue.refusal, stalled=True)
    if missing:
        subject = "ComputeEnvironment" if len(missing) == 1 else "ComputeEnvironments"
        verb = "does" if len(missing) == 1 else "do"
        usable = [name for name in queue.environments if name not in missing]
        meanwhile = f"jobs start in {', '.join(usable)}" if usable else "no job can start"
        return Verdict(
            False,
            "ComputeEnvironmentNotFound",
            f"{subject} {', '.join(missing)} {verb} not exist: create what is missing or take it out of"
            f" spec.computeEnvironments; until then {meanwhile}",
        )
    if not queue.enabled:
        return Verdict(True, "Disabled", "spec.state is Disabled: no new job starts, running jobs go on")
    return Verdict(True, "Enabled", "jobs are started as capacity allows")
