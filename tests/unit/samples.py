"""Valid records for tests of the core and of the manifests; a test changes what it is about."""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from typing import Any

from batchyard.api.models.batchjob import JobState
from batchyard.api.names import NODE_ENVIRONMENT
from batchyard.core.definition.revisions import digest
from batchyard.core.definition.template import resolve
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.definition import Definition, Resolved, Revision
from batchyard.core.model.environment import Environment, Toleration
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.managed import INSTANCE_TYPE, ManagedNodes, NodeClass, Shape
from batchyard.core.model.pods.constraints import Requirement
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources, parse_resources, subtract
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.selectors import usable
from batchyard.core.model.serverless import fargate
from batchyard.core.model.serverless.offer import Serverless
from batchyard.core.model.status import Attempt, Status
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.capacity.ledger import Charge
from batchyard.core.scheduling.capacity.pools import Pool, pool
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.placement import place_all
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z

CONTAINER: Mapping[str, Any] = {
    "name": "main",
    "image": "ghcr.io/acme/ffmpeg:7",
    "command": ["transcode", "--codec", "Ref::codec"],
    "resources": {"requests": {"cpu": "2", "memory": "4Gi"}},
}


def make_job(name: str = "videos", **spec: Any) -> BatchJob:
    return BatchJob(
        key=("media", name),
        uid="6f1c1f7e-0000-4000-8000-000000000001",
        generation=1,
        created=NOW,
        queue="urgent",
        definition="transcode",
        pinned_revision=None,
        spec={"jobQueue": "urgent", "jobDefinition": "transcode", **spec},
    )


def make_content(**spec: Any) -> dict[str, Any]:
    form = {} if "template" in spec else {"container": CONTAINER}
    return {"parameters": {"codec": "h264"}, **form, **spec}


DEFINITION_UID = "6f1c1f7e-0000-4000-8000-000000000002"


def make_revision(number: int = 3, **spec: Any) -> Revision:
    content = make_content(**spec)
    return Revision(("media", "transcode"), number, content, digest(content), NOW, DEFINITION_UID)


def make_definition(**fields: Any) -> Definition:
    content = make_content()
    return Definition(
        **{
            "key": ("media", "transcode"),
            "uid": DEFINITION_UID,
            "generation": 4,
            "spec": content,
            "digest": digest(content),
            **fields,
        }
    )


def make_environment(**fields: Any) -> Environment:
    return Environment(
        **{
            "name": "pool",
            "uid": "6f1c1f7e-0000-4000-8000-000000000003",
            "generation": 2,
            "created": NOW,
            "enabled": True,
            **fields,
        }
    )


def make_managed(max_vcpus: int | None = 16, *, shapes: Iterable[Shape] = (), **fields: Any) -> Environment:
    """An environment whose nodes are made. Fields that `ManagedNodes` has go there."""
    own = {field.name: fields.pop(field.name) for field in dataclass_fields(ManagedNodes) if field.name in fields}
    nodes: dict[str, Any] = {
        "node_class": NodeClass("karpenter.kwok.sh", "KWOKNodeClass", "default"),
        "shapes": tuple(shapes),
        **own,
    }
    name = fields.get("name", "pool")
    nodes.setdefault("labels", {NODE_ENVIRONMENT: name})
    if nodes["shapes"]:
        types = Requirement(INSTANCE_TYPE, "In", tuple(shape.instance_type for shape in nodes["shapes"]))
        nodes.setdefault("requirements", (types,))
    ceilings = {} if max_vcpus is None else {"cpu": max_vcpus * 1000}
    return make_environment(
        **{
            "ceilings": ceilings,
            "node_selector": {NODE_ENVIRONMENT: name},
            "tolerations": (Toleration(key=NODE_ENVIRONMENT, value=name, effect="NoSchedule"),),
            "managed": ManagedNodes(**nodes),
            **fields,
        }
    )


FARGATE = Serverless(
    "fargate",
    fargate.SIZES,
    fargate.SYSTEM_MEMORY,
    fargate.MOST_STORAGE,
    equal_limits=True,
    node_labels=fargate.NODE_LABELS,
    ended_pod_seconds=fargate.ENDED_POD_SECONDS,
)
VIRTUAL = Serverless("virtualNodes")


def make_serverless(max_vcpus: int = 16, *, offer: Serverless = FARGATE, **fields: Any) -> Environment:
    """An environment whose pods need no nodes of its own. Fields that its offer has go there."""
    own = {field.name: fields.pop(field.name) for field in dataclass_fields(Serverless) if field.name in fields}
    defaults: dict[str, Any] = {"ceilings": {"cpu": max_vcpus * 1000}, "count_other_pods": False}
    return make_environment(**{**defaults, "serverless": replace(offer, **own), **fields})


