"""From a BatchJob and a revision of its JobDefinition to the pod it asks for.

Called once per job, when its references are resolved: definition content, then the job's overrides, then
parameters, as AWS Batch merges them. What this returns never changes again. Parts that nothing overrides are
shared with the revision's content, so nobody may change a template in place.
"""

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from batchyard.api.names import DEFAULT_CONTAINER
from batchyard.api.quantities import InvalidQuantity, parse_bytes
from batchyard.api.strategy import ExitAction
from batchyard.core import multinode
from batchyard.core.commands import CONTAINER_LISTS, Container, each_container, filled_in
from batchyard.core.gangrecords import Gang, NodeGroup
from batchyard.core.parameters import (
    MAX_LENGTH,
    MissingParameterError,
    TooLongError,
    field_path,
    literal,
)
from batchyard.core.reasons import Reason
from batchyard.core.records import (
    DEFAULT_STARTUP_GRACE_SECONDS,
    BatchJob,
    ExitRule,
    Key,
    MemoryGrowth,
    Resolved,
    RetryPolicy,
    Revision,
)
from batchyard.core.resources import Resources, checked_request, describe, parse_resources, pod_requests
from batchyard.core.shape import misshapen, without_nulls

_POD_FIELDS = ("serviceAccountName", "imagePullSecrets", "volumes", "nodeSelector", "tolerations")
"""Fields of the short form's container that Kubernetes has on the pod."""

_NOT_OF_THE_POD = frozenset(
    {"jobQueue", "jobDefinition", "shareIdentifier", "dependsOn", "ttlSecondsAfterFinished", "suspend", "stop"}
)
"""Fields of a job's spec that its pod, its retries and its timeout do not depend on."""
_MAX_SHARED = 1000
"""Revisions whose result is kept at most."""

_REPLACED = ("image", "command", "args")


class TemplateError(Exception):
    """A job and its definition do not come to a valid pod, and never will as they are."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def resolve(job: BatchJob, revision: Revision) -> Resolved:
    """Merge a job's spec into its revision; raises TemplateError where that gives no valid pod."""
    content = revision.content
    gang = _gang(job, revision) if content.get("multiNode") else None
    if gang is not None:
        template: Mapping[str, Any] = gang.group(gang.main).template
        request: Resources = gang.request
    else:
        if job.spec.get("nodeOverrides"):
            raise TemplateError(
                Reason.INVALID_SPEC,
                "spec.nodeOverrides is for multi-node jobs, and the JobDefinition has no spec.multiNode:"
                " use spec.containerOverrides",
            )
        template = _pod(content, job.spec.get("containerOverrides") or (), job, revision)
        request = _request(template["spec"])
    timeout = job.spec.get("timeout") or content.get("timeout") or {}
    retry = retry_policy(job.spec.get("retryStrategy") or content.get("retryStrategy") or {})
    if job.spec.get("array") and retry.memory_growth is not None:
        raise TemplateError(
            Reason.INVALID_SPEC,
            "retryStrategy.onOutOfMemory cannot be used with an array yet: give the job a"
            " spec.retryStrategy without it, and enough memory for every index",
        )
    return Resolved(
        revision=revision.number,
        definition_uid=revision.owner_uid,
        digest=revision.digest,
        template=template,
        request=request,
        retry=retry,
        timeout_seconds=timeout.get("attemptDurationSeconds"),
        startup_grace_seconds=content.get("startupGraceSeconds", DEFAULT_STARTUP_GRACE_SECONDS),
        gang=gang,
        parameters=_parameters(job, revision),
        priority=_priority(job.spec, content),
        consumables={each["name"]: each.get("quantity", 1) for each in content.get("consumableResources") or ()},
    )


class Templates:
    """Resolves jobs, and lets those that say nothing of their own about the pod share what their revision comes to."""

    def __init__(self) -> None:
        self._shared: dict[tuple[Key, int], tuple[Revision, Resolved]] = {}

    def resolve(self, job: BatchJob, revision: Revision) -> Resolved:
        """Return the same as `resolve`."""
        if not job.spec.keys() <= _NOT_OF_THE_POD:
            return resolve(job, revision)
        key = (revision.definition, revision.number)
        known = self._shared.get(key)
        if known is not None and known[0] is revision:
            return known[1]
        resolved = resolve(job, revision)
        if len(self._shared) >= _MAX_SHARED:
            self._shared.clear()
        self._shared[key] = (revision, resolved)
        return resolved

    def forget(self, definition: Key, number: int) -> None:
        """Forget a revision that is gone."""
        self._shared.pop((definition, number), None)


def _priority(spec: Mapping[str, Any], content: Mapping[str, Any]) -> int:
    own = spec.get("schedulingPriorityOverride")
    return int(own if own is not None else content.get("schedulingPriority") or 0)


