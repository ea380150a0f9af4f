"""The sentences in which a job is told why it does not start now, and what would help."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from batchyard.api.reasons import Reason
from batchyard.core.model.cluster.leftalone import LeftAlone
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints
from batchyard.core.model.pods.gang import Gang
from batchyard.core.model.pods.podset import PodSets, describe_request, total_of
from batchyard.core.model.pods.zones import apart, are_together
from batchyard.core.model.queue import Queue
from batchyard.core.model.resources import Resources, add, describe
from batchyard.core.scheduling.capacity.coming.supply import Supply
from batchyard.core.scheduling.capacity.nomatch import no_node_matches
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.core.scheduling.capacity.serverless.supply import ServerlessSupply
from batchyard.core.scheduling.capacity.serverless.unfit import not_without_nodes
from batchyard.core.scheduling.decisions import Hold
from batchyard.core.scheduling.limits import LimitViolation


def bound_to(environment: str) -> Hold:
    """Why an array that has begun gets no further slots."""
    message = (
        f"environment {environment}, in which the array runs, is disabled, takes no jobs of this namespace any more, or"
        " does not exist"
    )
    return Hold(Reason.COMPUTE_ENVIRONMENT_DISABLED, message)


def closed_to(namespace: str, queue: Queue, environments: list[str]) -> Hold:
    """Why a job waits of whose namespace no environment of the queue takes jobs."""
    message = (
        f"{_environments(environments)} {', '.join(environments)} of queue {queue.name}"
        f" {'takes' if len(environments) == 1 else 'take'} no jobs of namespace {namespace}: add it to"
        " spec.serverless.namespaces of a ComputeEnvironment, or submit to another queue"
    )
    return Hold(Reason.NAMESPACE_NOT_ALLOWED, message, stalled=True)


def at_limit(violation: LimitViolation) -> Hold:
    """Why a job waits that would exceed a limit, or lacks a consumable resource."""
    return Hold(
        violation.reason,
        violation.message,
        violation.stalled,
        lacks=violation.lacks,
        ends_share_queue=violation.ends_share_queue,
    )


def misfit(queue: Queue, resolved: Resolved, enabled: list[str], pools: Mapping[str, Pool]) -> Hold:
    """Why none of the environments could hold a job even when empty."""
    serverless = {name: it for name in enabled if (it := pools[name].serverless) is not None}
    if serverless:
        return _with_serverless(queue, resolved, enabled, pools, serverless)
    if not any(pools[name].offers for name in enabled):
        names = ", ".join(enabled)
        return Hold(Reason.NO_NODES, f"no usable node in {_environments(enabled)} {names} of queue {queue.name}")
    if (nowhere := _admitted_nowhere(resolved, [pools[name] for name in enabled])) is not None:
        nodes = {name: pools[name].index.nodes for name in enabled}
        made = {name: supply.labels for name in enabled if (supply := pools[name].supply) is not None}
        return Hold(Reason.NO_NODE_MATCHES, no_node_matches(queue.name, nodes, nowhere, made), stalled=True)
    if resolved.gang is not None:
        message = _too_many(queue, resolved.request, resolved.gang, enabled, pools)
        return Hold(Reason.EXCEEDS_CAPACITY, message, stalled=True)
    offers = "; ".join(f"{name}: {_offer(pools[name], resolved.constraints)}" for name in enabled)
    return Hold(
        Reason.EXCEEDS_CAPACITY,
        f"the job needs {describe(resolved.request)}, more than any environment of queue {queue.name} could ever "
        f"give one pod ({offers}); {_remedy(resolved, _larger(enabled, pools))}",
        stalled=True,
    )


def _with_serverless(
    queue: Queue,
    resolved: Resolved,
    enabled: list[str],
    pools: Mapping[str, Pool],
    serverless: Mapping[str, ServerlessSupply],
) -> Hold:
    """The same where some of the environments have no nodes: what is said of the others goes first."""
    refused = not_without_nodes(queue.name, resolved.pods, serverless)
    offers = "; ".join(f"{name}: {_offer(pools[name])}{_counted(pools[name], resolved.pods)}" for name in serverless)
    if others := [name for name in enabled if name not in serverless]:
        hold = misfit(queue, resolved, others, pools)
        return replace(hold, message=f"{hold.message}; {refused or f'{_environments(serverless)} {offers}'}")
    more = f"add an environment with nodes to queue {queue.name}"
    if refused:
        return Hold(Reason.NOT_WITHOUT_NODES, f"{refused}; change the JobDefinition, or {more}", stalled=True)
    if not all(any(map(it.too_large, resolved.pods)) for it in serverless.values()):
        more = "raise spec.maxVcpus and the other ceilings of a ComputeEnvironment"
    needs = "the job needs" if resolved.gang is None else f"the job needs {resolved.gang.size} pods at once, in all"
    return Hold(
        Reason.EXCEEDS_CAPACITY,
        f"{needs} {describe_request(resolved.request)}, more than any environment of queue {queue.name} could ever give"
        f" ({offers}); {_remedy(resolved, more)}",
        stalled=True,
    )


def _counted(pool: Pool, pods: PodSets) -> str:
    """What the pods of a job count for in an environment, where that is not what they ask for."""
    charged = pool.charged(pods)
    return "" if charged == pods else f", where it counts as {describe_request(total_of(charged))}"


def _remedy(resolved: Resolved, more: str) -> str:
    """What helps a job that is too large."""
    if resolved.ungrown is None:
        return f"lower its requests, or {more}"
    return (
        f"its memory has grown since it ran out of it: {more}, or submit it anew with a lower"
        " retryStrategy.onOutOfMemory.maxMemory"
    )


def _too_many(queue: Queue, request: Resources, gang: Gang, enabled: list[str], pools: Mapping[str, Pool]) -> str:
    one_zone = are_together(gang.pods)
    totals = "; ".join(f"{name}: {_total(pools[name], one_zone=one_zone)}" for name in enabled)
    able = [name for name in enabled if one_zone and pools[name].could_hold(apart(gang.pods))]
    several = f"; {_environments(able)} {', '.join(able)} could hold it in several zones (zonePolicy Any)"
    return (
        f"the job needs {gang.size} nodes at once{_in_one_zone(gang)} ({_each(gang)} each, {describe(request)} in all),"
        f" more than any environment of queue {queue.name} could ever give ({totals}); lower its requests or its number"
        f" of nodes, or {_more(enabled, pools)}{several if able else ''}"
    )


def _in_one_zone(gang: Gang) -> str:
    return " in one zone" if are_together(gang.pods) else ""


def _larger(enabled: list[str], pools: Mapping[str, Pool]) -> str:
    if not any(pools[name].supply for name in enabled):
        return "add larger nodes"
    return "raise spec.maxVcpus of a ComputeEnvironment, or allow it larger instance types (spec.managed)"


def _more(enabled: list[str], pools: Mapping[str, Pool]) -> str:
    if not any(pools[name].supply for name in enabled):
        return "add nodes"
    return "raise spec.maxVcpus and the other ceilings of a ComputeEnvironment"


def full(
    queue: Queue, resolved: Resolved, candidates: list[str], holder: Queue | None, pools: Mapping[str, Pool]
) -> Hold:
    """Why a job waits that some environments could hold. `holder` is the queue for which they are held, if for one.

    What is free there is not said here: that changes all the time (`insight.shortage`).
    """
    names = f"{_environments(candidates)} {', '.join(candidates)}"
    if holder is not None and holder.name != queue.name:
        return Hold(
            Reason.WAITING_FOR_HIGHER_PRIORITY,
            f"{names} {_is(candidates)} held for a job of queue {holder.name} "
            f"(priority {holder.priority}), which goes before queue {queue.name} (priority {queue.priority})",
        )
    on_nodes = any(pools[name].serverless is None for name in candidates)
    needs = f"needs {_needs(resolved, on_nodes=on_nodes)} of {names}"
    if queue.fair_share is not None:
        message = f"next in its share of queue {queue.name}, in which the share that has used least goes first; {needs}"
    else:
        message = f"next in queue {queue.name}; {needs}"
    return Hold(Reason.INSUFFICIENT_CAPACITY, message, environments=tuple(candidates))


def _needs(resolved: Resolved, *, on_nodes: bool) -> str:
    if resolved.gang is None:
        return f"{describe(resolved.request)}{' on one node' if on_nodes else ''}"
    gang, amounts = resolved.gang, f"{_each(resolved.gang)} each, {describe_request(resolved.request)} in all"
    return f"{gang.size} nodes at once{_in_one_zone(gang)} ({amounts})"


def _each(gang: Gang) -> str:
    return " or ".join(dict.fromkeys(describe(group.request) for group in gang.groups))


def blocked(queue: Queue, known: list[Environment], enabled: list[str]) -> Hold | None:
    """Why nothing of a queue can start, if so. `known` are those of its environments that exist."""
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


def awaits_asking(queue: Queue, environment: str) -> Hold:
    """Why a job waits for which there will be room as soon as the provisioner has asked for nodes for others."""
    return Hold(
        Reason.INSUFFICIENT_CAPACITY,
        f"next in queue {queue.name}; as many pods wait for nodes that were not asked for yet as"
        f" spec.managed.maxPendingPods of environment {environment} allows",
    )


def left_alone(found: Iterable[tuple[str, LeftAlone]], now: float) -> Hold:
    """Why a job waits whose environments are left alone, as no node came for pods like its own."""
    message = "; ".join(each.told(name, now) for name, each in found)
    return Hold(Reason.INSUFFICIENT_INSTANCE_CAPACITY, message)


def kept_back(queue: Queue, request: Resources, candidates: list[str]) -> Hold:
    """Why a job waits although there is room."""
    return Hold(
        Reason.RESERVED_FOR_OTHER_SHARES,
        f"next in its share of queue {queue.name}; what is free in {_environments(candidates)} {', '.join(candidates)} "
        f"is too little for {describe(request)} beside what computeReservation keeps back for further shares",
    )


def _admitted_nowhere(resolved: Resolved, pools: list[Pool]) -> Constraints | None:
    """What one of the pods says of nodes, if no node of the environments is as it says."""
    for pods in resolved.pods:
        if not any(_admits(pool, pods.constraints) for pool in pools):
            return pods.constraints
    return None


def _admits(pool: Pool, constraints: Constraints) -> bool:
    if pool.nodes and pool.index.matching(constraints) != frozenset():
        return True
    return pool.supply is not None and pool.supply.admits(constraints)


def _offer(pool: Pool, constraints: Constraints = UNCONSTRAINED) -> str:
    ceilings = pool.environment.ceilings
    limit = f", at most {describe(ceilings)} in all" if ceilings else ""
    if pool.serverless is not None:
        return f"{pool.serverless.largest}{limit}"
    if pool.supply is not None:
        return f"{_largest_made(pool.supply, constraints)}{limit}"
    if not pool.nodes:
        return "no usable node"
    matching = pool.index.matching(constraints)
    members = [pool.members[name] for name in (pool.members if matching is None else matching)]
    if not members:
        return "no node that the pod may be on"
    shapes = [{name: each for name, each in amount.items() if name in _SHOWN} for amount in members]
    largest = max(shapes, key=lambda shape: (shape.get("cpu", 0), shape.get("memory", 0)))
    which = "largest node" if matching is None else "largest node that the pod may be on"
    return f"{which} {describe(largest)}{limit}"


def _largest_made(supply: Supply, constraints: Constraints) -> str:
    if not supply.shapes:
        return "any instance type"
    fitting = [each for each in supply.shapes if supply.labels.admits(constraints, each.instance_type)]
    largest = max(
        fitting or supply.shapes, key=lambda it: (it.allocatable.get("cpu", 0), it.allocatable.get("memory", 0))
    )
    amounts = {name: each for name, each in largest.allocatable.items() if name in _SHOWN}
    return f"largest instance type {largest.instance_type} with {describe(amounts)} for pods"


def _total(pool: Pool, *, one_zone: bool = False) -> str:
    if pool.supply is not None:
        return _offer(pool)
    nodes = "node" if pool.nodes == 1 else "nodes"
    if one_zone and len(pool.zones) > 1:
        return f"{pool.nodes} {nodes} in {len(pool.zones)} zones, of which {_largest_zone(pool)}, {_offer(pool)}"
    return f"{pool.nodes} {nodes}, {_sum(pool.capacity)} in all, {_offer(pool)}"


def _largest_zone(pool: Pool) -> str:
    """What the nodes of the zone have that has the most."""
    sums, counts = dict[str, Resources](), Counter[str]()
    for name, amount in pool.members.items():
        zone = pool.zone_of(name) or ""
        sums[zone] = add(sums.get(zone, {}), amount)
        counts[zone] += 1
    zone = max(sorted(sums), key=lambda it: (sums[it].get("cpu", 0), sums[it].get("memory", 0)))
    named, nodes = f"the largest, {zone}," if zone else "that without a name", counts[zone]
    return f"{named} has {nodes} {'node' if nodes == 1 else 'nodes'}, {_sum(sums[zone])} in all"


def _sum(amounts: Resources) -> str:
    return describe({name: amount for name, amount in amounts.items() if name in _SHOWN | {"pods"}})


_SHOWN = frozenset({"cpu", "memory", "nvidia.com/gpu", "amd.com/gpu"})


def _environments(names: Iterable[str]) -> str:
    return "environment" if len(list(names)) == 1 else "environments"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
