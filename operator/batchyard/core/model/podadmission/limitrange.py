"""LimitRanges of a namespace: the requests and limits that containers get, and the bounds on what they ask for."""

from dataclasses import dataclass, field

from batchyard.core.model.resources import Resources


@dataclass(slots=True, frozen=True)
class Bounds:
    """The least and the most that may be asked for, by resource; one that is in neither is not bounded."""

    least: Resources = field(default_factory=dict)
    most: Resources = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class LimitRange:
    """A LimitRange as far as it concerns pods; the ratio of limits to requests is left to the API server."""

    name: str
    default_requests: Resources = field(default_factory=dict)
    """What containers request that say nothing of a resource. The API server shows default limits among these."""
    default_limits: Resources = field(default_factory=dict)
    container: Bounds = field(default_factory=Bounds)
    """Of each container, those of the initialisation included."""
    pod: Bounds = field(default_factory=Bounds)
    """Of all containers of a pod together."""
