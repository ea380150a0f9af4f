"""May this job be queued? A chain of small checks, each answering with a reason and a sentence, or nothing.

Called by the planner for every job that is not queued yet, whenever something it refers to changes. Objects may
arrive in any order: what is missing is waited for, only what can never become right fails the job.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from batchyard.core.queuerecords import Queue
from batchyard.core.reasons import Reason
from batchyard.core.records import BatchJob, Definition, Key, Resolved, Revision
from batchyard.core.revisions import Missing, select
from batchyard.core.selectors import matches
from batchyard.core.template import TemplateError, Templates


class Objects(Protocol):
    """The part of a snapshot that the checks look at."""

    @property
    def definitions(self) -> Mapping[Key, Definition]:
        """JobDefinitions by namespace and name."""

    @property
    def revisions(self) -> Mapping[Key, Mapping[int, Revision]]:
        """Revisions by definition and number."""

    @property
    def queues(self) -> Mapping[str, Queue]:
        """JobQueues by name."""

    @property
    def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        """Labels of each namespace."""

    @property
    def templates(self) -> Templates:
        """What revisions come to."""


@dataclass(slots=True, frozen=True)
class Waits:
    """Something is missing that may still come."""

    reason: str
    message: str


@dataclass(slots=True, frozen=True)
class Never:
    """The job can never run as it is."""

    reason: str
    message: str


def check(job: BatchJob, revision: int | None, resolved: Resolved | None, objects: Objects) -> Resolved | Waits | Never:
    """Run the chain. `revision` is the number resolved earlier, if any: it is never resolved a second time."""
    if job.refusal:
        return Never(Reason.INVALID_SPEC, job.refusal)
    answer = resolved or _definition(job, revision, objects)
    if not isinstance(answer, Resolved):
        return answer
    return _queue(job, objects) or _share(job, objects.queues[job.queue]) or answer


def _definition(job: BatchJob, revision: int | None, objects: Objects) -> Resolved | Waits | Never:
    key = (job.key[0], job.definition)
    definition = objects.definitions.get(key)
    if definition is None:
        return Waits(
            Reason.JOB_DEFINITION_NOT_FOUND,
            f"JobDefinition {job.definition} does not exist in namespace {job.key[0]}; the job is queued once it does",
        )
    if definition.refusal and revision is None:
        return Never(Reason.INVALID_SPEC, f"JobDefinition {job.definition}: {definition.refusal}")
    wanted = revision if revision is not None else job.pinned_revision
    found = select(definition, objects.revisions.get(key, {}), wanted, already_resolved=revision is not None)
    if isinstance(found, Missing):
        return Waits(found.reason, found.message)
    try:
        return objects.templates.resolve(job, found)
    except TemplateError as error:
        return Never(error.reason, error.message)


def _queue(job: BatchJob, objects: Objects) -> Waits | None:
    queue = objects.queues.get(job.queue)
    if queue is None:
        return Waits(Reason.JOB_QUEUE_NOT_FOUND, f"JobQueue {job.queue} does not exist; the job is queued once it does")
    if queue.refusal:
        return Waits(Reason.INVALID_SPEC, f"JobQueue {job.queue} cannot be used: {queue.refusal}")
    if queue.namespaces is not None and not matches(queue.namespaces, objects.namespaces.get(job.key[0], {})):
        return Waits(
            Reason.NAMESPACE_NOT_ALLOWED,
            f"JobQueue {job.queue} does not accept jobs of namespace {job.key[0]}: its namespaceSelector does not "
            "match the namespace's labels",
        )
    return None


def _share(job: BatchJob, queue: Queue) -> Never | None:
    """A queue's policy never changes its type, so a job that does not go with it never will."""
    if queue.fair_share is not None and not job.share:
        return Never(
            Reason.SHARE_IDENTIFIER_MISSING,
            f"JobQueue {queue.name} shares fairly and must know the share: submit the job with spec.shareIdentifier",
        )
    if queue.fair_share is None and job.share:
        return Never(
            Reason.SHARE_IDENTIFIER_NOT_ALLOWED,
            f"JobQueue {queue.name} is first come, first served: submit the job without spec.shareIdentifier, or to a "
            "queue with the scheduling policy FairShare",
        )
    return None
