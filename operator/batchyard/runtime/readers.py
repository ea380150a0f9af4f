"""From objects of the API server to the core's records. Pure; called by the cache for every event.

Batchyard's own kinds are checked against their models once, when they are first seen or changed: the CRDs have done
so before, but the operator and the CRDs may be of different versions. What does not pass becomes the record's
`refusal`, a sentence that ends in the job's status.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchyard.api import names
from batchyard.api.arrays import INDEXES
from batchyard.api.batchjob import DependencyType, StopMode
from batchyard.api.consumableresource import ConsumableType
from batchyard.api.jobqueue import PolicyType, ShareAdmission
from batchyard.api.sizes import too_large
from batchyard.api.unsupported import refusals
from batchyard.api.validation import (
    InvalidObject,
    parse_batchjob,
    parse_computeenvironment,
    parse_consumableresource,
    parse_jobdefinition,
    parse_jobqueue,
)
from batchyard.core import revisions
from batchyard.core.arrayrecords import ArrayShape, IndexStop, Rerun
from batchyard.core.consumables import Consumable
from batchyard.core.environmentrecords import UNSCHEDULABLE_SECONDS, Environment, Node, Toleration
from batchyard.core.indexes import MAX_DIGITS, IndexSet
from batchyard.core.queuerecords import FairShare, Limits, Queue, Selector
from batchyard.core.records import BatchJob, Definition, Dependency, Key, Stop
from batchyard.core.resources import is_name, parse_resources
from batchyard.manifests.times import parse_time

Object = Mapping[str, Any]
_INDEXES = re.compile(INDEXES, re.ASCII)
_KEPT_OF_LARGE = frozenset({"jobQueue", "jobDefinition", "shareIdentifier", "ttlSecondsAfterFinished", "array"})


def key_of(obj: Object) -> Key:
    """Namespace ("" for cluster-scoped kinds) and name."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def spec_of(obj: Object) -> Object:
    """The spec, nothing where it is no object: the models say so."""
    spec = obj.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def last_seen(event: Object) -> str:
    """When an Event happened last. Each way of counting repetitions has a field of its own for it."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((str(each) for each in times if each), event["metadata"].get("creationTimestamp") or "")


def timestamp(text: str | None) -> float | None:
    """Seconds since the epoch of a time that may be missing."""
    return parse_time(text) if text else None


def created_at(obj: Object) -> float:
    """When the API server took the object in."""
    return timestamp(obj["metadata"].get("creationTimestamp")) or 0.0


def _refusal(kind: str, obj: Object, parse: Any) -> str:
    refused = refusals(kind, spec_of(obj))
    if refused:
        return "; ".join(refused)
    try:
        parse(obj)
    except InvalidObject as error:
        return str(error)
    return ""


def batchjob(obj: Object) -> BatchJob:
    """Read a BatchJob. Of one that is too large next to nothing is kept."""
    metadata = obj["metadata"]
    spec = spec_of(obj)
    if refusal := too_large(names.BATCH_JOB, spec):
        kept = {name: each for name, each in spec.items() if name in _KEPT_OF_LARGE}
        return replace(batchjob({**obj, "spec": kept}), spec={}, refusal=refusal)
    definition, _, revision = str(spec.get("jobDefinition", "")).partition(":")
    refusal = _refusal(names.BATCH_JOB, obj, parse_batchjob)
    return BatchJob(
        key=key_of(obj),
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=created_at(obj),
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
        array=_array(spec),
    )


def _array(spec: Object) -> ArrayShape | None:
    """The shape of an array. A job that is refused for something else stays an array: it may have started."""
    array = spec.get("array")
    size = array.get("size") if isinstance(array, Mapping) else None
    if not isinstance(array, Mapping) or not isinstance(size, int) or size >= 10**MAX_DIGITS:
        return None
    sequential = any("job" not in each for each in _entries(spec, "dependsOn"))
    stops = tuple(
        IndexStop(IndexSet.parse(each["indexes"]), str(each.get("reason", "")))
        for each in _entries(spec, "stopIndexes")
        if _INDEXES.fullmatch(str(each.get("indexes", "")))
    )
    limits = _whole(array.get("maxConcurrency")), _whole(array.get("maxFailedIndexes"))
    return ArrayShape(size, *limits, sequential, stops, _rerun(array.get("rerun")))


def _entries(spec: Object, field: str) -> list[Object]:
    """The objects of a list, whatever else is in it, or stands in its place."""
    found = spec.get(field)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _rerun(rerun: Any) -> Rerun | None:
    if not isinstance(rerun, Mapping):
        return None
    indexes = str(rerun.get("indexes", "Failed"))
    return Rerun(str(rerun.get("job", "")), IndexSet.parse(indexes) if _INDEXES.fullmatch(indexes) else None)


def _dependencies(spec: Object) -> tuple[Dependency, ...]:
    """The other jobs that a job waits for. Sequential with another job says no more than Succeeded."""
    others = [each for each in spec.get("dependsOn") or () if "job" in each]
    wanted = ((each["job"], each.get("type", DependencyType.SUCCEEDED)) for each in others)
    found = [
        Dependency(job, DependencyType.SUCCEEDED if kind == DependencyType.SEQUENTIAL else DependencyType(kind))
        for job, kind in wanted
    ]
    if rerun := (spec.get("array") or {}).get("rerun"):
        found.append(Dependency(rerun["job"], DependencyType.FINISHED, rerun=True))
    return tuple(found)


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
    """Read a JobDefinition. Of the spec of one that is too large nothing is kept."""
    metadata = obj["metadata"]
    spec = spec_of(obj)
    if refusal := too_large(names.JOB_DEFINITION, spec):
        return replace(definition({**obj, "spec": {}}), refusal=refusal)
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
    spec = {} if refusal else spec_of(obj)
    selector = spec.get("namespaceSelector")
    return Queue(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=created_at(obj),
        priority=spec.get("priority", 0),
        enabled=spec.get("state", "Enabled") == "Enabled",
        environments=tuple(spec.get("computeEnvironments") or ()),
        namespaces=None if selector is None else _selector(selector),
        fair_share=_fair_share(spec.get("schedulingPolicy") or {}),
        limits=_limits(spec),
        time_limits={each["reason"]: each["maxTimeSeconds"] for each in spec.get("jobStateTimeLimits") or ()},
        displaces_after=_displaces_after(spec.get("preemption") or {}),
        refusal=refusal,
    )


def _displaces_after(preemption: Mapping[str, Any]) -> int | None:
    return preemption.get("minimumRunSeconds", 0) if preemption.get("policy") == "LowerPriority" else None


def _fair_share(policy: Mapping[str, Any]) -> FairShare | None:
    if policy.get("type") != PolicyType.FAIR_SHARE:
        return None
    settings, defaults = policy.get("fairShare") or {}, FairShare()
    return FairShare(
        decay_seconds=settings.get("shareDecaySeconds", defaults.decay_seconds),
        reservation=settings.get("computeReservation", defaults.reservation),
        admission=ShareAdmission(settings.get("shareAdmission", defaults.admission)),
        weights={each["shareIdentifier"]: each.get("weightFactor", 1.0) for each in settings.get("shares") or ()},
    )


def _limits(spec: Mapping[str, Any]) -> Limits | None:
    own = spec.get("limits") or {}
    listed = ((spec.get("schedulingPolicy") or {}).get("fairShare") or {}).get("shares") or ()
    shares = {each["shareIdentifier"]: each["maxRunningJobs"] for each in listed if "maxRunningJobs" in each}
    found = Limits(own.get("maxRunningJobs"), own.get("maxRunningJobsPerShare"), shares)
    return None if found == Limits() else found


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
    spec = {} if refusal else spec_of(obj)
    unmanaged = spec.get("unmanaged") or {}
    return Environment(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=created_at(obj),
        enabled=spec.get("state", "Enabled") == "Enabled",
        node_selector=unmanaged.get("nodeSelector") or {},
        tolerations=tuple(_toleration(each) for each in unmanaged.get("tolerations") or ()),
        ceilings=_ceilings(spec),
        refusal=refusal,
        unschedulable_seconds=spec.get("unschedulableSeconds", UNSCHEDULABLE_SECONDS),
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


def consumable(obj: Object) -> Consumable:
    """Read a ConsumableResource; of a refused one there is none, but its type stays what it was."""
    metadata, spec = obj["metadata"], spec_of(obj)
    refusal = _refusal(names.CONSUMABLE_RESOURCE, obj, parse_consumableresource)
    return Consumable(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 1),
        created=created_at(obj),
        total=0 if refusal else spec["total"],
        replenishable=spec.get("type") != ConsumableType.NON_REPLENISHABLE,
        refusal=refusal,
    )


def node(obj: Object) -> Node:
    """Read a Node. A resource whose name is none is not there: nothing can ask for it, and statuses show the names."""
    spec, status = spec_of(obj), obj.get("status") or {}
    readiness: Object = next((each for each in status.get("conditions") or () if each["type"] == "Ready"), {})
    lost = readiness.get("status") == "Unknown"
    allocatable = {name: each for name, each in (status.get("allocatable") or {}).items() if is_name(name)}
    return Node(
        name=obj["metadata"]["name"],
        labels=obj["metadata"].get("labels") or {},
        allocatable=parse_resources(allocatable),
        taints=tuple(
            (taint["key"], taint.get("value") or "", taint["effect"])
            for taint in spec.get("taints") or ()
            if taint["effect"] in ("NoSchedule", "NoExecute")
        ),
        ready=readiness.get("status") == "True",
        schedulable=not spec.get("unschedulable", False),
        lost=lost,
        lost_since=timestamp(readiness.get("lastTransitionTime")) if lost else None,
    )
