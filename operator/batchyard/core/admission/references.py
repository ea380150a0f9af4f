"""What does a job run, and may it be queued? Small checks, each answering with a reason and a sentence, or nothing.

Objects may arrive in any order: what is missing is waited for, only what can never become right fails the job. Whether
the queue takes a job concerns only those that wait; a run goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from batchyard.api.models.jobqueue import ShareAdmission
from batchyard.api.reasons import Reason
from batchyard.core.admission.protection import Protection
from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.revisions import Missing, same_program, select
from batchyard.core.definition.template import Templates
from batchyard.core.model.definition import Definition, Origin, Resolved, Revision
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.podadmission.rules import ClusterRules
from batchyard.core.model.queue import FairShare, Queue, entry_for
from batchyard.core.model.selectors import matches


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
    def faults(self) -> Mapping[Key, str]:
        """Of jobs that a pass cannot digest: what is wrong with them."""

    @property
    def protection(self) -> Protection:
        """Namespaces in which no job runs."""

    @property
    def templates(self) -> Templates:
        """What revisions come to."""

    @property
    def pod_rules(self) -> ClusterRules:
        """What the API server's admission adds to pods, and what it holds them to."""


@dataclass(slots=True, frozen=True)
class Pending:
    """Something is missing that may still come."""

    reason: str
    message: str
    stalled: bool = False
    """Whether it does not come by itself: somebody has to act."""


@dataclass(slots=True, frozen=True)
class Unsatisfiable:
    """The job can never run as it is."""

    reason: str
    message: str


def program(
    job: BatchJob, origin: Origin | None, resolved: Resolved | None, objects: Objects, *, ran: bool = False
) -> Resolved | Pending | Unsatisfiable:
    """Say what the job runs. `origin` is the revision that it got earlier, if any: it is never resolved a second time.

    Unless its definition was deleted and made anew since. Then a job that has not run takes what is there, as if it
    were submitted now; one that `ran` goes on only if the new definition has the same content.
    """
    if refusal := objects.protection.refusal(job.key[0]):
        return Unsatisfiable(Reason.NAMESPACE_PROTECTED, refusal)
    if job.refusal:
        return Unsatisfiable(Reason.INVALID_SPEC, job.refusal)
    key = (job.key[0], job.definition)
    definition, known = objects.definitions.get(key), objects.revisions.get(key, {})
    if definition is None:
        missing = f"JobDefinition {job.definition} does not exist in namespace {job.key[0]}"
        then = "any more; the job goes on once it is there again with the same content"
        message = f"{missing} {then}" if ran else f"{missing}; the job is queued once it does"
        return Pending(Reason.JOB_DEFINITION_NOT_FOUND, message)
    if resolved is None or not still_there(resolved, known):
        found = _revision(job, origin, definition, known, ran=ran)
        answer = _resolved(job, found, objects) if isinstance(found, Revision) else found
        if not isinstance(answer, Resolved):
            return answer
        resolved = answer
    rules = objects.pod_rules.of(job.key[0], resolved.runtime_classes)
    return resolved if rules is resolved.rules else objects.templates.under(resolved, rules)


def refused_by_queue(job: BatchJob, objects: Objects) -> Pending | Unsatisfiable | None:
    """Say why the queue does not take the job, if that is so."""
    if (fault := objects.faults.get(job.key)) is not None:
        return Pending(Reason.INVALID_SPEC, fault, stalled=True)
    return _queue(job, objects) or _share(job, objects.queues[job.queue])


def refused_by_api_server(resolved: Resolved) -> Pending | None:
    """Say why no pod of the job can be made as the rules for its pods are now. They may change."""
    return Pending(Reason.POD_NOT_ADMITTED, resolved.refusal, stalled=True) if resolved.refusal else None


def still_there(resolved: Resolved, revisions: Mapping[int, Revision]) -> bool:
    """Whether what a job came to has not gone, with its revision. Then no other revision changes that."""
    found = revisions.get(resolved.revision)
    return found is not None and found.digest == resolved.digest and found.owner_uid == resolved.definition_uid


