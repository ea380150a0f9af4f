"""Pieces of specs that many tests write."""

from typing import Any

from objects.api import Json


def asking(cpu: int | str) -> Json:
    """The resources of a container that asks for so many vCPUs."""
    return {"requests": {"cpu": str(cpu)}}


def asking_container(cpu: int | str = 1, image: str = "busybox") -> Json:
    """A container that asks for so many vCPUs."""
    return {"image": image, "resources": asking(cpu)}


def overrides_asking(cpu: int | str) -> list[Json]:
    """Overrides of the main container, which is to ask for so many vCPUs."""
    return [{"name": "main", "resources": asking(cpu)}]


def fair_share(**settings: Any) -> Json:
    """What makes a queue one of fair shares."""
    return {"schedulingPolicy": {"type": "FairShare", "fairShare": settings}}


def multi_node(nodes: int, container: Json | None = None, **fields: int) -> Json:
    """What makes a definition one of so many nodes, all alike."""
    ranges = [{"targetNodes": "0:", "container": container or asking_container()}]
    return {"container": None, "multiNode": {"numNodes": nodes, "nodeRanges": ranges, **fields}}
