"""The jobs that a pass cannot digest, until their spec or their definition changes: a part of the cache."""

from collections.abc import Iterator, Mapping

from batchyard.core.model.definition import Definition
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.status import WAITING
from batchyard.core.scheduling.snapshot import Snapshot


class Faults(dict[Key, str]):
    """What is wrong with each of these jobs."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[Key, tuple[Key, Definition | None]] = {}
        """The definition of each job, as it was when the job was found to be at fault."""

    def note(self, job: BatchJob, why: str, definitions: Mapping[Key, Definition]) -> None:
        """Take in what is wrong with a job."""
        definition = (job.key[0], job.definition)
        self[job.key] = why
        self._seen[job.key] = (definition, definitions.get(definition))

    def forget(self, key: Key) -> None:
        """Take in that a job has changed, or is gone."""
        if key in self:
            del self[key], self._seen[key]

    def take_outdated(self, definitions: Mapping[Key, Definition]) -> set[Key]:
        """Forget the jobs whose definition has changed, and return them."""
        found = {key for key, (name, seen) in self._seen.items() if definitions.get(name) != seen}
        for key in found:
            self.forget(key)
        return found

    def running(self, snapshot: Snapshot) -> Iterator[Key]:
        """Return the jobs that are looked at although they do not wait, as something of them runs."""
        statuses = snapshot.statuses
        return (key for key in self if key in statuses and statuses[key].state not in WAITING)
