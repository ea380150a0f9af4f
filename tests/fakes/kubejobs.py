"""What a Kubernetes Job goes by in tests: its object, or its name alone where it is in the namespace of all tests."""

from batchyard.kube.protocol import Object

NAMESPACE = "media"
Job = Object | str


def key_of(job: Job) -> tuple[str, str]:
    """Namespace and name."""
    return (NAMESPACE, job) if isinstance(job, str) else (job["metadata"]["namespace"], job["metadata"]["name"])


def has_ended(job: Object) -> bool:
    """Whether a Job has succeeded or failed for good."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(each["type"] in ("Complete", "Failed") for each in conditions)
