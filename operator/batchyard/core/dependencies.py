"""What a job waits for in other jobs (`dependsOn`), and when that can never be met any more.

Called by the planner for each job that is not queued yet, whenever one of its dependencies comes, ends or goes, and by
the loop for jobs that come, any of which may close a circle. An end is remembered in the dependent's own status, so it
counts for good: deleting the other job, or submitting another one under its name, changes nothing. What does not exist,
or was deleted before its end, is waited for.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from batchyard.api.batchjob import DependencyType, JobState
from batchyard.core.indexes import IndexSet
from batchyard.core.reasons import Reason
from batchyard.core.records import BEFORE_THE_QUEUE, TERMINAL, BatchJob, Dependency, EndedDependency, Key, Status
from batchyard.core.references import Never, Waits

_NAMED = 8
"""How many jobs a sentence lists at most."""

LONG = 100
"""A list of indexes with more ranges than this is made one with others like it."""

_CIRCLES = 20
"""How many circles are looked for at most among jobs that all wait for each other: finding each costs time."""

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
    def unstored(self) -> Collection[Key]:
        """The jobs whose end, if they have come to one, the API server does not hold yet."""

    @property
    def dependents(self) -> Mapping[Key, Collection[Key]]:
        """Who depends on a job, whether that job exists or not."""


def check(job: BatchJob, status: Status, objects: Jobs) -> tuple[tuple[EndedDependency, ...], Waits | Never | None]:
    """Return the dependencies that have ended, and what follows; None when all are met.

    What does not do is the last entry, and the first one of the spec to be so.
    """
    ended = {each.job: each for each in status.dependencies}
    waiting: list[Dependency] = []
    for dependency in job.depends_on:
        if dependency.type is DependencyType.N_TO_N and dependency.job not in ended:
            if (mismatch := _mismatch(job, dependency, objects)) is not None:
                return tuple(ended.values()), Never(Reason.DEPENDENCY_NOT_MET, mismatch)
            if not _exists((job.key[0], dependency.job), objects):
                waiting.append(dependency)
            continue  # from here on, `indexgate` judges it index by index
        end = ended.pop(dependency.job, None) or counting_end((job.key[0], dependency.job), dependency, objects)
        if end is None:
            waiting.append(dependency)
            continue
        ended[dependency.job] = end
        if not _meets(dependency.type, end.state):
            return tuple(ended.values()), Never(Reason.DEPENDENCY_NOT_MET, _not_met(job, dependency, end, objects))
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
    if other is None or end is None or key not in objects.unstored:
        return end
    never_ran = not other.attempts and other.started_at is None  # arrays have no attempts
    return end if never_ran and not _meets(dependency.type, end.state) else None


def _end(dependency: Dependency, other: Status) -> EndedDependency | None:
    if other.state not in TERMINAL:
        return None
    array, name = other.array, dependency.job
    if array is None:
        return EndedDependency(name, other.state, _cause(other))
    told = IndexSet() if not dependency.by_index or len(array.good) == array.size else array.good
    return EndedDependency(name, other.state, _cause(other), told, array.size)


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


def _wait(job: BatchJob, waiting: list[Dependency], objects: Jobs) -> Waits:
    missing = [each.job for each in waiting if not _exists((job.key[0], each.job), objects)]
    wishes = _listed([f"BatchJob {each.job} to {_WANTED[each.type]}" for each in waiting])
    if not missing:
        return Waits(Reason.WAITING_FOR_DEPENDENCIES, f"waits for {wishes}")
    do = "does" if len(missing) == 1 else "do"
    return Waits(
        Reason.DEPENDENCY_NOT_FOUND,
        f"waits for {wishes}; {_listed(missing)} {do} not exist in namespace {job.key[0]} yet",
    )


def _exists(key: Key, objects: Jobs) -> bool:
    """A job that is being deleted before its end is as good as gone."""
    job = objects.jobs.get(key)
    return job is not None and not job.deleting


def _listed(parts: list[str]) -> str:
    if len(parts) > _NAMED:
        parts = [*parts[:_NAMED], f"{len(parts) - _NAMED} more"]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def cycles(keys: Iterable[Key], objects: Jobs) -> dict[Key, str]:
    """Find the jobs that wait for themselves in the end, with a sentence that names the circle.

    `keys` are the jobs that came: dependencies cannot be changed, so only one of them can close a circle, and only if
    others wait for it. One search costs no more than what these jobs wait for, directly or not.
    """
    found: dict[Key, str] = {}
    seen: dict[Key, int] = {}
    for key in sorted(key for key in keys if objects.dependents.get(key)):
        if key not in seen:
            for component in _components(key, objects, seen):
                _name_circles(component, objects, found)
    return found


def _stuck_on(key: Key, objects: Jobs) -> list[Key]:
    """The jobs that a job still waits for, or waited for when it failed as part of a circle.

    The latter lets an operator that died after the first of them had failed find the others.
    """
    job, status = objects.jobs.get(key), objects.statuses.get(key)
    if job is None or status is None or job.deleting or status.attempts:
        return []
    met = {each.job for each in status.dependencies}
    others = [each for each in job.depends_on if each.job not in met]
    if status.state not in BEFORE_THE_QUEUE and status.reason != Reason.DEPENDENCY_CYCLE:
        # Past the other dependencies, no index of an array may have got past these.
        others = [each for each in others if each.type is DependencyType.N_TO_N and not status.environment]
    return [(key[0], each.job) for each in others]


def _components(start: Key, objects: Jobs, seen: dict[Key, int]) -> Iterable[list[Key]]:
    """Yield the strongly connected components that can be reached (Tarjan's algorithm, without recursion)."""
    low: dict[Key, int] = {}
    stack: list[Key] = []
    path = [(start, iter(_stuck_on(start, objects)))]
    seen[start] = low[start] = len(seen)
    stack.append(start)
    while path:
        key, others = path[-1]
        for other in others:
            if other not in seen:
                seen[other] = low[other] = len(seen)
                stack.append(other)
                path.append((other, iter(_stuck_on(other, objects))))
                break
            if other in low:  # still on the stack
                low[key] = min(low[key], seen[other])
        else:
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[key])
            if low[key] == seen[key]:
                component = [stack.pop()]
                while component[-1] != key:
                    component.append(stack.pop())
                for each in component:
                    del low[each]
                yield component


