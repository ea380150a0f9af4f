"""The workload file: environments, queues, and where the jobs come from.

Its queues have the fields of a JobQueue, so what was tried here can be applied as it is. What is wrong in the file
ends in one sentence with the file, the field and a remedy.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from batchyard.api.models.base import Integer, ListMap, Model, Name, Number, Quantity
from batchyard.api.models.consumableresource import ConsumableResourceSpec, ConsumableType
from batchyard.api.models.jobqueue import (
    LIMITS_OF_SHARES,
    JobStateTimeLimit,
    PolicyType,
    Preemption,
    Queueing,
    QueueLimits,
    SchedulingPolicy,
)
from batchyard.api.validation import InvalidObject, parse
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.environment import Environment
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import parse_resources
from batchyard.core.scheduling.capacity.pools import Pool, pool
from batchyard.objects.kinds.computeenvironment import ceilings
from batchyard.objects.kinds.jobqueue import bypass_seconds, fair_share, preempts_after, queue_limits, time_limits
from batchyard.simulator.submission import Amounts, LeftOut, Submission
from batchyard.simulator.swf import Trace, read_trace
from batchyard.simulator.synthetic import Synthetic, generate

_PODS_PER_NODE = 110
_UNLIMITED = 2**60
"""What an environment without nodes has of pods, and of memory without a ceiling."""


class InvalidWorkload(Exception):  # noqa: N818 - says what is wrong, as Kubernetes reasons do
    """The workload cannot be simulated; the text is one readable sentence."""


class NodesSpec(Model):
    """Nodes of one kind."""

    count: Annotated[Integer, Field(ge=1, le=100_000)]
    """How many there are."""
    resources: Amounts
    """What jobs can use of each, such as `cpu: 16`, `memory: 60Gi`; `pods` is 110 unless it is set."""


class EnvironmentSpec(Model):
    """A compute environment: nodes, ceilings, or both. With ceilings alone, nodes come as they are needed."""

    name: Name
    nodes: tuple[NodesSpec, ...] = ()
    """The nodes it has."""
    max_vcpus: Annotated[Number, Field(gt=0, le=10_000_000)] | None = None
    """Ceiling on the vCPUs that jobs use together; required without nodes."""
    max_memory: Quantity | None = None
    """Ceiling on the memory that jobs use together."""
    max_gpus: Annotated[Integer, Field(ge=0, le=1_000_000)] | None = None
    """Ceiling on the GPUs that jobs use together."""
    price_per_vcpu_hour: Annotated[Number, Field(ge=0)] | None = None
    """What one vCPU costs for an hour, in any currency."""

    def pool(self) -> Pool:
        """Its capacity, as the planner sees it."""
        limits = ceilings(self.max_vcpus, self.max_memory, self.max_gpus)
        environment = Environment(self.name, self.name, 1, 0.0, enabled=True, ceilings=limits)
        if not self.nodes:
            return pool(environment, [Node(self.name, {}, {"memory": _UNLIMITED, "pods": _UNLIMITED, **limits})])
        shapes = (parse_resources(nodes.resources) for nodes in self.nodes for _ in range(nodes.count))
        return pool(
            environment,
            (
                Node(f"{self.name}-{number:06}", {}, {"pods": _PODS_PER_NODE, **shape})
                for number, shape in enumerate(shapes, start=1)
            ),
        )


class QueueSpec(Model):
    """A queue, with the fields of a JobQueue's spec that decide who starts when."""

    name: Name
    priority: Annotated[Integer, Field(ge=0, le=1_000_000)] = 0
    """Queues that share an environment are served by priority, the highest first."""
    compute_environments: Annotated[tuple[Name, ...], Field(min_length=1, max_length=10)]
    """Environments in the order in which they are tried."""
    scheduling_policy: SchedulingPolicy = SchedulingPolicy()
    """FIFO or FairShare."""
    queueing: Queueing = Queueing()
    """What happens while the job at the head of the queue finds no room."""
    limits: QueueLimits | None = None
    """Ceilings on what runs at the same time."""
    preemption: Preemption | None = None
    """Whether its jobs may displace running ones of queues with a lower priority."""
    job_state_time_limits: Annotated[tuple[JobStateTimeLimit, ...], ListMap("reason")] = ()
    """Cancels jobs that cannot be placed for too long."""

    rules = (LIMITS_OF_SHARES,)

    @property
    def shares_fairly(self) -> bool:
        """Whether its jobs need a share."""
        return self.scheduling_policy.type is PolicyType.FAIR_SHARE

    def record(self, position: int) -> Queue:
        """The planner's record; between queues of one priority the one listed first goes first."""
        return Queue(
            self.name,
            self.name,
            1,
            float(position),
            self.priority,
            enabled=True,
            environments=self.compute_environments,
            fair_share=fair_share(self.scheduling_policy),
            limits=queue_limits(self.limits, self.scheduling_policy),
            bypass_seconds=bypass_seconds(self.queueing),
            time_limits=time_limits(self.job_state_time_limits),
            preempts_after=preempts_after(self.preemption),
        )


