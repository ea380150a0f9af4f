"""From Kubernetes Jobs and pods of the API server to the core's records of runs. Pure; called by the cache.

Only what `marks` believes is read: then labels and annotations are there, and true.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchyard.api import names
from batchyard.core.arrayrecords import IndexedJob
from batchyard.core.indexes import IndexSet
from batchyard.core.records import Key, Pod, Run
from batchyard.core.resources import pod_requests
from batchyard.manifests.job import read_consumables, read_request
from batchyard.manifests.terms import read_terms
from batchyard.runtime.readers import Object, created_at, timestamp

MAX_OUT_OF_MEMORY = 20
"""Containers that were killed of which a pod's record tells: they stand in the status with each attempt."""


def owner(obj: Object) -> tuple[Key, str] | None:
    """Namespace, name and uid of the BatchJob that a Kubernetes Job or a pod says it belongs to."""
    metadata = obj["metadata"]
    labels = metadata.get("labels") or {}
    if names.JOB not in labels or names.JOB_UID not in labels:
        return None
    return (metadata["namespace"], labels[names.JOB]), labels[names.JOB_UID]


def is_controlled(obj: Object) -> bool:
    """Whether a Kubernetes Job has the BatchJob that it says it belongs to as its controller."""
    found, controller = owner(obj), _controller(obj)
    return (
        found is not None
        and controller.get("kind") == names.BATCH_JOB
        and controller["apiVersion"].startswith(names.GROUP + "/")
        and (controller["name"], controller["uid"]) == (found[0][1], found[1])
    )


def belongs_to(obj: Object, uid: str) -> bool:
    """Whether a Kubernetes Job says in any way that it belongs to the BatchJob of this uid."""
    found = owner(obj)
    return _controller(obj).get("uid") == uid or (found is not None and found[1] == uid)


def _controller(obj: Object) -> Mapping[str, Any]:
    references = obj["metadata"].get("ownerReferences") or ()
    return next((each for each in references if each.get("controller")), {})


def run(obj: Object, known: Run | None = None) -> Run | None:
    """Read a Kubernetes Job; None when it is not Batchyard's. What `known` tells cannot change, whatever labels say."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    ended = condition(obj)
    constant = known or _made(obj)
    if constant is None:
        return None
    return replace(
        constant,
        active=status.get("active", 0),
        ready=status.get("ready", 0),
        started_at=timestamp(status.get("startTime")),
        condition=ended.get("type", ""),
        condition_reason=ended.get("reason", ""),
        condition_message=ended.get("message", ""),
        ended_at=timestamp(ended.get("lastTransitionTime")),
        deleting="deletionTimestamp" in metadata,
        indexed=_indexed(obj, known) if constant.indexed is not None else None,
        suspended_at=_suspended_at(obj),
    )


def condition(obj: Object) -> Mapping[str, Any]:
    """The condition of a Kubernetes Job that says that it has ended; empty while it has not."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    ends = (each for each in conditions if each["status"] == "True" and each["type"] in ("Complete", "Failed"))
    return next(ends, {})


def _made(obj: Object) -> Run | None:
    """What a Kubernetes Job says about itself from its creation on."""
    belongs = owner(obj)
    if belongs is None:
        return None
    metadata = obj["metadata"]
    labels, annotations = metadata["labels"], metadata["annotations"]
    return Run(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=belongs[0],
        owner_uid=belongs[1],
        number=int(labels[names.RUN]),
        attempt=int(annotations[names.ATTEMPT]),
        queue=labels.get(names.QUEUE, ""),
        environment=labels.get(names.ENVIRONMENT, ""),
        revision=int(labels[names.REVISION]),
        request=read_request(annotations) or pod_requests(obj["spec"]["template"]["spec"]),
        created=created_at(obj),
        node=int(labels[names.NODE]) if names.NODE in labels else None,
        main_uid=annotations.get(names.MAIN_UID, ""),
        share=annotations.get(names.SHARE, ""),
        consumables=read_consumables(annotations),
        indexed=IndexedJob(0, 0) if names.ARRAY in labels else None,
        index=int(labels[names.INDEX]) if names.INDEX in labels else None,
        terms=read_terms(annotations),
    )


def _suspended_at(obj: Object) -> float | None:
    if not obj["spec"].get("suspend"):
        return None
    conditions = (obj.get("status") or {}).get("conditions") or ()
    since = (each.get("lastTransitionTime") for each in conditions if each["type"] == "Suspended")
    return timestamp(next(since, None)) or created_at(obj)


def _indexed(obj: Object, known: Run | None) -> IndexedJob:
    """What an Indexed Job shows; a text of indexes that is the same as before is not read again."""
    spec, status = obj["spec"], obj.get("status") or {}
    before = known.indexed if known and known.indexed else IndexedJob(0, 0)

    def indexes(field: str, last: IndexSet) -> IndexSet:
        text = status.get(field) or ""
        return last if text == str(last) else IndexSet.parse(text)

    return IndexedJob(
        size=spec["completions"],
        parallelism=spec["parallelism"],
        terminating=status.get("terminating") or 0,
        completed=indexes("completedIndexes", before.completed),
        failed=indexes("failedIndexes", before.failed),
    )


def controlling_job(obj: Object) -> str:
    """The uid of the Kubernetes Job that controls a pod, if one does."""
    controller = _controller(obj)
    return str(controller["uid"]) if controller.get("kind") == "Job" else ""


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
    index = labels.get(names.COMPLETION_INDEX, "")
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    disruption = conditions.get("DisruptionTarget", {})
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=(metadata["namespace"], labels[names.JOB]),
        owner_uid=labels[names.JOB_UID],
        run=labels["batch.kubernetes.io/job-name"],
        job_uid=controlling_job(obj),
        created=created_at(obj),
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
        )[:MAX_OUT_OF_MEMORY],
        failed_container=_failed_container(containers),
        index=int(index) if index.isdecimal() else None,
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        address=status.get("podIP", ""),
        deleting="deletionTimestamp" in metadata,
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


def _failed_container(containers: list[Mapping[str, Any]]) -> str:
    """The first container that ended with an exit code other than 0."""
    failed = (
        each["name"]
        for each in containers
        if ((each.get("state") or {}).get("terminated") or {}).get("exitCode", 0) != 0
    )
    return next(failed, "")


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
