"""Which indexes of arrays are being stopped from outside while they run. Read from the metadata of running pods alone.

The pods of Indexed Jobs are in no informer, since there are many and their Jobs tell nearly everything. What these do
not tell is that a pod was asked to stop before it ended with exit code 0: its Job counts the index as completed.
"""

from batchyard.api import names
from batchyard.kube.protocol import Object
from batchyard.objects.kubernetes.pod import controlling_job
from batchyard.runtime.state.cache import Cache

_COUNTED = "batch.kubernetes.io/job-tracking"
"""The finalizer of pods whose end the Job controller will count. It takes it off those that it deletes itself."""

RUNNING = "status.phase=Running"
"""The field selector of pods that run. One that is deleted before never ran its program, so it cannot succeed."""


def note(cache: Cache, pod: Object) -> None:
    """Take in the metadata of a running pod of an array."""
    metadata = pod["metadata"]
    if "deletionTimestamp" not in metadata or _COUNTED not in (metadata.get("finalizers") or ()):
        return
    labels = metadata["labels"]
    uid, index = labels[names.JOB_UID], labels.get(names.COMPLETION_INDEX, "")
    main = cache.runs.of(uid).indexed
    if main is None or controlling_job(pod) != main.uid or not index.isdecimal():
        return
    if cache.runs.note_leaving(uid, int(index)):
        cache.mark(main.owner)
