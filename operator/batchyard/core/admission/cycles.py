"""Jobs that depend on each other in a circle, none of which can ever start.

Looked for among the jobs that come, any of which may close a circle.
"""

from collections.abc import Iterable

from batchyard.api.models.batchjob import DependencyType
from batchyard.api.reasons import Reason
from batchyard.core.admission.dependencies import NAMED_AT_MOST, Jobs
from batchyard.core.model.job import Key
from batchyard.core.model.status import BEFORE_THE_QUEUE

_LOOKED_FOR = 20
"""How many circles are looked for at most among jobs that all wait for each other: finding each costs time."""


def find_cycles(keys: Iterable[Key], objects: Jobs) -> dict[Key, str]:
    """Find the jobs that wait for themselves in the end, with a sentence that names the circle.

    `keys` are the jobs that came: dependencies cannot be changed, so only one of them can close a circle, and only if
    others wait for it. One search costs no more than what these jobs wait for, directly or not.
    """
    found: dict[Key, str] = {}
    seen: dict[Key, int] = {}
    for key in sorted(key for key in keys if objects.dependents.get(key)):
        if key not in seen:
            for component in _components(key, objects, seen):
                _name_cycles(component, objects, found)
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


def _name_cycles(component: list[Key], objects: Jobs, found: dict[Key, str]) -> None:
    members = set(component)
    cycles: list[list[Key]] = []
    for key in component:
        if key in found:
            continue
        if len(cycles) == _LOOKED_FOR:
            found[key] = f"one circle of several that the job is in: {_sentence(cycles[0], 0)}"
        elif circle := _cycle(key, members, objects):
            cycles.append(circle)
            found.update((each, _sentence(circle, index)) for index, each in enumerate(circle))


def _cycle(start: Key, members: set[Key], objects: Jobs) -> list[Key]:
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
    names = [circle[(index + step) % len(circle)][1] for step in range(min(len(circle), NAMED_AT_MOST))]
    names += [f"({len(circle) - NAMED_AT_MOST} more)"] if len(circle) > NAMED_AT_MOST else []
    way = " -> ".join([*names, circle[index][1]])
    return (
        f"BatchJobs depend on each other in a circle, so none of them can ever start: {way}; "
        "delete them and submit them anew without one of these dependencies"
    )
