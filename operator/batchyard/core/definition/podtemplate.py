"""The pod templates of a definition, and what a job's overrides make of them, as AWS Batch merges them.

Parts that nothing overrides are shared with the definition's content, so nobody may change a template in place.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from batchyard.api.names import DEFAULT_CONTAINER
from batchyard.api.reasons import Reason
from batchyard.core.definition import noderanges
from batchyard.core.definition.commands import CONTAINER_LISTS, Container, each_container
from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.parameters import literal
from batchyard.core.definition.podresources import pod_request, with_checked_resources
from batchyard.core.definition.shape import misshapen, without_nulls

_POD_FIELDS = ("serviceAccountName", "imagePullSecrets", "volumes", "nodeSelector", "tolerations")
"""Fields of the short form's container that Kubernetes has on the pod."""

_REPLACED = ("image", "command", "args")


def pod_templates(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pod templates of a definition's content: one, or one for each part of the nodes of a multi-node job.

    Raises TemplateError where no job could use them, as far as that can be known without the API server.
    """
    if multi_node := content.get("multiNode"):
        try:
            _, parts = noderanges.parts(multi_node, {})
        except noderanges.NodeRangeError as error:
            raise TemplateError(Reason.INVALID_SPEC, str(error)) from error
        return [_usable(part.range) for part in parts]
    return [_usable(content)]


def _usable(form: Mapping[str, Any]) -> dict[str, Any]:
    """The pod template, refused where no pod may ask for what it asks for."""
    with of_range(form):
        template = pod_template(form)
        pod_request(each_container(template["spec"], with_checked_resources))
    return template


@contextmanager
def of_range(form: Mapping[str, Any]) -> Iterator[None]:
    """Let an error say of which range of nodes it is, if of one."""
    try:
        yield
    except TemplateError as error:
        if "targetNodes" not in form:
            raise
        raise TemplateError(error.reason, f'range "{form["targetNodes"]}" of nodes: {error.message}') from error


def pod_template(content: Mapping[str, Any]) -> dict[str, Any]:
    """The PodTemplateSpec of a definition's content, placeholders left as they are.

    The pod is never restarted in place, whatever the template says: every attempt is a pod of its own.
    """
    if short := content.get("container"):
        container = {name: value for name, value in short.items() if name not in _POD_FIELDS}
        container["name"] = short.get("name") or DEFAULT_CONTAINER
        spec = {name: short[name] for name in _POD_FIELDS if short.get(name)}
        return {"spec": {**spec, "restartPolicy": "Never", "containers": [container]}}
    if (template := content.get("template")) is not None:
        if problem := misshapen(template):
            raise TemplateError(Reason.INVALID_SPEC, problem)
        template = without_nulls(template)
        return {**template, "spec": {**(template.get("spec") or {}), "restartPolicy": "Never"}}
    raise TemplateError(
        Reason.INVALID_SPEC, "the JobDefinition has neither spec.container nor spec.template: give one of them"
    )


def overridden(spec: Mapping[str, Any], overrides: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The spec with what a job says of its containers. Raises TemplateError where one of them does not exist."""
    by_name = {override.get("name") or DEFAULT_CONTAINER: override for override in overrides}
    if not by_name:
        return spec
    there = [container["name"] for field in CONTAINER_LISTS for container in spec.get(field) or ()]
    for name in by_name:
        if name not in there:
            raise TemplateError(
                Reason.UNKNOWN_CONTAINER,
                f"spec.containerOverrides names container {name!r}, which the JobDefinition does not have:"
                f" use one of {', '.join(sorted(there))}",
            )

    def override(container: Container) -> Container:
        wanted = by_name.get(container["name"])
        return _merged(container, wanted) if wanted else container

    return each_container(spec, override)


def _merged(container: Container, override: Mapping[str, Any]) -> dict[str, Any]:
    """AWS Batch's merge: image, command and args replace, env merges by name, resources per resource.

    The job's variables come before those of the definition, which may refer to them.
    """
    merged = {
        **container,
        **{field: override[field] for field in _REPLACED if override.get(field) is not None},
    }
    if override.get("env"):
        replaced = {entry["name"] for entry in override["env"]}
        kept = (entry for entry in container.get("env") or () if entry["name"] not in replaced)
        merged["env"] = [*map(_as_it_is, override["env"]), *kept]
    if override.get("resources"):
        own = container.get("resources") or {}
        merged["resources"] = {**own, **_merged_resources(own, override["resources"])}
    return merged


def _as_it_is(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """A variable of the job, whose value the program sees unchanged."""
    value = entry.get("value")
    return {**entry, "value": literal(value)} if value and "$" in value else entry


def _merged_resources(own: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        side: {**(own.get(side) or {}), **(override.get(side) or {})}
        for side in ("requests", "limits")
        if own.get(side) or override.get(side)
    }
