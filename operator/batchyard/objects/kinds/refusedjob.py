"""What counts of a BatchJob that its model refuses: it may have started while an operator that took it was there.

So an array stays an array, a job that was to stop still is, and one that has ended goes when its time is over. Each
part that makes sense by itself is kept, whatever is wrong with the others.
"""

import re
from collections.abc import Mapping
from typing import Any

from batchyard.api.models.arrays import FAILED, INDEXES, ArrayProperties, IndexStop, Rerun
from batchyard.api.models.batchjob import BatchJobSpec, Dependency, DependencyType, Stop, StopMode
from batchyard.core.model.indexset import MAX_DIGITS
from batchyard.objects.meta import Object

_INDEXES = re.compile(INDEXES, re.ASCII)


def salvaged(spec: Object) -> BatchJobSpec:
    """The model of what makes sense in a spec; of dependencies, only whether its own indexes wait for each other."""
    return BatchJobSpec.model_construct(
        job_queue=str(spec.get("jobQueue", "")),
        job_definition=str(spec.get("jobDefinition", "")),
        share_identifier=str(spec.get("shareIdentifier") or ""),
        ttl_seconds_after_finished=_ttl(spec.get("ttlSecondsAfterFinished")),
        suspend=spec.get("suspend") is True,
        stop=_stop(spec.get("stop")),
        stop_indexes=tuple(_index_stop(each) for each in _entries(spec, "stopIndexes") if _has_indexes(each)),
        depends_on=tuple(
            Dependency.model_construct(type=DependencyType.SEQUENTIAL)
            for each in _entries(spec, "dependsOn")
            if "job" not in each
        ),
        array=_array(spec.get("array")),
    )


def _entries(spec: Object, field: str) -> list[Object]:
    """The objects of a list, whatever else is in it, or stands in its place."""
    found = spec.get(field)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _ttl(seconds: Any) -> int | None:
    """A refused job is not deleted by a time to live that makes no sense: its message is to be read."""
    return seconds if isinstance(seconds, int) and seconds >= 0 else None


def _stop(wish: Any) -> Stop | None:
    if not isinstance(wish, Mapping):
        return None
    mode = StopMode.TERMINATE if wish.get("mode") == StopMode.TERMINATE else StopMode.CANCEL
    return Stop.model_construct(mode=mode, reason=str(wish.get("reason", "")))


def _has_indexes(entry: Object) -> bool:
    return _INDEXES.fullmatch(str(entry.get("indexes", ""))) is not None


def _index_stop(entry: Object) -> IndexStop:
    return IndexStop.model_construct(indexes=str(entry["indexes"]), reason=str(entry.get("reason", "")))


def _array(array: Any) -> ArrayProperties | None:
    size = array.get("size") if isinstance(array, Mapping) else None
    if not isinstance(size, int) or size >= 10**MAX_DIGITS:
        return None
    return ArrayProperties.model_construct(
        size=size,
        max_concurrency=_whole(array.get("maxConcurrency")),
        max_failed_indexes=_whole(array.get("maxFailedIndexes")),
        rerun=_rerun(array.get("rerun")),
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _rerun(rerun: Any) -> Rerun | None:
    if not isinstance(rerun, Mapping):
        return None
    indexes = str(rerun["indexes"]) if _has_indexes(rerun) else FAILED
    return Rerun.model_construct(job=str(rerun.get("job", "")), indexes=indexes)
