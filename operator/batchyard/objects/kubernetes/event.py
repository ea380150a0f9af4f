"""Events: the one that warns about a job, as `kubectl describe` shows it; and when one happened last."""

from typing import Any

from batchyard.api import names
from batchyard.core.insight.announcements import Announcement
from batchyard.core.model.job import BatchJob
from batchyard.core.model.objectnames import event_name
from batchyard.objects.brevity import DETAIL_BYTES, brief, presentable
from batchyard.objects.meta import Object
from batchyard.objects.times import format_time


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


def last_seen(event: Object) -> str:
    """When an Event happened last. Each way of counting repetitions has a field of its own for it."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(each) for each in times if each), event["metadata"].get("creationTimestamp") or "")
