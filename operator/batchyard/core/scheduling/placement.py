"""Which waiting jobs start now, and where: strict priority between queues, the queue's own order within one.

The order within a queue is first come, first served, or that of `fairshare`; what follows holds for both. The first job
of a queue that finds its environments full closes them to everything behind it and to every queue of lower priority, so
no stream of small jobs can starve a large one. A job that no environment could hold even when empty closes nothing and
keeps nothing: it waits aside and delays nobody. Who is held back by a limit of its queue or its share, or for lack of a
consumable resource (`limits`), closes nothing either.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from batchyard.api.reasons import Reason
from batchyard.core.model.array import MAIN_RUN, ArrayDemand, ArrayGrant
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.gang import Gang
from batchyard.core.model.job import Key
from batchyard.core.model.objectnames import index_run_name, run_name
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources, describe
from batchyard.core.scheduling.arraygrants import ArrayGrants
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.fairshare.order import FairShareOrder
from batchyard.core.scheduling.fairshare.usage import Usage
from batchyard.core.scheduling.ledger import Ledger, Pool
from batchyard.core.scheduling.limits import Limits, Name

Size = tuple[tuple[str, int], ...]
"""A request that can be looked up."""
_NO_ARRAYS: Mapping[Key, ArrayDemand] = MappingProxyType({})


@dataclass(slots=True, frozen=True)
class Placement:
    """A job and the environment it starts in."""

    key: Key
    environment: str
    request: Resources
    """What it takes there; of an array each of its places."""
    run: int = 1
    attempt: int = 1
    """The run to create, decided once: creating it again after a lost answer must mean the same run."""
    array: ArrayGrant | None = None

    @property
    def job_names(self) -> list[str]:
        """The Kubernetes Jobs that it stands for; of a multi-node job that of the main node."""
        name = self.key[1]
        if self.array is None:
            return [run_name(name, self.run)]
        main = [run_name(name, MAIN_RUN)] if self.array.slots else []
        return main + [index_run_name(name, each.run, each.index) for each in self.array.retries]

    @property
    def count(self) -> int:
        """How many times the request is taken."""
        return self.array.count if self.array is not None else 1


@dataclass(slots=True, frozen=True)
class Hold:
    """Why a job that was looked at does not start now."""

    reason: str
    message: str
    stalled: bool = False
    environments: tuple[str, ...] = ()
    """The environments that are full for it, of a job that goes before all others that wait for them."""
    lacks: Name | None = None
    """The limit that is used up, of a job that goes before all others that wait for it."""
    ends_share_queue: bool = False
    """Whether nobody behind the job in its share queue may start either."""


def scheduling_order(queues: Iterable[Queue]) -> list[Queue]:
    """Higher priority first; between equals the older queue, then the name, so that every pass agrees."""
    return sorted(queues, key=lambda queue: (-queue.priority, queue.created, queue.name))


class _Pass:
    """One pass over all queues; `closed`, `refused` and `held` only ever grow while it lasts."""

    def __init__(self, pools: Mapping[str, Pool], ledger: Ledger, demands: Mapping[Key, ArrayDemand]) -> None:
        self.pools = pools
        self.ledger = ledger
        self.growth = ArrayGrants(demands)
        self.closed: dict[str, Queue] = {}
        self.refused: set[tuple[str, Size]] = set()
        self.sizes: dict[int, Size] = {}
        """By the identity of what jobs were resolved to, which many of them share."""
        self.candidates: dict[tuple[str, Size | int], list[str]] = {}
        """Of a queue and a size, or the identity of what a multi-node job was resolved to: the environments that could
        hold it when empty."""
        self.holds: dict[tuple[str, Size], Hold] = {}
        """What an ordinary job of a queue and a size was told: the next one is told the same."""

    def homeless(self, queue: Queue, key: Key, resolved: Resolved, enabled: list[str]) -> Hold | None:
        """Say why no environment could hold a job even when empty, if so."""
        if (bound := self.growth.fixed(key)) and bound not in enabled:
            message = f"environment {bound}, in which the array runs, is disabled or does not exist"
            return Hold(Reason.COMPUTE_ENVIRONMENT_DISABLED, message)
        size = self._size(resolved)
        candidates = self._candidates(queue, size, resolved, enabled)
        if bound in candidates or (candidates and not bound):
            return None
        plain = resolved.ungrown is None and resolved.gang is None and not bound
        if plain and (told := self.holds.get((queue.name, size))):
            return told
        hold = self._misfit(queue, resolved, enabled)
        if plain:
            self.holds[queue.name, size] = hold
        return hold

    def place(
        self, queue: Queue, share_order: FairShareOrder, key: Key, resolved: Resolved, enabled: list[str]
    ) -> Placement | Hold:
        """Find the first environment, in the queue's order, that has room for the request."""
        size = self._size(resolved)
        plain = resolved.ungrown is None and resolved.gang is None and not self.growth.fixed(key)
        if plain and (told := self.holds.get((queue.name, size))):
            return told
        decision = self._placed(queue, share_order, key, resolved, size, enabled)
        if plain and isinstance(decision, Hold):
            self.holds[queue.name, size] = decision
        return decision

    def _size(self, resolved: Resolved) -> Size:
        size = self.sizes.get(id(resolved))
        if size is None:
            size = self.sizes[id(resolved)] = tuple(sorted(resolved.request.items()))
        return size

    def _placed(
        self, queue: Queue, share_order: FairShareOrder, key: Key, resolved: Resolved, size: Size, enabled: list[str]
    ) -> Placement | Hold:
        request = resolved.request
        candidates = self._candidates(queue, size, resolved, enabled)
        candidates = self.growth.order(key, candidates, self.closed, self.ledger, request)
        kept_back = False
        for name in candidates:
            if name in self.closed or (name, size) in self.refused:
                continue
            if not self.ledger.fits(name, request):
                self.refused.add((name, size))
            elif share_order.may_use(name, self.pools[name].capacity, request):
                self.ledger.charge(name, request)
                share_order.charge(name, request)
                return Placement(key, name, request)
            else:
                kept_back = True
        holder = next((self.closed[name] for name in candidates if name in self.closed), None)
        for name in candidates:
            self.closed.setdefault(name, queue)
        if kept_back:
            return _kept_back(queue, request, candidates)
        return self._full(queue, request, candidates, holder)

    def _candidates(self, queue: Queue, size: Size, resolved: Resolved, enabled: list[str]) -> list[str]:
        what = size if resolved.gang is None else id(resolved)
        found = self.candidates.get((queue.name, what))
        if found is None:
            found = [name for name in enabled if self.pools[name].could_hold(resolved.request, resolved.gang)]
            self.candidates[queue.name, what] = found
        return found

    def _misfit(self, queue: Queue, resolved: Resolved, enabled: list[str]) -> Hold:
        if not any(self.pools[name].nodes for name in enabled):
            names = ", ".join(enabled)
            return Hold(Reason.NO_NODES, f"no usable node in {_environments(enabled)} {names} of queue {queue.name}")
        if resolved.gang is not None:
            message = self._too_many(queue, resolved.request, resolved.gang, enabled)
            return Hold(Reason.EXCEEDS_CAPACITY, message, stalled=True)
        offers = "; ".join(f"{name}: {_offer(self.pools[name])}" for name in enabled)
        remedy = "lower its requests, or add larger nodes"
        if resolved.ungrown is not None:
            remedy = (
                "its memory has grown since it ran out of it: add larger nodes, or submit it anew with a lower "
                "retryStrategy.onOutOfMemory.maxMemory"
            )
        return Hold(
            Reason.EXCEEDS_CAPACITY,
            f"the job needs {describe(resolved.request)}, more than any environment of queue {queue.name} could ever "
            f"give one pod ({offers}); {remedy}",
            stalled=True,
        )

    def _too_many(self, queue: Queue, request: Resources, gang: Gang, enabled: list[str]) -> str:
        totals = "; ".join(f"{name}: {_total(self.pools[name])}" for name in enabled)
        each = " or ".join(dict.fromkeys(describe(group.request) for group in gang.groups))
        return (
            f"the job needs {gang.size} nodes at once ({each} each, {describe(request)} in all), more than any "
            f"environment of queue {queue.name} could ever give ({totals}); lower its requests or its number of nodes, "
            "or add nodes"
        )

    def _full(self, queue: Queue, request: Resources, candidates: list[str], holder: Queue | None) -> Hold:
        names = ", ".join(candidates)
        if holder is not None and holder.name != queue.name:
            return Hold(
                Reason.WAITING_FOR_HIGHER_PRIORITY,
                f"{_environments(candidates)} {names} {_is(candidates)} held for a job of queue {holder.name} "
                f"(priority {holder.priority}), which goes before queue {queue.name} (priority {queue.priority})",
            )
        waits = f"waits for {describe(request)} to become free in {_environments(candidates)} {names}"
        if queue.fair_share is not None:
            return Hold(
                Reason.INSUFFICIENT_CAPACITY,
                f"next in its share of queue {queue.name}; {waits}, where the share that has used least goes first",
                environments=tuple(candidates),
            )
        message = f"next in queue {queue.name}; {waits}"
        return Hold(Reason.INSUFFICIENT_CAPACITY, message, environments=tuple(candidates))


