"""What the containers of a pod ask for, refused where Kubernetes would refuse it."""

from collections.abc import Mapping
from typing import Any

from batchyard.api.quantities import InvalidQuantity
from batchyard.api.reasons import Reason
from batchyard.core.definition.commands import Container
from batchyard.core.definition.errors import TemplateError
from batchyard.core.model.resources import Resources, checked_request, describe, parse_resources, pod_requests


def with_checked_resources(container: Container) -> Container:
    """The container with limits copied to absent requests; refused where Kubernetes would refuse the pair."""
    resources = container.get("resources")
    if not resources:
        return container
    name, limits = container["name"], resources.get("limits") or {}
    requests = {**limits, **(resources.get("requests") or {})}
    try:
        parsed_limits, parsed_requests = parse_resources(limits), parse_resources(requests)
        checked_request(parsed_requests)
        for resource, requested in parsed_requests.items():
            _check_pair(name, resource, requested, parsed_limits)
    except InvalidQuantity as error:
        raise TemplateError(Reason.INVALID_RESOURCES, f"resources of container {name!r}: {error}") from error
    return {**container, "resources": {**resources, "requests": requests}}


def pod_request(spec: Mapping[str, Any]) -> dict[str, int]:
    """What a pod takes; what it asks nothing of is left out."""
    try:
        return checked_request(pod_requests(spec))
    except InvalidQuantity as error:
        raise TemplateError(Reason.INVALID_RESOURCES, f"resources or overhead of the pod: {error}") from error


def _check_pair(container: str, resource: str, requested: int, limits: Resources) -> None:
    limit = limits.get(resource)
    if limit is None:
        if _cannot_be_overcommitted(resource):
            raise TemplateError(
                Reason.INVALID_RESOURCES,
                f"container {container!r} requests {resource} without a limit:"
                f" set resources.limits for {resource} to the same amount",
            )
        return
    if requested > limit or (requested < limit and _cannot_be_overcommitted(resource)):
        wanted = "must equal" if _cannot_be_overcommitted(resource) else "is more than"
        raise TemplateError(
            Reason.INVALID_RESOURCES,
            f"container {container!r}: the request of {describe({resource: requested})} {wanted} the limit of"
            f" {describe({resource: limit})}: set resources.requests and resources.limits together",
        )


def _cannot_be_overcommitted(resource: str) -> bool:
    """Devices and huge pages: Kubernetes wants their requests equal to their limits."""
    return resource.startswith("hugepages-") or ("/" in resource and "kubernetes.io/" not in resource)
