"""From a pod of the API server to its record.

One container is the main one: its start is the pod's, and its end tells how the run ended. Native sidecars (init
containers that are restarted) are infrastructure: the kubelet stops them when the others have ended, so their exit
codes say nothing.
"""

from collections.abc import Iterable, Mapping
from math import inf
from typing import Any

from batchyard.api import names
from batchyard.api.names import DEFAULT_CONTAINER
from batchyard.api.quantities import InvalidQuantity
from batchyard.core.definition.memoryunits import doubt_about_pod
from batchyard.core.model.resources import Resources, pod_requests
from batchyard.core.model.run import NOTHING, Pod
from batchyard.core.model.timers import earliest
from batchyard.objects.meta import Object, created_at, timestamp
from batchyard.objects.ownership import controller

_DEFAULT_CONTAINER_ANNOTATION = "kubectl.kubernetes.io/default-container"
_NOT_AN_ERROR = frozenset({"ContainerCreating", "PodInitializing"})
_ENDED = frozenset({"Succeeded", "Failed"})

MAX_OUT_OF_MEMORY = 20
"""Containers that were killed of which a pod's record tells: they stand in the status with each attempt."""

Container = Mapping[str, Any]
"""The status of one container."""


def read_pod(obj: Object, known: Pod | None = None) -> Pod | None:
    """Read a pod; None when it is not Batchyard's. Whose it is, and what it asks for, stays as it is `known`."""
    metadata, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    labels = metadata.get("labels") or {}
    if names.JOB_UID not in labels or "batch.kubernetes.io/job-name" not in labels:
        return None
    constant = known or _made(obj)
    sidecars, before = _init_containers(spec, status.get("initContainerStatuses") or ())
    ordinary: list[Container] = list(status.get("containerStatuses") or ())
    name = _main_container(metadata, spec)
    main = next((each for each in ordinary if each["name"] == name), {})
    main_end, started = _end(main), _start(main)
    waiting = _waiting([*before, *sidecars], ordinary, main)
    ended = _telling_end([*before, *ordinary], main)
    end = _end(ended)
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    disrupted = disruption(obj)
    phase = status.get("phase", "Pending")
    starting = not started and phase not in _ENDED
    silent = not waiting and starting and _is_silent(conditions, sidecars)
    index = labels.get(names.COMPLETION_INDEX, "")
    return Pod(
        name=constant.name,
        uid=constant.uid,
        owner=constant.owner,
        owner_uid=constant.owner_uid,
        run=constant.run,
        job_uid=constant.job_uid,
        created=constant.created,
        node_name=spec.get("nodeName", ""),
        request=constant.request,
        phase=phase,
        bound_at=_bound_at(obj, scheduled),
        ran=bool(started) or any(map(_start, (*before, *sidecars, *ordinary))),
        started_at=timestamp(started),
        stopped_at=timestamp(end.get("finishedAt")),
        exit_code=end.get("exitCode"),
        reason=status.get("reason") or end.get("reason") or "",
        message=status.get("message") or end.get("message") or "",
        out_of_memory=tuple(each["name"] for each in (*before, *ordinary) if _out_of_memory(each))[:MAX_OUT_OF_MEMORY],
        failed_container=ended["name"] if end.get("exitCode", 0) != 0 else "",
        main=name,
        main_stopped_at=timestamp(main_end.get("finishedAt")),
        main_exit_code=main_end.get("exitCode"),
        outlived=any(main_end and each is not main and _stopped_at(each) >= _stopped_at(main) for each in ordinary),
        outlasting=tuple(each["name"] for each in ordinary if main_end and not _end(each)),
        index=int(index) if index.isdecimal() else None,
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        doubtful=doubt_about_pod(spec) if waiting or silent else "",
        silent=silent,
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        address=status.get("podIP", ""),
        deleting="deletionTimestamp" in metadata,
        disruption=_why_disrupted(disrupted),
        asked_to_stop_at=_asked_to_stop_at(metadata, disrupted),
        forced=_is_forced(metadata, spec) and phase not in _ENDED,
        accepted_at=timestamp(status.get("startTime")),
        deadline=_deadline(spec, status),
    )


def _made(obj: Object) -> Pod:
    """What a pod says about itself from its creation on."""
    metadata = obj["metadata"]
    labels = metadata["labels"]
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=(metadata["namespace"], labels[names.JOB]),
        owner_uid=labels[names.JOB_UID],
        run=labels["batch.kubernetes.io/job-name"],
        job_uid=controlling_job(obj),
        created=created_at(obj),
        request=request_of(obj.get("spec") or {}),
    )


def request_of(spec: Mapping[str, Any]) -> Resources:
    """What a pod asks for; nothing where that cannot be read."""
    try:
        return pod_requests(spec)
    except InvalidQuantity:
        return NOTHING


