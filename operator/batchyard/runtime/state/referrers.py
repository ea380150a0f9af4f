"""Which unfinished jobs refer to an object, the other way round than jobs say it: a part of the cache.

With it, a change of a definition, a queue or a namespace costs the jobs that name it, and not all that wait. Jobs may
name what does not exist yet, or not any more: a name goes with the last unfinished job that mentions it.
"""

from collections.abc import Iterable, Mapping, Set

from batchyard.api import names
from batchyard.core.admission.references import still_there
from batchyard.core.model.definition import Resolved, Revision
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.status import TERMINAL, WAITING, Status

Reference = tuple[str, str, str]
"""Kind, namespace ("" for kinds without) and name of an object."""

NAMESPACE = "Namespace"
RUNTIME_CLASS = "RuntimeClass"
REVISIONS = "ControllerRevision"
"""With the name of a JobDefinition, which is there before and after: what it says, or which revisions it has."""

_INDEXED = frozenset({names.JOB_DEFINITION, names.JOB_QUEUE, NAMESPACE})


class Referrers(dict[Reference, set[Key]]):
    """Unfinished jobs by each object that their specs name, and by their namespace; no entry is empty."""

    def enter(self, job: BatchJob, status: Status) -> None:
        """Take in what a job refers to; nothing of one that has ended, which it concerns no more."""
        if status.state not in TERMINAL:
            for reference in _references(job):
                self.setdefault(reference, set()).add(job.key)

    def leave(self, job: BatchJob) -> None:
        """Forget what a job referred to, which has ended or is gone; nothing happens to one that was forgotten."""
        for reference in _references(job):
            jobs = self.get(reference, set())
            jobs.discard(job.key)
            if not jobs:
                self.pop(reference, None)

    def of_definition(self, key: Key) -> Set[Key]:
        """Return the unfinished jobs that name a JobDefinition, with or without the number of a revision."""
        return self.get((names.JOB_DEFINITION, *key), frozenset())

    def concerned(
        self,
        changed: Reference,
        jobs: Mapping[Key, BatchJob],
        statuses: Mapping[Key, Status],
        resolved: Mapping[Key, Resolved],
        revisions: Mapping[Key, Mapping[int, Revision]],
    ) -> set[Key]:
        """Return those of these jobs that have to be looked at as an object has come, has changed, or is gone.

        Who is concerned by a consumable resource, or by an environment, is not in the specs of jobs: all that wait.
        """
        found = {key for key in self._named(changed, jobs) if _starts(jobs[key], statuses[key], resolved.get(key))}
        if changed[0] == REVISIONS:
            there = revisions.get(changed[1:], {})
            found -= {key for key in found & resolved.keys() if still_there(resolved[key], there)}
        if changed[0] == RUNTIME_CLASS:
            found -= {key for key in found & resolved.keys() if changed[2] not in resolved[key].runtime_classes}
        return found

    def _named(self, changed: Reference, jobs: Mapping[Key, BatchJob]) -> Iterable[Key]:
        kind, namespace, name = changed
        if kind == REVISIONS:
            return self.of_definition((namespace, name))
        return self.get(changed, ()) if kind in _INDEXED else jobs


def _references(job: BatchJob) -> tuple[Reference, ...]:
    namespace = job.key[0]
    return (
        (names.JOB_DEFINITION, namespace, job.definition),
        (names.JOB_QUEUE, "", job.queue),
        (NAMESPACE, "", namespace),
    )


def _starts(job: BatchJob, status: Status, resolved: Resolved | None) -> bool:
    """Whether something of a job is still to start: it waits, or has begun and is more than one run."""
    if status.state in WAITING or status.state in TERMINAL:
        return status.state in WAITING
    return resolved is None or resolved.gang is not None or job.array is not None