def make_shape(instance_type: str = "m5.large", cpu: int = 2, memory: str = "8Gi", **devices: int) -> Shape:
    """An instance type as a provider states it."""
    return Shape(instance_type, parse_resources({"cpu": str(cpu), "memory": memory, **devices}))


def make_claim(name: str = "pool-abcde", *, cpu: str = "2", usable_cpu: str = "1900m", **fields: Any) -> NodeClaim:
    """A node that was asked for and launched."""
    defaults: dict[str, Any] = {
        "environment": "pool",
        "created": NOW,
        "labels": {INSTANCE_TYPE: "m5.large", NODE_ENVIRONMENT: "pool"},
        "capacity": parse_resources({"cpu": cpu, "memory": "8Gi", "pods": "110"}),
        "allocatable": parse_resources({"cpu": usable_cpu, "memory": "7Gi", "pods": "110"}),
    }
    return NodeClaim(**{"name": name, **defaults, **fields})


def make_resolved(job: BatchJob | None = None, **content: Any) -> Resolved:
    return resolve(job or make_job(), make_revision(**content))


JOB_UID = make_job().uid


def make_queue(name: str = "urgent", **fields: Any) -> Queue:
    defaults: dict[str, Any] = {
        "uid": f"uid-{name}",
        "generation": 1,
        "created": NOW,
        "priority": 1,
        "enabled": True,
        "environments": ("pool",),
    }
    return Queue(name=name, **{**defaults, **fields})


def make_node(name: str = "node-1", *, cpu: str = "4", memory: str = "16Gi", **fields: Any) -> Node:
    allocatable = parse_resources({"cpu": cpu, "memory": memory, "pods": "110"})
    return Node(**{"name": name, "labels": {}, "allocatable": allocatable, **fields})


def make_pool(*nodes: Node, **environment: Any) -> Pool:
    return pool(make_environment(**environment), nodes or [make_node()])


def make_run(number: int = 1, **fields: Any) -> Run:
    defaults: dict[str, Any] = {
        "name": f"videos-{number}",
        "uid": f"uid-run-{number}",
        "owner": ("media", "videos"),
        "owner_uid": JOB_UID,
        "number": number,
        "attempt": number,
        "queue": "urgent",
        "environment": "pool",
        "revision": 3,
        "request": {"cpu": 1000},
        "created": NOW,
    }
    return Run(**{**defaults, **fields})


def succeeded(number: int = 1, **fields: Any) -> Run:
    return make_run(number, condition="Complete", ended_at=NOW + 60, **fields)


def exited(number: int = 1, code: int = 1, **fields: Any) -> Run:
    """A run whose container ended with an exit code."""
    message = (
        f"Container main for pod media/videos-{number}-x failed with exit code {code} matching FailJob rule at index 1"
    )
    return failed(number, "PodFailurePolicy", message, **fields)


def interrupted(number: int = 1, **fields: Any) -> Run:
    message = f"Pod media/videos-{number}-x has condition DisruptionTarget matching FailJob rule at index 0"
    return failed(number, "PodFailurePolicy", message, **fields)


def failed(number: int, reason: str, message: str = "", **fields: Any) -> Run:
    ended = {"condition": "Failed", "condition_reason": reason, "condition_message": message, "ended_at": NOW + 60}
    return make_run(number, **{**ended, **fields})


def make_pod(number: int = 1, **fields: Any) -> Pod:
    defaults: dict[str, Any] = {
        "name": f"videos-{number}-x",
        "uid": f"uid-pod-{number}",
        "owner": ("media", "videos"),
        "owner_uid": JOB_UID,
        "run": f"videos-{number}",
        "created": NOW,
    }
    return Pod(**{**defaults, **fields})


def make_attempt(run: int = 1, **fields: Any) -> Attempt:
    return Attempt(**{"run": run, "attempt": run, "job_name": f"videos-{run}", "environment": "pool", **fields})


def runs_by_number(*runs: Run) -> dict[int, Run]:
    return {run.number: run for run in runs}


def pods_by_run(*pods: Pod) -> dict[str, Pod]:
    return {pod.run: pod for pod in pods}


def job_runs(runs: Iterable[Run], pods: Iterable[Pod] = (), **fields: Any) -> JobRuns:
    """What runs of one job."""
    found = JobRuns(pods=pods_by_run(*pods), **fields)
    for run in runs:
        if run.main_uid:
            found.children[run.name] = run
        elif run.index is not None:
            found.indexes[run.name] = run
        else:
            found.mains[run.number] = run
    return found


