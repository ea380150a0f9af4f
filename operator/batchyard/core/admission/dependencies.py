"""What a job waits for in other jobs (`dependsOn`), and when that can never be met any more.

Asked for each job that is not queued yet, whenever one of its dependencies comes, ends or goes. An end is remembered in
the dependent's own status, so it counts for good: deleting the other job, or submitting another one under its name,
changes nothing. What does not exist, or was deleted before its end, is waited for.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Protocol

from batchyard.api.models.batchjob import DependencyType, JobState
from batchyard.api.reasons import Reason
from batchyard.core.admission.references import Pending, Unsatisfiable
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob, Dependency, Key
from batchyard.core.model.status import TERMINAL, EndedDependency, Status

NAMED_AT_MOST = 8
"""How many jobs a sentence lists at most."""

LONG = 100
"""A list of indexes with more ranges than this is made one with others like it."""

_WANTED = {
    DependencyType.SUCCEEDED: "succeed",
    DependencyType.FINISHED: "end",
    DependencyType.FAILED: "fail",
    DependencyType.N_TO_N: "come",
}


class Jobs(Protocol):
    """The part of a snapshot that dependencies are about."""

    @property
    def jobs(self) -> Mapping[Key, BatchJob]:
        """BatchJobs by namespace and name."""

    @property
    def statuses(self) -> Mapping[Key, Status]:
        """Their statuses."""

    @property
    def unpersisted_ends(self) -> Collection[Key]:
        """The jobs whose end, if they have come to one, the API server does not hold yet."""

    @property
    def dependents(self) -> Mapping[Key, Collection[Key]]:
        """Who depends on a job, whether that job exists or not."""


def check(
    job: BatchJob, status: Status, objects: Jobs
) -> tuple[tuple[EndedDependency, ...], Pending | Unsatisfiable | None]:
    """Return the dependencies that have ended, and what follows; None when all are met.

    What does not do is the last entry, and the first one of the spec to be so.
    """
    ended = {each.job: each for each in status.dependencies}
    waiting: list[Dependency] = []
    for dependency in job.depends_on:
        if dependency.type is DependencyType.N_TO_N and dependency.job not in ended:
            if (mismatch := _mismatch(job, dependency, objects)) is not None:
                return tuple(ended.values()), Unsatisfiable(Reason.DEPENDENCY_NOT_MET, mismatch)
            if not _exists((job.key[0], dependency.job), objects):
                waiting.append(dependency)
            continue  # from here on, `indexgate` judges it index by index
        end = ended.pop(dependency.job, None) or counting_end((job.key[0], dependency.job), dependency, objects)
        if end is None:
            waiting.append(dependency)
            continue
        ended[dependency.job] = end
        if not _meets(dependency.type, end.state):
            return tuple(ended.values()), Unsatisfiable(
                Reason.DEPENDENCY_NOT_MET, _not_met(job, dependency, end, objects)
            )
    return tuple(ended.values()), _wait(job, waiting, objects) if waiting else None


def _mismatch(job: BatchJob, dependency: Dependency, objects: Jobs) -> str | None:
    """Why two jobs cannot go index by index, if they cannot."""
    other = objects.jobs.get((job.key[0], dependency.job))
    if other is None or job.array is None or (other.array is not None and other.array.size == job.array.size):
        return None
    has = f"has {other.array.size} indexes" if other.array is not None else "is no array"
    return (
        f"the type NToN waits index by index, but this array has {job.array.size} indexes and BatchJob"
        f" {dependency.job} {has}; submit it anew with the same size, or wait for the other job as a whole"
    )


def remember(job: BatchJob, status: Status, name: str, other: Status) -> Status:
    """Enter how another job ended, which is about to be forgotten, unless it had not or an end is known already."""
    dependency = next((each for each in job.depends_on if each.job == name), None)
    end = _end(dependency, other) if dependency is not None else None
    return entered(job, status, end) if end is not None else status


def entered(job: BatchJob, status: Status, end: EndedDependency) -> Status:
    """Enter an end, unless one of that job is known already.

    An index waits for the same one of all partners, so of their long lists one is kept: what is in all of them. Each of
    20 could take 17 KB of the status otherwise.
    """
    ends = status.dependencies
    if any(each.job == end.job for each in ends):
        return status
    partners = {each.job for each in job.depends_on if each.type is DependencyType.N_TO_N}
    if end.job in partners and len(end.succeeded.ranges) > LONG:
        long = [each for each in ends if each.job in partners and len(each.succeeded.ranges) > LONG]
        for each in long:
            end = replace(end, succeeded=end.succeeded & each.succeeded)
        ends = tuple(
            replace(each, succeeded=IndexSet(), merged_into=end.job) if each in long else each for each in ends
        )
    return status._replace(dependencies=(*ends, end))


def counting_end(key: Key, dependency: Dependency, objects: Jobs) -> EndedDependency | None:
    """Return how the other job ended, if that is certain: an operator that dies now must not come to another end of it.

    So it has to be stored, save for the failure of a job that never ran, which follows from what is.
    """
    other = objects.statuses.get(key)
    end = _end(dependency, other) if other is not None else None
    if other is None or end is None or key not in objects.unpersisted_ends:
        return end
    never_ran = not other.attempts and other.started_at is None  # arrays have no attempts
    return end if never_ran and not _meets(dependency.type, end.state) else None


def _end(dependency: Dependency, other: Status) -> EndedDependency | None:
    if other.state not in TERMINAL:
        return None
    array, name = other.array, dependency.job
    if array is None:
        return EndedDependency(name, other.state, _cause(other))
    good = IndexSet() if not dependency.by_index or len(array.good) == array.size else array.good
    return EndedDependency(name, other.state, _cause(other), good, array.size)


def _meets(wanted: DependencyType, state: JobState) -> bool:
    return wanted in (DependencyType.FINISHED, DependencyType.N_TO_N) or wanted.value == state.value


def _cause(other: Status) -> str:
    """The root of a failure that came down a chain: each job on the way hands the name on."""
    if other.reason != Reason.DEPENDENCY_NOT_MET or not other.dependencies:
        return ""
    culprit = other.dependencies[-1]
    return culprit.cause or culprit.job


def _not_met(job: BatchJob, dependency: Dependency, end: EndedDependency, objects: Jobs) -> str:
    was = "failed" if end.state is JobState.FAILED else "succeeded"
    sentence = f"BatchJob {dependency.job} had to {_WANTED[dependency.type]} but {was}"
    other = objects.statuses.get((job.key[0], dependency.job))
    if other is None or _end(dependency, other) != end:  # gone, or another one of that name
        return f"{sentence}, because of BatchJob {end.cause}" if end.cause else sentence
    if not end.cause:
        return f"{sentence}: {other.reason}: {other.message}"
    return f"{sentence}, because of BatchJob {end.cause}{_why((job.key[0], end.cause), other, objects)}"


def _why(root: Key, other: Status, objects: Jobs) -> str:
    """The words of the job at the root; one that came after what it caused is another one of that name."""
    job, status = objects.jobs.get(root), objects.statuses.get(root)
    if job is None or status is None or status.state not in TERMINAL or job.created > (other.stopped_at or 0.0):
        return ""
    return f" ({status.reason}: {status.message})"


def _wait(job: BatchJob, waiting: list[Dependency], objects: Jobs) -> Pending:
    missing = [each.job for each in waiting if not _exists((job.key[0], each.job), objects)]
    wishes = _listed([f"BatchJob {each.job} to {_WANTED[each.type]}" for each in waiting])
    if not missing:
        return Pending(Reason.WAITING_FOR_DEPENDENCIES, f"waits for {wishes}")
    do = "does" if len(missing) == 1 else "do"
    return Pending(
        Reason.DEPENDENCY_NOT_FOUND,
        f"waits for {wishes}; {_listed(missing)} {do} not exist in namespace {job.key[0]} yet",
    )


def _exists(key: Key, objects: Jobs) -> bool:
    """A job that is being deleted before its end is as good as gone."""
    job = objects.jobs.get(key)
    return job is not None and not job.deleting


def _listed(parts: list[str]) -> str:
    if len(parts) > NAMED_AT_MOST:
        parts = [*parts[:NAMED_AT_MOST], f"{len(parts) - NAMED_AT_MOST} more"]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