def place_all(
    *,
    queues: Iterable[Queue],
    environments: Mapping[str, Environment],
    pools: Mapping[str, Pool],
    backlog: Backlog,
    resolved: Mapping[Key, Resolved],
    ledger: Ledger,
    usage: Mapping[str, Usage],
    limits: Limits,
    now: float,
    demands: Mapping[Key, ArrayDemand] = _NO_ARRAYS,
) -> Iterator[tuple[Key, Placement | Hold]]:
    """Decide for each job that the pass has to look at; the jobs behind a closed queue are not looked at.

    An array comes up once for each place that it is granted, and once more if it does not get all that it asks for.
    """
    this_pass = _Pass(pools, ledger, demands)
    for queue in scheduling_order(queues):
        if not backlog.length(queue.name):
            continue
        known = [name for name in queue.environments if name in environments]
        enabled = [name for name in known if environments[name].enabled and not environments[name].refusal]
        blocked = _blocked(queue, [environments[name] for name in known], enabled)
        share_order = FairShareOrder(queue, backlog, resolved, usage.get(queue.name), now)
        for key in share_order:
            decision = (
                blocked
                # Before anything is kept for it: what waits for somebody to act takes nothing from others.
                or this_pass.homeless(queue, key, resolved[key], enabled)
                or _disallowed(limits, queue, share_order.share, resolved[key])
                or this_pass.place(queue, share_order, key, resolved[key], enabled)
            )
            yield key, decision
            if isinstance(decision, Placement):
                limits.charge(queue, share_order.share, resolved[key])
                if this_pass.growth.grant(key, decision.environment):
                    share_order.stay()
            elif blocked or decision.ends_share_queue or all(name in this_pass.closed for name in enabled):
                share_order.leave()
            elif decision.environments:
                limits.waits(queue, resolved[key])


