"""From objects of the API server to the core's records. Pure; called by the cache for every event.

Batchyard's own kinds are checked against their models once, when they are first seen or changed: the CRDs have done
so before, but the operator and the CRDs may be of different versions. What does not pass becomes the record's
`refusal`, a sentence that ends in the job's status.
"""

from collections.abc import Mapping
from typing import Any

from batchyard.api import names
from batchyard.api.batchjob import DependencyType, StopMode
from batchyard.api.jobqueue import PolicyType
from batchyard.api.unsupported import refusals
from batchyard.api.validation import (
    InvalidObject,
    parse_batchjob,
    parse_computeenvironment,
    parse_jobdefinition,
    parse_jobqueue,
)
from batchyard.core import revisions
from batchyard.core.records import (
    BatchJob,
    Definition,
    Dependency,
    Environment,
    FairShare,
    Key,
    Node,
    Pod,
    Queue,
    Run,
    Selector,
    Stop,
    Toleration,
)
from batchyard.core.resources import parse_resources, pod_requests
from batchyard.manifests.gang import read_request
from batchyard.manifests.times import parse_time

Object = Mapping[str, Any]


def key_of(obj: Object) -> Key:
    """Namespace ("" for cluster-scoped kinds) and name."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def timestamp(text: str | None) -> float | None:
    """Seconds since the epoch of a time that may be missing."""
    return parse_time(text) if text else None


def _created(obj: Object) -> float:
    return timestamp(obj["metadata"].get("creationTimestamp")) or 0.0


def _refusal(kind: str, obj: Object, parse: Any) -> str:
    refused = refusals(kind, obj.get("spec") or {})
    if refused:
        return "; ".join(refused)
    try:
        parse(obj)
    except InvalidObject as error:
        return str(error)
    return ""


def batchjob(obj: Object) -> BatchJob:
    """Read a BatchJob."""
    metadata = obj["metadata"]
    spec = obj.get("spec") or {}
    definition, _, revision = str(spec.get("jobDefinition", "")).partition(":")
    refusal = _refusal(names.BATCH_JOB, obj, parse_batchjob)
    return BatchJob(
        key=key_of(obj),
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=_created(obj),
        queue=str(spec.get("jobQueue", "")),
        definition=definition,
        pinned_revision=int(revision) if revision.isdecimal() else None,
        spec=spec,
        depends_on=() if refusal else _dependencies(spec),
        ttl_seconds=_ttl(spec.get("ttlSecondsAfterFinished")),
        deleting="deletionTimestamp" in metadata,
        refusal=refusal,
        suspended=spec.get("suspend") is True,
        stop=_stop(spec),
        share=str(spec.get("shareIdentifier") or ""),
    )


def _dependencies(spec: Object) -> tuple[Dependency, ...]:
    """What a job waits for. Sequential is about array indexes; with another job it says no more than Succeeded."""
    wanted = ((each["job"], each.get("type", DependencyType.SUCCEEDED)) for each in spec.get("dependsOn") or ())
    return tuple(
        Dependency(job, DependencyType.SUCCEEDED if kind == DependencyType.SEQUENTIAL else DependencyType(kind))
        for job, kind in wanted
    )


def _ttl(seconds: Any) -> int | None:
    """A refused job is not deleted by a time to live that makes no sense: its message is to be read."""
    return seconds if isinstance(seconds, int) and seconds >= 0 else None


def _stop(spec: Mapping[str, Any]) -> Stop | None:
    wish = spec.get("stop")
    if not isinstance(wish, Mapping):
        return None
    mode = StopMode.TERMINATE if wish.get("mode") == StopMode.TERMINATE else StopMode.CANCEL
    return Stop(mode, str(wish.get("reason", "")))


def definition(obj: Object) -> Definition:
    """Read a JobDefinition."""
    metadata = obj["metadata"]
    spec = obj.get("spec") or {}
    refusal = _refusal(names.JOB_DEFINITION, obj, parse_jobdefinition)
    kept = {} if refusal else spec
    return Definition(
        key=key_of(obj),
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        spec=spec,
        digest=revisions.digest(revisions.content(spec)),
        inactive=frozenset(kept.get("inactiveRevisions") or ()),
        history_limit=kept.get("revisionHistoryLimit", 10),
        refusal=refusal,
    )


def queue(obj: Object) -> Queue:
    """Read a JobQueue; of a refused one nothing else counts."""
    metadata = obj["metadata"]
    refusal = _refusal(names.JOB_QUEUE, obj, parse_jobqueue)
    spec = {} if refusal else obj.get("spec") or {}
    selector = spec.get("namespaceSelector")
    return Queue(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=_created(obj),
        priority=spec.get("priority", 0),
        enabled=spec.get("state", "Enabled") == "Enabled",
        environments=tuple(spec.get("computeEnvironments") or ()),
        namespaces=None if selector is None else _selector(selector),
        fair_share=_fair_share(spec.get("schedulingPolicy") or {}),
        refusal=refusal,
    )


def _fair_share(policy: Mapping[str, Any]) -> FairShare | None:
    if policy.get("type") != PolicyType.FAIR_SHARE:
        return None
    settings, defaults = policy.get("fairShare") or {}, FairShare()
    return FairShare(
        decay_seconds=settings.get("shareDecaySeconds", defaults.decay_seconds),
        reservation=settings.get("computeReservation", defaults.reservation),
        weights={each["shareIdentifier"]: each.get("weightFactor", 1.0) for each in settings.get("shares") or ()},
    )


def _selector(selector: Mapping[str, Any]) -> Selector:
    return Selector(
        match_labels=tuple((selector.get("matchLabels") or {}).items()),
        expressions=tuple(
            (expression["key"], expression["operator"], tuple(expression.get("values") or ()))
            for expression in selector.get("matchExpressions") or ()
        ),
    )


def environment(obj: Object) -> Environment:
    """Read a ComputeEnvironment; of a refused one nothing else counts."""
    metadata = obj["metadata"]
    refusal = _refusal(names.COMPUTE_ENVIRONMENT, obj, parse_computeenvironment)
    spec = {} if refusal else obj.get("spec") or {}
    unmanaged = spec.get("unmanaged") or {}
    return Environment(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=_created(obj),
        enabled=spec.get("state", "Enabled") == "Enabled",
        node_selector=unmanaged.get("nodeSelector") or {},
        tolerations=tuple(_toleration(each) for each in unmanaged.get("tolerations") or ()),
        ceilings=_ceilings(spec),
        refusal=refusal,
    )


def _toleration(toleration: Mapping[str, Any]) -> Toleration:
    return Toleration(
        key=toleration.get("key") or "",
        operator=toleration.get("operator") or "Equal",
        value=toleration.get("value") or "",
        effect=toleration.get("effect") or "",
        seconds=toleration.get("tolerationSeconds"),
    )


def _ceilings(spec: Mapping[str, Any]) -> dict[str, int]:
    limits = {
        "cpu": spec.get("maxVcpus"),
        "memory": spec.get("maxMemory"),
        "nvidia.com/gpu": spec.get("maxGpus"),
    }
    return parse_resources({name: str(limit) for name, limit in limits.items() if limit is not None})


def node(obj: Object) -> Node:
    """Read a Node."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return Node(
        name=obj["metadata"]["name"],
        labels=obj["metadata"].get("labels") or {},
        allocatable=parse_resources(status.get("allocatable") or {}),
        taints=tuple(
            (taint["key"], taint.get("value") or "", taint["effect"])
            for taint in spec.get("taints") or ()
            if taint["effect"] in ("NoSchedule", "NoExecute")
        ),
        ready=any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in status.get("conditions") or ()
        ),
        schedulable=not spec.get("unschedulable", False),
    )


