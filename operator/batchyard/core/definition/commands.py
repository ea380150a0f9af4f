"""The commands of a pod with the values of a job's parameters.

They are checked when a job is resolved and put together only when its pod is made: what a short job and a short
definition come to may be long, and ten thousand of them wait.
"""

from collections.abc import Callable, Mapping
from typing import Any

from batchyard.core.definition.parameters import Substitution

CONTAINER_LISTS = ("initContainers", "containers")
_WORDS = ("command", "args")

Container = Mapping[str, Any]


def each_container(spec: Mapping[str, Any], change: Callable[[Container], Container]) -> dict[str, Any]:
    """Return the spec of a pod with all its containers changed."""
    changed = {field: [change(container) for container in spec[field]] for field in CONTAINER_LISTS if spec.get(field)}
    return {**spec, **changed}


def filled_in(spec: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the spec of a pod with values in the place of `Ref::name`.

    Raises `MissingParameterError` for the first that has none, `TooLongError` when all commands together get too long.
    """
    substitution = Substitution(parameters)

    def changed(container: Container) -> Container:
        return {**container, **{name: substitution.words(container[name]) for name in _WORDS if container.get(name)}}

    return each_container(spec, changed)
