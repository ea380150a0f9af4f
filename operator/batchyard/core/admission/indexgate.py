"""Which indexes of an array may run, where not all may, or where they wait for single ones, of their own or another's.

An array with such a gate has no Indexed Job, whose indexes could not be held back one by one: each index gets a Job of
its own when its turn has come. So does an array of which each index uses something up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from batchyard.api.models.batchjob import DependencyType, JobState
from batchyard.core.admission.dependencies import Jobs, counting_end, entered
from batchyard.core.model.array import ArrayShape
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Resolved
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob, Dependency
from batchyard.core.model.status import EndedDependency, Status


@dataclass(slots=True, frozen=True)
class Gate:
    """Where the indexes of an array stand."""

    ready: IndexSet
    """Those that wait for nothing."""
    never: IndexSet = field(default_factory=IndexSet)
    """Those that wait for what can never come."""
    why: str = ""
    """What the others wait for."""
    why_never: str = ""


def gate(job: BatchJob, shape: ArrayShape, status: Status, objects: Jobs) -> tuple[Status, Gate | None]:
    """Return the status with the ends of other jobs entered, and the gate if the array has one."""
    partners = [each for each in job.depends_on if each.type is DependencyType.N_TO_N]
    if not partners and not shape.sequential and shape.rerun is None:
        return status, None
    chosen = status.array.indexes if status.array is not None else IndexSet.below(shape.size)
    found = Gate(chosen)
    for dependency in partners:
        end, one = _of_partner(job, shape, dependency, status, objects)
        if end is not None:
            status = entered(job, status, end)
        found = _both(found, one)
    if shape.sequential:
        found = _both(found, _of_own(shape, status))
    return status, replace(found, never=found.never & chosen)


def of_consumables(shape: ArrayShape, resolved: Resolved, resources: Mapping[str, Consumable]) -> Gate | None:
    """The gate of an array that uses something up: its Indexed Job would start indexes for which nothing is left."""
    known = (resources.get(name) for name in resolved.consumables)
    if any(resource is not None and not resource.replenishable for resource in known):
        return Gate(IndexSet.below(shape.size))
    return None


def _of_partner(
    job: BatchJob, shape: ArrayShape, dependency: Dependency, status: Status, objects: Jobs
) -> tuple[EndedDependency | None, Gate]:
    key = (job.key[0], dependency.job)
    end = next((each for each in status.dependencies if each.job == dependency.job), None)
    end = end or counting_end(key, dependency, objects)
    everything = IndexSet.below(shape.size)
    other, partner = objects.statuses.get(key), objects.jobs.get(key)
    if end is not None and end.size != shape.size:
        return end, _of_another_size(dependency.job, end.size, everything)
    if end is None and partner is not None and (size := partner.array.size if partner.array else 0) != shape.size:
        return None, _of_another_size(dependency.job, size, everything)
    if end is not None:
        # Of what was merged, nothing may be left: then the list is empty though the array has not succeeded as a whole.
        holds_others = any(each.merged_into == end.job for each in status.dependencies)
        whole = end.state is JobState.SUCCEEDED and not end.succeeded and not holds_others
        ready = everything if whole or end.merged_into else end.succeeded
        never = everything - ready
    elif other is not None and other.array is not None:
        ready, never = other.array.good, other.array.bad
    else:
        ready = never = IndexSet()
    name = f"BatchJob {dependency.job}"
    return end, Gate(ready, never, f"for the same index of {name}", f"the same index of {name} failed")


def _of_another_size(name: str, size: int, everything: IndexSet) -> Gate:
    """The gate where the other array was deleted and made anew as another one: its indexes mean something else."""
    has = f"has {size} indexes" if size else "is no array"
    why = f"BatchJob {name} was made anew and {has} instead of {len(everything)}: submit this array anew, too"
    return Gate(IndexSet(), everything, f"for BatchJob {name}", why)


def _of_own(shape: ArrayShape, status: Status) -> Gate:
    """Index n waits for n - 1."""
    succeeded = status.array.good if status.array else IndexSet()
    failed = status.array.bad if status.array else IndexSet()
    everything = IndexSet.below(shape.size)
    first = min(failed, default=shape.size)
    turn = next(iter(everything - succeeded), shape.size)
    never = everything - IndexSet.below(first + 1)
    return Gate(IndexSet.below(turn + 1), never, "for the index before", f"index {first} failed")


def _both(one: Gate, other: Gate) -> Gate:
    """The gate of two conditions."""
    why = " and ".join(filter(None, (one.why, other.why)))
    why_never = " or ".join(filter(None, (one.why_never, other.why_never)))
    return Gate(one.ready & other.ready, one.never | other.never, why, why_never)
