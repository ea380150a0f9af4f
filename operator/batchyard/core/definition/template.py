"""From a BatchJob and a revision of its JobDefinition to the pod it asks for.

Called once per job, when its references are resolved: definition content, then the job's overrides, then
parameters, as AWS Batch merges them. What this returns never changes again. Parts that nothing overrides are
shared with the revision's content, so nobody may change a template in place.
"""

from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import Any

from batchyard.api.models.jobdefinition import NEEDED_QUANTITY, STARTUP_GRACE_SECONDS, ZonePolicy
from batchyard.api.reasons import Reason
from batchyard.core.definition import noderanges
from batchyard.core.definition.commands import each_container, filled_in
from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.nodeneeds.podconstraints import constraints_of
from batchyard.core.definition.parameters import MAX_LENGTH, MissingParameterError, TooLongError, field_path
from batchyard.core.definition.podadmission.admitted import under_rules
from batchyard.core.definition.podadmission.runtimeclasses import FIELD as RUNTIME_CLASS
from batchyard.core.definition.podresources import pod_request, with_checked_resources
from batchyard.core.definition.podtemplate import of_range, overridden, pod_template
from batchyard.core.definition.retrypolicy import retry_policy, stored_strategy
from batchyard.core.model.definition import Resolved, Revision
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.podadmission.rules import PodRules
from batchyard.core.model.pods.constraints import UNCONSTRAINED
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.core.model.resources import Resources

_NOT_OF_THE_POD = frozenset(
    {"jobQueue", "jobDefinition", "shareIdentifier", "dependsOn", "ttlSecondsAfterFinished", "suspend", "stop"}
)
"""Fields of a job's spec that its pod, its retries and its timeout do not depend on."""
_MAX_SHARED = 1000
"""Results that are kept at most, of revisions and of rules."""


def resolve(job: BatchJob, revision: Revision) -> Resolved:
    """Merge a job's spec into its revision; raises TemplateError where that gives no valid pod.

    The request is that of the pod as it stands there: what admission adds comes with `under_rules`.
    """
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
        request = pod_request(template["spec"])
    templates = [template] if gang is None else [group.template for group in gang.groups]
    runtime_classes = {name for each in templates if (name := each["spec"].get(RUNTIME_CLASS))}
    zone_policy = _zone_policy(content)
    timeout = job.spec.get("timeout") or content.get("timeout") or {}
    retry = retry_policy(stored_strategy(job.spec.get("retryStrategy") or content.get("retryStrategy") or {}))
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
        startup_grace_seconds=content.get("startupGraceSeconds", STARTUP_GRACE_SECONDS),
        gang=gang,
        constraints=UNCONSTRAINED if gang is not None else constraints_of(template["spec"], zone_policy),
        parameters=_parameters(job, revision),
        priority=_priority(job.spec, content),
        consumables={
            each["name"]: each.get("quantity", NEEDED_QUANTITY) for each in content.get("consumableResources") or ()
        },
        runtime_classes=tuple(sorted(runtime_classes)),
        zone_policy=zone_policy,
    )


class Templates:
    """Resolves jobs, and lets those that say nothing of their own about the pod share what their revision comes to."""

    def __init__(self) -> None:
        self._shared: dict[tuple[Key, int], tuple[Revision, Resolved]] = {}
        self._ruled: dict[int, tuple[Resolved, PodRules, Resolved]] = {}
        """By identity of a result that many jobs have: that result, the rules that it came under, what that gave."""

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

    def under(self, resolved: Resolved, rules: PodRules) -> Resolved:
        """Return what a job comes to under the rules for its pods; jobs that share the one share the other."""
        if resolved.rules == rules:
            return resolved
        known = self._ruled.get(id(resolved))
        if known is not None and known[0] is resolved and known[1] == rules:
            return known[2]
        result = under_rules(resolved, rules)
        if len(self._ruled) >= _MAX_SHARED:
            self._ruled.clear()
        self._ruled[id(resolved)] = (resolved, rules, result)
        return result

    def forget(self, definition: Key, number: int) -> None:
        """Forget a revision that is gone."""
        self._shared.pop((definition, number), None)


def _zone_policy(content: Mapping[str, Any]) -> ZonePolicy:
    """How pods are divided between zones; one that is not known, as of a later version, counts as not said."""
    stored = content.get("zonePolicy")
    return next((each for each in ZonePolicy if each == stored), ZonePolicy.ANY)


def _priority(spec: Mapping[str, Any], content: Mapping[str, Any]) -> int:
    own = spec.get("schedulingPriorityOverride")
    return int(own if own is not None else content.get("schedulingPriority") or 0)


def _pod(
    form: Mapping[str, Any], overrides: Iterable[Mapping[str, Any]], job: BatchJob, revision: Revision
) -> dict[str, Any]:
    """The pod template of a definition's content, or of one of its node ranges, finished but for parameters."""
    template = pod_template(form)
    spec = overridden(template["spec"], overrides)
    _check_commands(spec, _parameters(job, revision), revision)
    return {**template, "spec": each_container(spec, with_checked_resources)}


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
        main, parts = noderanges.parts(revision.content["multiNode"], job.spec.get("nodeOverrides") or {})
    except noderanges.NodeRangeError as error:
        raise TemplateError(Reason.INVALID_SPEC, str(error)) from error
    groups = []
    for part in parts:
        with of_range(part.range):
            template = _pod(part.range, part.overrides, job, revision)
            spec = template["spec"]
            constraints = constraints_of(spec, _zone_policy(revision.content))
            groups.append(NodeGroup(part.nodes, template, pod_request(spec), constraints))
    return Gang(main, tuple(groups))


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