def by_job(runs: Iterable[Run], pods: Iterable[Pod] = ()) -> dict[str, JobRuns]:
    """What runs of jobs, under their uids."""
    runs, pods = list(runs), list(pods)
    return {
        uid: job_runs([run for run in runs if run.owner_uid == uid], [pod for pod in pods if pod.owner_uid == uid])
        for uid in dict.fromkeys([*(run.owner_uid for run in runs), *(pod.owner_uid for pod in pods)])
    }


def dependents_of(jobs: Iterable[BatchJob]) -> dict[Key, set[Key]]:
    """The index of the cache."""
    found: dict[Key, set[Key]] = {}
    for job in jobs:
        for dependency in job.depends_on:
            found.setdefault((job.key[0], dependency.job), set()).add(job.key)
    return found


def taken(
    used: Mapping[str, Resources], nodes: Iterable[Node], environments: Iterable[Environment]
) -> dict[Hashable, Charge]:
    """What is used of environments, as charges of others: as much on each node as it has, the rest on the last."""
    found: dict[Hashable, Charge] = {}
    for environment in environments:
        own = [each for each in nodes if usable(environment, each)]
        rest: Resources = used.get(environment.name, {})
        bound: dict[str, Resources] = {}
        for node in own:
            here = {name: min(amount, node.allocatable.get(name, 0)) for name, amount in rest.items()}
            here = dict(rest) if node is own[-1] else here
            bound[node.name], rest = here, subtract(rest, here)
        found["used", environment.name] = Charge(
            environment.name, used.get(environment.name, {}), ("media", "others"), bound=bound
        )
    return found


def make_snapshot(
    *,
    jobs: Iterable[BatchJob] = (),
    statuses: Mapping[Key, Status] | None = None,
    queues: Iterable[Queue] | None = None,
    environments: Iterable[Environment] | None = None,
    nodes: Iterable[Node] | None = None,
    runs: Iterable[Run] = (),
    pods: Iterable[Pod] = (),
    children: Iterable[Run] = (),
    **fields: Any,
) -> Snapshot:
    """A snapshot with one node, environment, queue, definition and revision, and jobs of one uid each.

    `claims` among the fields are nodes that were asked for.
    """
    jobs, claims = list(jobs), list(fields.pop("claims", ()))
    environments = [make_environment()] if environments is None else list(environments)
    if nodes is None and len(environments) > 1:  # each has a node of its own
        environments = [replace(each, node_selector={"pool": each.name}) for each in environments]
        nodes = [make_node(f"node-{each.name}", labels={"pool": each.name}) for each in environments]
    nodes = [make_node()] if nodes is None else list(nodes)
    if "charges" not in fields:
        fields = {**fields, "charges": taken(fields.get("used", {}), nodes, environments)}
    defaults: dict[str, Any] = {
        "definitions": {("media", "transcode"): make_definition()},
        "revisions": {("media", "transcode"): {3: make_revision(3)}},
        "namespaces": {"media": {}},
        "backlog": Backlog(),
        "dependents": dependents_of(jobs),
        "unpersisted_ends": (),
        "resolved": {},
        "granted": {},
        "used": {},
    }
    return Snapshot(
        jobs={job.key: job for job in jobs},
        statuses={job.key: Status() for job in jobs} if statuses is None else statuses,
        runs=by_job([*runs, *children], pods),
        queues={queue.name: queue for queue in ([make_queue()] if queues is None else queues)},
        environments={environment.name: environment for environment in environments},
        pools={environment.name: pool(environment, nodes, claims=claims) for environment in environments},
        **{**defaults, **fields},
    )


def waiting(
    *jobs: BatchJob, request: Resources | None = None, requests: Mapping[Key, Resources] | None = None, **fields: Any
) -> Snapshot:
    """A snapshot in which the jobs wait for capacity."""
    backlog = Backlog()
    for job in jobs:
        backlog.add(job)
    size = {"cpu": 1000} if request is None else request
    resolved = {job.key: replace(make_resolved(), request=(requests or {}).get(job.key, size)) for job in jobs}
    statuses = {job.key: Status(state=JobState.RUNNABLE, revision=3) for job in jobs}
    return make_snapshot(jobs=jobs, statuses=statuses, resolved=resolved, backlog=backlog, **fields)


def decisions_of(snapshot: Snapshot) -> Iterator[tuple[Key, Placement | Hold]]:
    """What placement decides in a pass over a snapshot."""
    return place_all(SchedulingPass(snapshot, NOW))
