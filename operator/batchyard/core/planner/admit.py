"""What a job refers to and depends on, brought into its status: it becomes Runnable, waits in Pending, or fails.

What the API server holds now decides alone: an operator that starts anew comes to the same answer as one that has known
the job for long.
"""

from batchyard.api.reasons import Reason
from batchyard.core.admission import dependencies, references
from batchyard.core.admission.admitted import Admitted
from batchyard.core.admission.references import Pending, Unsatisfiable
from batchyard.core.admission.rerun import choose
from batchyard.core.definition.runterms import origin_of
from batchyard.core.lifecycle import queuedat
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.lifecycle.transitions import failed, to_pending, to_runnable
from batchyard.core.model.definition import Origin, Resolved
from batchyard.core.model.job import BatchJob
from batchyard.core.model.status import BEFORE_THE_QUEUE, TERMINAL, WAITING, Status
from batchyard.core.planner.nextrun import next_run
from batchyard.core.scheduling.snapshot import Snapshot


def admitted(snapshot: Snapshot, job: BatchJob, status: Status, cycle: str, now: float) -> Admitted:
    """Check what an unfinished job refers to. What runs of it goes on, whatever has become of that."""
    resolved = snapshot.resolved.get(job.key)
    if status.state in TERMINAL or job.key in snapshot.granted:
        return Admitted(status, resolved)
    runs = snapshot.runs_of(job.uid)
    if status.revision is not None:
        origin: Origin | None = Origin(status.revision, status.definition_uid, status.digest)
    else:  # its write may have been lost: what runs tells it
        origin = origin_of(runs.mains.values() or runs.indexes.values())
    ran = bool(runs.mains or runs.indexes or status.attempts) or arraystatus.has_started(status)
    program = references.program(job, origin, resolved, snapshot, ran=ran)
    if isinstance(program, Resolved):
        program = next_run(snapshot, job, program, status)
    unread = max(runs.mains, default=0) > (status.attempts[-1].run if status.attempts else 0)
    if status.state not in WAITING or unread:
        lack = program if not isinstance(program, Resolved) else _held_back(job, program, snapshot)
        return Admitted(status, program if isinstance(program, Resolved) else resolved, lack)

    answer = program
    if isinstance(program, Resolved):
        answer = references.refused_by_queue(job, snapshot) or references.refused_by_api_server(program) or program
    waits = status.state in BEFORE_THE_QUEUE or (cycle and not status.environment)
    if job.depends_on and waits and not runs.mains and not status.attempts:
        status, lack = _depended(snapshot, job, status, cycle)
        if isinstance(answer, Resolved) and isinstance(lack, Pending):
            return Admitted(_unready(_marked(status, answer), lack, now), answer)
        if isinstance(lack, Unsatisfiable) and not isinstance(answer, Unsatisfiable):
            answer = lack
    if isinstance(answer, Resolved):
        return Admitted(_ready(job, status, answer), answer)
    return Admitted(_unready(status, answer, now), resolved, answer)


def _held_back(job: BatchJob, program: Resolved, snapshot: Snapshot) -> Pending | None:
    """Why an array that has begun gets no further slots of its queue, if that is so."""
    if job.array is None:
        return None
    refusal = references.refused_by_queue(job, snapshot) or references.refused_by_api_server(program)
    return Pending(refusal.reason, refusal.message) if refusal is not None else None


def _depended(
    snapshot: Snapshot, job: BatchJob, status: Status, cycle: str
) -> tuple[Status, Pending | Unsatisfiable | None]:
    """Enter the dependencies that have ended, and judge them."""
    if cycle:
        return status, Unsatisfiable(Reason.DEPENDENCY_CYCLE, cycle)
    others = [key for each in job.depends_on if (key := (job.key[0], each.job)) in snapshot.jobs]
    status = queuedat.behind(job, status, [(snapshot.jobs[key], snapshot.statuses[key]) for key in others])
    ended, lack = dependencies.check(job, status, snapshot)
    status = status._replace(dependencies=ended)
    if job.array is not None and job.array.rerun is not None:
        status, never = choose(job.array, job.array.rerun, status)
        lack = never or lack
    return status, lack


def _ready(job: BatchJob, status: Status, resolved: Resolved) -> Status:
    """The status of a job that waits for nothing but a slot; of one that waited for that before, almost the same."""
    marked, message = _marked(status, resolved), ""
    replaced = bool(status.digest) and status.digest != resolved.digest
    if replaced:
        message = (
            f"JobDefinition {job.definition} was deleted and made anew before the job started;"
            f" it runs revision {resolved.revision} of the new one"
        )
    if status.state in BEFORE_THE_QUEUE or replaced:
        return to_runnable(
            marked,
            Reason.WAITING_IN_QUEUE,
            message,
            queue_position=marked.queue_position,
            not_before=marked.not_before,
            estimated_start=marked.estimated_start,
        )._replace(head_since=marked.head_since)
    return marked


def _marked(status: Status, resolved: Resolved) -> Status:
    """Enter which revision it is."""
    mark = resolved.revision, resolved.definition_uid, resolved.digest
    if mark == (status.revision, status.definition_uid, status.digest):
        return status
    return status._replace(revision=resolved.revision, definition_uid=resolved.definition_uid, digest=resolved.digest)


def _unready(status: Status, answer: Pending | Unsatisfiable, now: float) -> Status:
    if isinstance(answer, Unsatisfiable):
        return failed(status, answer.reason, answer.message, now)
    return to_pending(status, answer.reason, answer.message, stalled=answer.stalled)
