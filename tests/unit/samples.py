"""Valid records for tests of the core and of the manifests; a test changes what it is about."""

from collections.abc import Mapping
from typing import Any

from batchyard.core.records import BatchJob, Definition, Environment, Resolved, Revision
from batchyard.core.revisions import digest
from batchyard.core.template import resolve

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z

CONTAINER: Mapping[str, Any] = {
    "name": "main",
    "image": "ghcr.io/acme/ffmpeg:7",
    "command": ["transcode", "--codec", "Ref::codec"],
    "resources": {"requests": {"cpu": "2", "memory": "4Gi"}},
}


def make_job(name: str = "videos", **spec: Any) -> BatchJob:
    return BatchJob(
        key=("media", name),
        uid="6f1c1f7e-0000-4000-8000-000000000001",
        generation=1,
        created=NOW,
        queue="urgent",
        definition="transcode",
        pinned_revision=None,
        spec={"jobQueue": "urgent", "jobDefinition": "transcode", **spec},
    )


def make_content(**spec: Any) -> dict[str, Any]:
    form = {} if "template" in spec else {"container": CONTAINER}
    return {"parameters": {"codec": "h264"}, **form, **spec}


def make_revision(number: int = 3, **spec: Any) -> Revision:
    content = make_content(**spec)
    return Revision(("media", "transcode"), number, content, digest(content), NOW)


def make_definition(**fields: Any) -> Definition:
    content = make_content()
    return Definition(
        **{
            "key": ("media", "transcode"),
            "uid": "6f1c1f7e-0000-4000-8000-000000000002",
            "generation": 4,
            "spec": content,
            "digest": digest(content),
            **fields,
        }
    )


def make_environment(**fields: Any) -> Environment:
    return Environment(
        **{
            "name": "pool",
            "uid": "6f1c1f7e-0000-4000-8000-000000000003",
            "generation": 2,
            "created": NOW,
            "enabled": True,
            **fields,
        }
    )


def make_resolved(job: BatchJob | None = None, **content: Any) -> Resolved:
    return resolve(job or make_job(), make_revision(**content))