def disruption(obj: Object) -> Mapping[str, Any]:
    """The condition of a pod that says that it is stopped from outside; empty while it is not."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == "DisruptionTarget" and each["status"] == "True"), {})


def controlling_job(obj: Object) -> str:
    """The uid of the Kubernetes Job that controls a pod, if one does."""
    controlling = controller(obj)
    return str(controlling["uid"]) if controlling.get("kind") == "Job" else ""


def _main_container(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    """The one that is named so, else the one that kubectl takes, else the first."""
    there = [str(each["name"]) for each in spec.get("containers") or ()]
    wished = (metadata.get("annotations") or {}).get(_DEFAULT_CONTAINER_ANNOTATION)
    return next((name for name in (DEFAULT_CONTAINER, wished) if name in there), there[0] if there else "")


def _init_containers(spec: Mapping[str, Any], statuses: Iterable[Container]) -> tuple[list[Container], list[Container]]:
    """Native sidecars, and the containers that must end before the others start."""
    native = {each["name"] for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"}
    sidecars: list[Container] = []
    before: list[Container] = []
    for each in statuses:
        (sidecars if each["name"] in native else before).append(each)
    return sidecars, before


def _waiting(before: list[Container], ordinary: list[Container], main: Container) -> Mapping[str, Any]:
    """The first error that keeps containers from starting, unless the main one runs.

    A sidecar that is started again later is none.
    """
    if not _start(main):
        asked = [*before, *ordinary]
    elif _end(main):
        asked = [each for each in ordinary if not _start(each)]
    else:
        return {}
    states = [(each.get("state") or {}).get("waiting") or {} for each in asked]
    return next((state for state in states if state and state.get("reason") not in _NOT_AN_ERROR), {})


def _telling_end(containers: list[Container], main: Container) -> Container:
    """The container whose end tells how the pod ended.

    The main one, if it failed; else one that was out of memory, else the first that failed, else the last that ended.
    """
    ends = [each for each in containers if _end(each)]
    failed = [each for each in ends if _end(each).get("exitCode", 0) != 0]
    killed = [each for each in failed if _out_of_memory(each)]
    return next(iter([each for each in failed if each is main] or killed or failed or ends[-1:]), {})


def _end(container: Container) -> Mapping[str, Any]:
    ended: Mapping[str, Any] = (container.get("state") or {}).get("terminated") or {}
    return ended


def _stopped_at(container: Container) -> float:
    """When a container ended; never, as long as it has not."""
    stopped = timestamp(_end(container).get("finishedAt"))
    return inf if stopped is None else stopped


def _out_of_memory(container: Container) -> bool:
    """Whether a container failed because memory ran out; one may lose a child to that and still succeed."""
    end = _end(container)
    return end.get("reason") == "OOMKilled" and end.get("exitCode", 0) != 0


def _start(container: Container) -> str:
    """When a container started to run, this time or the last; nothing if it never has."""
    for field in ("state", "lastState"):
        state = container.get(field) or {}
        started: str | None = (state.get("running") or state.get("terminated") or {}).get("startedAt")
        if started:
            return started
    return ""


def _is_silent(conditions: Mapping[str, Mapping[str, Any]], sidecars: list[Container]) -> bool:
    """Whether the statuses of the containers say nothing yet.

    The kubelet tells of volumes and of the pod's sandbox in Events only, and of a sidecar's failing startup probe.
    """
    if conditions.get("PodScheduled", {}).get("status") == "False":
        return False
    prepared = conditions.get("PodReadyToStartContainers", {}).get("status") == "True"
    return not prepared or any(
        each.get("started") is False and "running" in (each.get("state") or {}) for each in sidecars
    )


def _bound_at(obj: Object, scheduled: Mapping[str, Any]) -> float | None:
    if not (obj.get("spec") or {}).get("nodeName"):
        return None
    reported = timestamp(scheduled.get("lastTransitionTime")) if scheduled.get("status") == "True" else None
    return reported if reported is not None else created_at(obj)


def _asked_to_stop_at(metadata: Mapping[str, Any], disruption: Mapping[str, Any]) -> float | None:
    """When the pod was first asked to stop from outside: a deletion shows the time by which it is to be over."""
    due = timestamp(metadata.get("deletionTimestamp"))
    deleted_at = None if due is None else due - (metadata.get("deletionGracePeriodSeconds") or 0)
    return earliest(timestamp(disruption.get("lastTransitionTime")), deleted_at)


def _is_forced(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> bool:
    """Whether a deletion does not wait for the kubelet, and that by somebody's wish and not by the pod's own spec."""
    grace = metadata.get("deletionGracePeriodSeconds")
    return "deletionTimestamp" in metadata and grace == 0 and spec.get("terminationGracePeriodSeconds") != 0


def _deadline(spec: Mapping[str, Any], status: Mapping[str, Any]) -> float | None:
    started, limit = timestamp(status.get("startTime")), spec.get("activeDeadlineSeconds")
    return None if started is None or limit is None else started + limit


def _why_disrupted(condition: Mapping[str, Any]) -> str:
    reason, message = condition.get("reason", ""), condition.get("message", "")
    return f"{reason}: {message}" if message else str(reason)