def run(obj: Object, known: Run | None = None) -> Run | None:
    """Read a Kubernetes Job; None when it is not Batchyard's. `known` spares reading what cannot change."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    labels = metadata.get("labels") or {}
    owner = names.JOB in labels and _owner_uid(metadata)
    if not owner:
        return None
    annotations = metadata["annotations"]
    condition: Mapping[str, Any] = next(
        (
            each
            for each in status.get("conditions") or ()
            if each["status"] == "True" and each["type"] in ("Complete", "Failed")
        ),
        {},
    )
    return Run(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=(metadata["namespace"], labels[names.JOB]),
        owner_uid=owner,
        number=int(labels[names.RUN]),
        attempt=int(annotations[names.ATTEMPT]),
        queue=labels.get(names.QUEUE, ""),
        environment=labels.get(names.ENVIRONMENT, ""),
        revision=int(labels[names.REVISION]),
        request=known.request if known else read_request(annotations) or pod_requests(obj["spec"]["template"]["spec"]),
        created=_created(obj),
        active=status.get("active", 0),
        ready=status.get("ready", 0),
        started_at=timestamp(status.get("startTime")),
        condition=condition.get("type", ""),
        condition_reason=condition.get("reason", ""),
        condition_message=condition.get("message", ""),
        ended_at=timestamp(condition.get("lastTransitionTime")),
        deleting="deletionTimestamp" in metadata,
        node=int(labels[names.NODE]) if names.NODE in labels else None,
        main_uid=annotations.get(names.MAIN_UID, ""),
        share=annotations.get(names.SHARE, ""),
    )


def _owner_uid(metadata: Mapping[str, Any]) -> str:
    for reference in metadata.get("ownerReferences") or ():
        if reference["kind"] == names.BATCH_JOB and reference["apiVersion"].startswith(names.GROUP + "/"):
            return str(reference["uid"])
    return ""


def pod(obj: Object) -> Pod | None:
    """Read a pod; None when it is not Batchyard's."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    labels = metadata.get("labels") or {}
    if names.JOB_UID not in labels or "batch.kubernetes.io/job-name" not in labels:
        return None
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    states = [each.get("state") or {} for each in containers]
    waiting: Mapping[str, Any] = next((state["waiting"] for state in states if _is_error(state)), {})
    ended: Mapping[str, Any] = _telling_end(states)
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    disruption = conditions.get("DisruptionTarget", {})
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=(metadata["namespace"], labels[names.JOB]),
        owner_uid=labels[names.JOB_UID],
        run=labels["batch.kubernetes.io/job-name"],
        created=_created(obj),
        node_name=(obj.get("spec") or {}).get("nodeName", ""),
        phase=status.get("phase", "Pending"),
        started_at=_started(status.get("containerStatuses") or ()),
        stopped_at=timestamp(ended.get("finishedAt")),
        exit_code=ended.get("exitCode"),
        reason=status.get("reason") or ended.get("reason") or "",
        message=status.get("message") or ended.get("message") or "",
        out_of_memory=tuple(
            each["name"]
            for each, state in zip(containers, states, strict=True)
            if _out_of_memory(state.get("terminated") or {})
        ),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        address=status.get("podIP", ""),
        disruption=_disruption(disruption) if disruption.get("status") == "True" else "",
    )


