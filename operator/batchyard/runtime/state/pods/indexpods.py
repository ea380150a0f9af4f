"""Pods of Indexed Jobs, of which only as much is kept as their Jobs do not tell: there are many, with many events each.

That is where they are bound and until when, and whether one was asked to stop before it ended with exit code 0: its Job
counts such an index as completed.
"""

from batchyard.api import names
from batchyard.core.model.job import Key
from batchyard.kube.protocol import Object
from batchyard.objects.kubernetes.pod import controlling_job, request_of
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.pods.otherpods import Origin

_COUNTED = "batch.kubernetes.io/job-tracking"
"""The finalizer of pods whose end the Job controller will count. It takes it off those that it deletes itself."""


def put(cache: Cache, pod: Object) -> None:
    """Take in a pod of an array that is bound and has not ended."""
    metadata = pod["metadata"]
    key, live = (metadata["namespace"], metadata["name"]), cache.runs.live.indexes
    if key not in live:
        spec, job = pod["spec"], controlling_job(pod)
        live.put(key, job, spec["nodeName"], request_of(spec))
        if cache.runs.live.job((key[0], job)) is None:
            cache.catalogue.other_pods.put_unclaimed(pod, (key[0], job))
    if "deletionTimestamp" in metadata:
        _note_leaving(cache, pod)


def remove(cache: Cache, key: Key, uid: str) -> None:
    """Forget a pod that has ended or is gone."""
    cache.catalogue.other_pods.remove(uid, Origin.INDEXES)
    outlived = cache.runs.remove_index_pod(key)
    if outlived is not None:
        cache.mark(outlived.owner)


def _note_leaving(cache: Cache, pod: Object) -> None:
    """Enter that a pod is asked to stop while it runs: one that is deleted before never ran its program."""
    metadata = pod["metadata"]
    if _COUNTED not in (metadata.get("finalizers") or ()) or (pod.get("status") or {}).get("phase") != "Running":
        return
    labels = metadata["labels"]
    uid, index = labels[names.JOB_UID], labels.get(names.COMPLETION_INDEX, "")
    main = cache.runs.of(uid).indexed
    if main is None or controlling_job(pod) != main.uid or not index.isdecimal():
        return
    if cache.runs.note_leaving(uid, int(index)):
        cache.mark(main.owner)