def _name_circles(component: list[Key], objects: Jobs, found: dict[Key, str]) -> None:
    members = set(component)
    circles: list[list[Key]] = []
    for key in component:
        if key in found:
            continue
        if len(circles) == _CIRCLES:
            found[key] = f"one circle of several that the job is in: {_sentence(circles[0], 0)}"
        elif circle := _circle(key, members, objects):
            circles.append(circle)
            found.update((each, _sentence(circle, index)) for index, each in enumerate(circle))


def _circle(start: Key, members: set[Key], objects: Jobs) -> list[Key]:
    """A shortest way from a job back to itself, within its component; empty when there is none."""
    came_from: dict[Key, Key] = {}
    ring = [start]
    while ring and start not in came_from:
        following = []
        for key in ring:
            for other in _stuck_on(key, objects):
                if other in members and other not in came_from:
                    came_from[other] = key
                    following.append(other)
        ring = following
    if start not in came_from:
        return []
    way = [start]
    while (before := came_from[way[-1]]) != start:
        way.append(before)
    return [start, *reversed(way[1:])]


def _sentence(circle: list[Key], index: int) -> str:
    names = [circle[(index + step) % len(circle)][1] for step in range(min(len(circle), _NAMED))]
    names += [f"({len(circle) - _NAMED} more)"] if len(circle) > _NAMED else []
    way = " -> ".join([*names, circle[index][1]])
    return (
        f"BatchJobs depend on each other in a circle, so none of them can ever start: {way}; "
        "delete them and submit them anew without one of these dependencies"
    )