def _revision(
    job: BatchJob, origin: Origin | None, definition: Definition, revisions: Mapping[int, Revision], *, ran: bool
) -> Revision | Pending | Unsatisfiable:
    if origin is not None and origin.definition_uid in ("", definition.uid):
        return _found(select(definition, revisions, origin.number, already_resolved=True))
    if origin is not None:
        if same := same_program(origin, revisions.values()):
            return same
        if ran and origin.digest != definition.digest:
            return Unsatisfiable(
                Reason.DEFINITION_REPLACED,
                f"JobDefinition {job.definition} was deleted and made anew with another content since the job's first"
                " attempt, and no attempt runs another program than the one before: submit the job again",
            )
    if definition.refusal:
        return Unsatisfiable(Reason.INVALID_SPEC, f"JobDefinition {job.definition}: {definition.refusal}")
    return _found(select(definition, revisions, job.pinned_revision))


def _found(answer: Revision | Missing) -> Revision | Pending:
    return Pending(answer.reason, answer.message) if isinstance(answer, Missing) else answer


def _resolved(job: BatchJob, revision: Revision, objects: Objects) -> Resolved | Unsatisfiable:
    try:
        return objects.templates.resolve(job, revision)
    except TemplateError as error:
        return Unsatisfiable(error.reason, error.message)


def _queue(job: BatchJob, objects: Objects) -> Pending | None:
    queue = objects.queues.get(job.queue)
    if queue is None:
        return Pending(
            Reason.JOB_QUEUE_NOT_FOUND, f"JobQueue {job.queue} does not exist; the job is queued once it does"
        )
    if queue.refusal:
        return Pending(Reason.INVALID_SPEC, f"JobQueue {job.queue} cannot be used: {queue.refusal}")
    if queue.namespaces is not None and not matches(queue.namespaces, objects.namespaces.get(job.key[0], {})):
        return Pending(
            Reason.NAMESPACE_NOT_ALLOWED,
            f"JobQueue {job.queue} does not accept jobs of namespace {job.key[0]}: its namespaceSelector does not "
            "match the namespace's labels",
        )
    return None


def _share(job: BatchJob, queue: Queue) -> Unsatisfiable | Pending | None:
    """A queue's policy never changes its type, so a job that does not go with it never will."""
    if queue.fair_share is not None and not job.share:
        named = f" {job.key[0]}" if queue.fair_share.admission is ShareAdmission.NAMESPACE else ""
        return Unsatisfiable(
            Reason.SHARE_IDENTIFIER_MISSING,
            f"JobQueue {queue.name} shares fairly and must know the share: submit the job with spec.shareIdentifier"
            + named,
        )
    if queue.fair_share is not None and (refusal := _not_admitted(job, queue.name, queue.fair_share)):
        return Pending(Reason.SHARE_NOT_ADMITTED, refusal, stalled=True)
    if queue.fair_share is None and job.share:
        return Unsatisfiable(
            Reason.SHARE_IDENTIFIER_NOT_ALLOWED,
            f"JobQueue {queue.name} is first come, first served: submit the job without spec.shareIdentifier, or to a "
            "queue with the scheduling policy FairShare",
        )
    return None


def _not_admitted(job: BatchJob, queue: str, policy: FairShare) -> str:
    if policy.admission is ShareAdmission.NAMESPACE and job.share != job.key[0]:
        return (
            f"JobQueue {queue} has a share for each namespace, so {job.share} is not admitted: submit the job with "
            f"spec.shareIdentifier {job.key[0]}"
        )
    if policy.admission is ShareAdmission.LISTED and entry_for(policy.weights, job.share) is None:
        return (
            f"JobQueue {queue} admits listed shares only, and {job.share} is none: submit the job with one that "
            "is listed, or have it listed in spec.schedulingPolicy.fairShare.shares"
        )
    return ""