class ConsumableSpec(ConsumableResourceSpec):
    """A consumable resource, with the fields of a ConsumableResource's spec."""

    name: Name

    def record(self) -> Consumable:
        """The planner's record."""
        replenishable = self.type is ConsumableType.REPLENISHABLE
        return Consumable(self.name, self.name, 1, 0.0, self.total, replenishable=replenishable)


class Workload(Model):
    """The whole file. Jobs are either made up (`synthetic`) or read from a trace (`swf`)."""

    environments: Annotated[tuple[EnvironmentSpec, ...], Field(min_length=1), ListMap("name")]
    queues: Annotated[tuple[QueueSpec, ...], Field(min_length=1), ListMap("name")]
    consumable_resources: Annotated[tuple[ConsumableSpec, ...], ListMap("name")] = ()
    """What streams may ask for beside capacity."""
    synthetic: Synthetic | None = None
    swf: Trace | None = None

    def submissions(self, folder: Path, left_out: LeftOut, jobs: int | None = None) -> Iterator[Submission]:
        """The jobs in the order in which they come, at most `jobs`; a trace is looked for in `folder`."""
        if self.swf is not None:
            sharing = {queue.name for queue in self.queues if queue.shares_fairly}
            return islice(read_trace(folder / self.swf.file, self.swf, sharing, left_out), jobs)
        return islice(generate(self.synthetic), jobs or self.synthetic.jobs) if self.synthetic else iter(())


def load(path: Path) -> Workload:
    """Read a workload file. Raises InvalidWorkload."""
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidWorkload(f"{path} cannot be read: {error.strerror}; name a workload file that exists") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        at = getattr(error, "problem_mark", None)
        where = f" line {at.line + 1}" if at is not None else ""
        problem = getattr(error, "problem", None) or "this is not text"
        raise InvalidWorkload(f"{path}{where} is not YAML: {problem}; correct it there") from error
    if not isinstance(content, dict):
        raise InvalidWorkload(f"{path} must be an object with environments, queues, and synthetic or swf")
    try:
        workload = parse(Workload, content)
    except InvalidObject as error:
        raise InvalidWorkload(f"{path}: {error}") from error
    for sentence in _contradictions(workload):
        raise InvalidWorkload(f"{path}: {sentence}")
    return workload


def _contradictions(workload: Workload) -> Iterator[str]:
    """What is wrong between fields that are right each for themselves."""
    if (workload.synthetic is None) == (workload.swf is None):
        yield "jobs come from synthetic or from swf; write one of the two"
    known = {environment.name for environment in workload.environments}
    for number, environment in enumerate(workload.environments):
        if not environment.nodes and environment.max_vcpus is None:
            yield f"environments[{number}] ({environment.name}) has no capacity; give it nodes or maxVcpus"
    for number, queue in enumerate(workload.queues):
        for name in queue.compute_environments:
            if name not in known:
                yield (
                    f'queues[{number}].computeEnvironments names "{name}", which is not among environments; '
                    f"use one of {', '.join(sorted(known))}"
                )
    queues = {queue.name: queue for queue in workload.queues}
    for path, name in _named_queues(workload):
        if name not in queues:
            yield f'{path} names "{name}", which is not among queues; use one of {", ".join(sorted(queues))}'
    yield from _unknown_resources(workload)
    for number, stream in enumerate(workload.synthetic.streams if workload.synthetic else ()):
        if queues[stream.queue].shares_fairly and not stream.share_identifier:
            yield (
                f"synthetic.streams[{number}].shareIdentifier is required, as queue {stream.queue} shares fairly; "
                "name the share"
            )
        if stream.share_identifier and not queues[stream.queue].shares_fairly:
            yield (
                f"synthetic.streams[{number}].shareIdentifier means nothing in queue {stream.queue}, which is first "
                "come, first served; remove it, or give the queue the scheduling policy FairShare"
            )


def _unknown_resources(workload: Workload) -> Iterator[str]:
    known = {resource.name for resource in workload.consumable_resources}
    remedy = f"use one of {', '.join(sorted(known))}" if known else "list it there"
    for number, stream in enumerate(workload.synthetic.streams if workload.synthetic else ()):
        for at, need in enumerate(stream.consumable_resources):
            if need.name not in known:
                yield (
                    f'synthetic.streams[{number}].consumableResources[{at}] names "{need.name}", which is not among '
                    f"consumableResources; {remedy}"
                )


def _named_queues(workload: Workload) -> Iterator[tuple[str, str]]:
    for number, stream in enumerate(workload.synthetic.streams if workload.synthetic else ()):
        yield f"synthetic.streams[{number}].queue", stream.queue
    if workload.swf is not None:
        yield "swf.queue", workload.swf.queue
        for number, name in workload.swf.queues.items():
            yield f"swf.queues[{number}]", name
