"""Pods as the API server has them once a profile has selected them."""

from typing import Any

from localcluster.nodes.fargate.profiles import PROFILE_LABEL, Profile

PROFILES = [Profile("etl", "etl-*", {"compute": "fargate"})]


def container(name: str = "main", *, cpu: str = "", memory: str = "", **own: Any) -> dict[str, Any]:
    requests = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"name": name, "image": "any", "resources": {"requests": requests}, **own}


def pod(name: str = "pod", *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    labels = {"compute": "fargate", PROFILE_LABEL: "etl"}
    return {
        "metadata": {
            "name": name,
            "namespace": "etl-1",
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "labels": labels,
        },
        "spec": {"containers": list(containers) or [container()], **spec},
        "status": {"phase": "Pending"},
    }