def _disallowed(limits: Limits, queue: Queue, share: str, job: Resolved) -> Hold | None:
    found = limits.refusal(queue, share, job)
    if found is None:
        return None
    return Hold(found.reason, found.message, found.stalled, lacks=found.lacks, ends_share_queue=found.ends_share_queue)


def _blocked(queue: Queue, known: list[Environment], enabled: list[str]) -> Hold | None:
    if not queue.enabled:
        return Hold(Reason.JOB_QUEUE_DISABLED, f"queue {queue.name} is disabled: spec.state of the JobQueue")
    if not known:
        missing = ", ".join(queue.environments)
        return Hold(
            Reason.COMPUTE_ENVIRONMENT_NOT_FOUND,
            f"queue {queue.name} names {_environments(queue.environments)} {missing}, none of which exists",
        )
    if enabled:
        return None
    refused = next((environment for environment in known if environment.refusal), None)
    if refused is not None:
        message = f"environment {refused.name} of queue {queue.name} cannot be used: {refused.refusal}"
        return Hold(Reason.INVALID_SPEC, message, stalled=True)
    names = [environment.name for environment in known]
    return Hold(
        Reason.COMPUTE_ENVIRONMENT_DISABLED,
        f"{_environments(names)} {', '.join(names)} of queue {queue.name} {_is(names)} disabled",
    )


def _kept_back(queue: Queue, request: Resources, candidates: list[str]) -> Hold:
    return Hold(
        Reason.RESERVED_FOR_OTHER_SHARES,
        f"next in its share of queue {queue.name}; what is free in {_environments(candidates)} {', '.join(candidates)} "
        f"is too little for {describe(request)} beside what computeReservation keeps back for further shares",
    )


def _offer(pool: Pool) -> str:
    if not pool.nodes:
        return "no usable node"
    shapes = [{name: amount for name, amount in shape.items() if name in _SHOWN} for shape in pool.shapes]
    largest = max(shapes, key=lambda shape: (shape.get("cpu", 0), shape.get("memory", 0)))
    ceilings = pool.environment.ceilings
    limit = f", at most {describe(ceilings)} in all" if ceilings else ""
    return f"largest node {describe(largest)}{limit}"


def _total(pool: Pool) -> str:
    total = describe({name: amount for name, amount in pool.capacity.items() if name in _SHOWN | {"pods"}})
    return f"{pool.nodes} {'node' if pool.nodes == 1 else 'nodes'}, {total} in all, {_offer(pool)}"


_SHOWN = frozenset({"cpu", "memory", "nvidia.com/gpu", "amd.com/gpu"})


def _environments(names: Iterable[str]) -> str:
    return "environment" if len(list(names)) == 1 else "environments"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
