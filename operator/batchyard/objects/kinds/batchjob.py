"""From a BatchJob to its record. `batchjobstatus` is for its status, both ways."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchyard.api import names
from batchyard.api.models.arrays import INDEXES
from batchyard.api.models.batchjob import DependencyType, StopMode
from batchyard.api.sizes import too_large
from batchyard.api.validation import parse_batchjob
from batchyard.core.model.array import ArrayShape, IndexStop, Rerun
from batchyard.core.model.indexset import MAX_DIGITS, IndexSet
from batchyard.core.model.job import BatchJob, Dependency, Stop
from batchyard.objects.kinds.refusal import refusal_of
from batchyard.objects.meta import Object, created_at, key_of, spec_of

_INDEXES = re.compile(INDEXES, re.ASCII)
_KEPT_OF_LARGE = frozenset({"jobQueue", "jobDefinition", "shareIdentifier", "ttlSecondsAfterFinished", "array"})


def read_batchjob(obj: Object) -> BatchJob:
    """Read a BatchJob. Of one that is too large next to nothing is kept."""
    metadata = obj["metadata"]
    spec = spec_of(obj)
    if refusal := too_large(names.BATCH_JOB, spec):
        kept = {name: each for name, each in spec.items() if name in _KEPT_OF_LARGE}
        return replace(read_batchjob({**obj, "spec": kept}), spec={}, refusal=refusal)
    definition, _, revision = str(spec.get("jobDefinition", "")).partition(":")
    refusal = refusal_of(names.BATCH_JOB, obj, parse_batchjob)
    return BatchJob(
        key=key_of(obj),
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=created_at(obj),
        queue=str(spec.get("jobQueue", "")),
        definition=definition,
        pinned_revision=int(revision) if revision.isdecimal() else None,
        spec=spec,
        depends_on=() if refusal else _dependencies(spec),
        ttl_seconds=_ttl(spec.get("ttlSecondsAfterFinished")),
        deleting="deletionTimestamp" in metadata,
        refusal=refusal,
        suspended=spec.get("suspend") is True,
        stop=_stop(spec),
        share=str(spec.get("shareIdentifier") or ""),
        array=_array(spec),
    )


def _array(spec: Object) -> ArrayShape | None:
    """The shape of an array. A job that is refused for something else stays an array: it may have started."""
    array = spec.get("array")
    size = array.get("size") if isinstance(array, Mapping) else None
    if not isinstance(array, Mapping) or not isinstance(size, int) or size >= 10**MAX_DIGITS:
        return None
    sequential = any("job" not in each for each in _entries(spec, "dependsOn"))
    stops = tuple(
        IndexStop(IndexSet.parse(each["indexes"]), str(each.get("reason", "")))
        for each in _entries(spec, "stopIndexes")
        if _INDEXES.fullmatch(str(each.get("indexes", "")))
    )
    limits = _whole(array.get("maxConcurrency")), _whole(array.get("maxFailedIndexes"))
    return ArrayShape(size, *limits, sequential, stops, _rerun(array.get("rerun")))


def _entries(spec: Object, field: str) -> list[Object]:
    """The objects of a list, whatever else is in it, or stands in its place."""
    found = spec.get(field)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _rerun(rerun: Any) -> Rerun | None:
    if not isinstance(rerun, Mapping):
        return None
    indexes = str(rerun.get("indexes", "Failed"))
    return Rerun(str(rerun.get("job", "")), IndexSet.parse(indexes) if _INDEXES.fullmatch(indexes) else None)


def _dependencies(spec: Object) -> tuple[Dependency, ...]:
    """The other jobs that a job waits for. Sequential with another job says no more than Succeeded."""
    others = [each for each in spec.get("dependsOn") or () if "job" in each]
    wanted = ((each["job"], each.get("type", DependencyType.SUCCEEDED)) for each in others)
    found = [
        Dependency(job, DependencyType.SUCCEEDED if kind == DependencyType.SEQUENTIAL else DependencyType(kind))
        for job, kind in wanted
    ]
    if rerun := (spec.get("array") or {}).get("rerun"):
        found.append(Dependency(rerun["job"], DependencyType.FINISHED, rerun=True))
    return tuple(found)


def _ttl(seconds: Any) -> int | None:
    """A refused job is not deleted by a time to live that makes no sense: its message is to be read."""
    return seconds if isinstance(seconds, int) and seconds >= 0 else None


def _stop(spec: Mapping[str, Any]) -> Stop | None:
    wish = spec.get("stop")
    if not isinstance(wish, Mapping):
        return None
    mode = StopMode.TERMINATE if wish.get("mode") == StopMode.TERMINATE else StopMode.CANCEL
    return Stop(mode, str(wish.get("reason", "")))