def _pod(
    form: Mapping[str, Any], overrides: Iterable[Mapping[str, Any]], job: BatchJob, revision: Revision
) -> dict[str, Any]:
    """The pod template of a definition's content, or of one of its node ranges, finished but for parameters."""
    template = pod_template(form)
    spec = _overridden(template["spec"], overrides)
    _check_commands(spec, _parameters(job, revision), revision)
    return {**template, "spec": each_container(spec, _with_checked_resources)}


def _parameters(job: BatchJob, revision: Revision) -> Mapping[str, str]:
    """The job's own before the definition's defaults, neither of them copied."""
    own, defaults = job.spec.get("parameters") or {}, revision.content.get("parameters") or {}
    return ChainMap(own, defaults) if own and defaults else own or defaults


def _gang(job: BatchJob, revision: Revision) -> Gang:
    if job.spec.get("containerOverrides"):
        raise TemplateError(
            Reason.INVALID_SPEC,
            "spec.containerOverrides does not say of which nodes: use spec.nodeOverrides for a multi-node job",
        )
    if job.spec.get("array"):
        raise TemplateError(
            Reason.INVALID_SPEC,
            "an array cannot be made of multi-node jobs: remove spec.array, or choose another spec.jobDefinition",
        )
    try:
        main, parts = multinode.parts(revision.content["multiNode"], job.spec.get("nodeOverrides") or {})
    except multinode.NodeRangeError as error:
        raise TemplateError(Reason.INVALID_SPEC, str(error)) from error
    groups = []
    for part in parts:
        with _of_range(part.range):
            template = _pod(part.range, part.overrides, job, revision)
            groups.append(NodeGroup(part.nodes, template, _request(template["spec"])))
    return Gang(main, tuple(groups))


def pod_templates(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pod templates of a definition's content: one, or one for each part of the nodes of a multi-node job.

    Raises TemplateError where no job could use them, as far as that can be known without the API server.
    """
    if multi_node := content.get("multiNode"):
        try:
            _, parts = multinode.parts(multi_node, {})
        except multinode.NodeRangeError as error:
            raise TemplateError(Reason.INVALID_SPEC, str(error)) from error
        return [_usable(part.range) for part in parts]
    return [_usable(content)]


def _usable(form: Mapping[str, Any]) -> dict[str, Any]:
    """The pod template, refused where no pod may ask for what it asks for."""
    with _of_range(form):
        template = pod_template(form)
        _request(each_container(template["spec"], _with_checked_resources))
    return template


@contextmanager
def _of_range(form: Mapping[str, Any]) -> Iterator[None]:
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


def _overridden(spec: Mapping[str, Any], overrides: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
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


def _check_commands(spec: Mapping[str, Any], parameters: Mapping[str, str], revision: Revision) -> None:
    try:
        filled_in(spec, parameters)
    except MissingParameterError as error:
        namespace, name = revision.definition
        raise TemplateError(
            Reason.MISSING_PARAMETER,
            f"parameter {error.name!r} of JobDefinition {namespace}/{name} revision {revision.number}"
            f" has no value: set {field_path(error.name)}",
        ) from error
    except TooLongError as error:
        raise TemplateError(
            Reason.INVALID_SPEC,
            f"command and args of all containers come to more than {MAX_LENGTH:,} characters with the values of"
            " parameters: shorten spec.parameters, or hand long texts over in a ConfigMap",
        ) from error


def _with_checked_resources(container: Container) -> Container:
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


def _request(spec: Mapping[str, Any]) -> dict[str, int]:
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


def retry_policy(strategy: Mapping[str, Any]) -> RetryPolicy:
    """The record of a retry strategy as it stands in a spec."""
    defaults = RetryPolicy()
    backoff = strategy.get("backoff") or {}
    return RetryPolicy(
        attempts=strategy.get("attempts", defaults.attempts),
        initial_seconds=float(backoff.get("initialSeconds", defaults.initial_seconds)),
        multiplier=float(backoff.get("multiplier", defaults.multiplier)),
        max_seconds=float(backoff.get("maxSeconds", defaults.max_seconds)),
        jitter=float(backoff.get("jitter", defaults.jitter)),
        max_interruptions=strategy.get("maxInterruptions", defaults.max_interruptions),
        exit_rules=tuple(_exit_rule(rule) for rule in strategy.get("evaluateOnExit") or ()),
        memory_growth=_memory_growth(strategy.get("onOutOfMemory")),
    )


def _exit_rule(rule: Mapping[str, Any]) -> ExitRule:
    return ExitRule(
        ExitAction(rule["action"]), rule.get("onExitCode"), rule.get("onReason"), rule.get("onStatusReason")
    )


def _memory_growth(growth: Mapping[str, Any] | None) -> MemoryGrowth | None:
    if growth is None:
        return None
    limit = growth.get("maxMemory")
    return MemoryGrowth(
        multiplier=float(growth.get("memoryMultiplier", MemoryGrowth().multiplier)),
        max_bytes=None if limit is None else parse_bytes(limit),
    )
