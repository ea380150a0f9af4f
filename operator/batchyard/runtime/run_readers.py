"""From Kubernetes Jobs of the API server to the core's records of runs. Pure; called by the cache.

Only what `marks` believes is read: then labels and annotations are there, and true.
"""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names
from batchyard.core.arrayrecords import IndexedJob
from batchyard.core.indexes import IndexSet
from batchyard.core.records import Key, Run
from batchyard.core.resources import pod_requests
from batchyard.manifests.job import read_consumables, read_request
from batchyard.manifests.ownership import controller, own_controller
from batchyard.manifests.terms import read_terms
from batchyard.runtime.readers import Object, created_at, timestamp


def owner(obj: Object) -> tuple[Key, str] | None:
    """Namespace, name and uid of the BatchJob that a Kubernetes Job or a pod says it belongs to."""
    metadata = obj["metadata"]
    labels = metadata.get("labels") or {}
    if names.JOB not in labels or names.JOB_UID not in labels:
        return None
    return (metadata["namespace"], labels[names.JOB]), labels[names.JOB_UID]


def is_controlled(obj: Object) -> bool:
    """Whether a Kubernetes Job has the BatchJob that it says it belongs to as its controller."""
    found, controlling = owner(obj), own_controller(obj, names.BATCH_JOB)
    return found is not None and (controlling.get("name"), controlling.get("uid")) == (found[0][1], found[1])


def belongs_to(obj: Object, uid: str) -> bool:
    """Whether a Kubernetes Job says in any way that it belongs to the BatchJob of this uid."""
    found = owner(obj)
    return controller(obj).get("uid") == uid or (found is not None and found[1] == uid)


def run(obj: Object, known: Run | None = None) -> Run | None:
    """Read a Kubernetes Job; None when it is not Batchyard's. What `known` tells cannot change, whatever labels say."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    ended = condition(obj)
    constant = known or _made(obj)
    if constant is None:
        return None
    return constant._replace(
        active=status.get("active", 0),
        ready=status.get("ready", 0),
        started_at=timestamp(status.get("startTime")),
        condition=ended.get("type", ""),
        condition_reason=ended.get("reason", ""),
        condition_message=ended.get("message", ""),
        ended_at=timestamp(ended.get("lastTransitionTime")),
        deleting="deletionTimestamp" in metadata,
        indexed=_indexed(obj, known) if constant.indexed is not None else None,
        suspended_at=_suspended_at(obj),
    )


def condition(obj: Object) -> Mapping[str, Any]:
    """The condition of a Kubernetes Job that says that it has ended; empty while it has not."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    ends = (each for each in conditions if each["status"] == "True" and each["type"] in ("Complete", "Failed"))
    return next(ends, {})


def _made(obj: Object) -> Run | None:
    """What a Kubernetes Job says about itself from its creation on."""
    belongs = owner(obj)
    if belongs is None:
        return None
    metadata = obj["metadata"]
    labels, annotations = metadata["labels"], metadata["annotations"]
    return Run(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=belongs[0],
        owner_uid=belongs[1],
        number=int(labels[names.RUN]),
        attempt=int(annotations[names.ATTEMPT]),
        queue=labels.get(names.QUEUE, ""),
        environment=labels.get(names.ENVIRONMENT, ""),
        revision=int(labels[names.REVISION]),
        request=read_request(annotations) or pod_requests(obj["spec"]["template"]["spec"]),
        created=created_at(obj),
        node=int(labels[names.NODE]) if names.NODE in labels else None,
        main_uid=annotations.get(names.MAIN_UID, ""),
        share=annotations.get(names.SHARE, ""),
        consumables=read_consumables(annotations),
        indexed=IndexedJob(0, 0) if names.ARRAY in labels else None,
        index=int(labels[names.INDEX]) if names.INDEX in labels else None,
        terms=read_terms(annotations),
    )


def _suspended_at(obj: Object) -> float | None:
    if not obj["spec"].get("suspend"):
        return None
    conditions = (obj.get("status") or {}).get("conditions") or ()
    since = (each.get("lastTransitionTime") for each in conditions if each["type"] == "Suspended")
    return timestamp(next(since, None)) or created_at(obj)


def _indexed(obj: Object, known: Run | None) -> IndexedJob:
    """What an Indexed Job shows; a text of indexes that is the same as before is not read again."""
    spec, status = obj["spec"], obj.get("status") or {}
    before = known.indexed if known and known.indexed else IndexedJob(0, 0)

    def indexes(field: str, last: IndexSet) -> IndexSet:
        text = status.get(field) or ""
        return last if text == str(last) else IndexSet.parse(text)

    return IndexedJob(
        size=spec["completions"],
        parallelism=spec["parallelism"],
        terminating=status.get("terminating") or 0,
        completed=indexes("completedIndexes", before.completed),
        failed=indexes("failedIndexes", before.failed),
    )
