"""From a BatchJob to its record. `batchjobstatus` is for its status, both ways."""

from dataclasses import replace

from batchyard.api import names
from batchyard.api.models import batchjob as api
from batchyard.api.models.arrays import FAILED
from batchyard.api.models.arrays import Rerun as ApiRerun
from batchyard.api.models.batchjob import BatchJobSpec, DependencyType
from batchyard.api.sizes import too_large
from batchyard.core.model.array import ArrayShape, IndexStop, Rerun
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob, Dependency, Stop
from batchyard.objects.kinds.checked import checked
from batchyard.objects.kinds.refusedjob import salvaged
from batchyard.objects.meta import Object, created_at, key_of, spec_of

_KEPT_OF_LARGE = frozenset({"jobQueue", "jobDefinition", "shareIdentifier", "ttlSecondsAfterFinished", "array"})


def read_batchjob(obj: Object) -> BatchJob:
    """Read a BatchJob. Of one that is too large next to nothing is kept."""
    spec = spec_of(obj)
    if refusal := too_large(names.BATCH_JOB, spec):
        kept = {name: each for name, each in spec.items() if name in _KEPT_OF_LARGE}
        return replace(read_batchjob({**obj, "spec": kept}), spec={}, refusal=refusal)
    found = checked(api.BatchJob, obj)
    if isinstance(found, str):
        return replace(_record(obj, salvaged(spec)), depends_on=(), refusal=found)
    return _record(obj, found.spec)


def _record(obj: Object, said: BatchJobSpec) -> BatchJob:
    metadata = obj["metadata"]
    definition, _, revision = said.job_definition.partition(":")
    return BatchJob(
        key=key_of(obj),
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=created_at(obj),
        queue=said.job_queue,
        definition=definition,
        pinned_revision=int(revision) if revision.isdecimal() else None,
        spec=spec_of(obj),
        depends_on=_dependencies(said),
        ttl_seconds=said.ttl_seconds_after_finished,
        deleting="deletionTimestamp" in metadata,
        suspended=said.suspend,
        stop=Stop(said.stop.mode, said.stop.reason) if said.stop is not None else None,
        share=said.share_identifier or "",
        array=_array(said),
    )


def _array(said: BatchJobSpec) -> ArrayShape | None:
    array = said.array
    if array is None:
        return None
    sequential = any(each.job is None for each in said.depends_on)
    stops = tuple(IndexStop(IndexSet.parse(each.indexes), each.reason) for each in said.stop_indexes)
    rerun = _rerun(array.rerun) if array.rerun is not None else None
    return ArrayShape(array.size, array.max_concurrency, array.max_failed_indexes, sequential, stops, rerun)


def _rerun(rerun: ApiRerun) -> Rerun:
    return Rerun(rerun.job, None if rerun.indexes == FAILED else IndexSet.parse(rerun.indexes))


def _dependencies(said: BatchJobSpec) -> tuple[Dependency, ...]:
    """The other jobs that a job waits for. Sequential with another job says no more than Succeeded."""
    found = [
        Dependency(each.job, DependencyType.SUCCEEDED if each.type is DependencyType.SEQUENTIAL else each.type)
        for each in said.depends_on
        if each.job is not None
    ]
    if said.array is not None and said.array.rerun is not None:
        found.append(Dependency(said.array.rerun.job, DependencyType.FINISHED, rerun=True))
    return tuple(found)