_NOT_AN_ERROR = frozenset({"ContainerCreating", "PodInitializing"})


def _is_error(state: Mapping[str, Any]) -> bool:
    waiting = state.get("waiting") or {}
    return bool(waiting) and waiting.get("reason") not in _NOT_AN_ERROR


def _telling_end(states: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The container end that tells how the pod ended: out of memory, else the first failure, else the last success."""
    ends = [state["terminated"] for state in states if "terminated" in state]
    failed = [end for end in ends if end.get("exitCode", 0) != 0]
    killed = [end for end in failed if _out_of_memory(end)]
    told: Mapping[str, Any] = (killed or failed or ends[-1:] or [{}])[0]
    return told


def _out_of_memory(end: Mapping[str, Any]) -> bool:
    """Whether a container failed because memory ran out; one may lose a child to that and still succeed."""
    return end.get("reason") == "OOMKilled" and end.get("exitCode", 0) != 0


def _started(containers: Any) -> float | None:
    """When the first of the (main) containers started to run."""
    starts = [
        (state.get("running") or state.get("terminated") or {}).get("startedAt")
        for state in (each.get("state") or {} for each in containers)
    ]
    known = [started for text in starts if (started := timestamp(text)) is not None]
    return min(known, default=None)


def _disruption(condition: Mapping[str, Any]) -> str:
    reason, message = condition.get("reason", ""), condition.get("message", "")
    return f"{reason}: {message}" if message else str(reason)
