"""The Event that warns about a job, shown by `kubectl describe` and `kubectl events`.

Called by the executor.
"""

from typing import Any

from batchyard.api import names
from batchyard.core.announcements import Announcement
from batchyard.core.objectnames import event_name
from batchyard.core.records import BatchJob
from batchyard.manifests.brevity import DETAIL_BYTES, brief, presentable
from batchyard.manifests.times import format_time


def build_event(job: BatchJob, announcement: Announcement, now: float) -> dict[str, Any]:
    """Return the core/v1 Event to create in the job's namespace."""
    namespace, name = job.key
    at = format_time(now)
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": event_name(name, job.uid, announcement.run, announcement.reason),
            "namespace": namespace,
        },
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.BATCH_JOB,
            "namespace": namespace,
            "name": name,
            "uid": job.uid,
        },
        "type": "Warning",
        "reason": announcement.reason,
        "message": brief(announcement.message, DETAIL_BYTES),
        "source": {"component": names.FIELD_MANAGER},
        "reportingComponent": names.FIELD_MANAGER,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
    return presentable(event)
