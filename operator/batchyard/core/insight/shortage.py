"""What is free for a job that waits for room, and what of it is too little, in figures of a moment.

Figures change with whatever starts or ends, and no pass is to take longer for them. So a pass does not tell them: they
are added to what it says beside the passes, with their time, once a job has waited for some seconds; and they are told
anew the more seldom, the longer it waits, which bounds the writes.
"""

from collections.abc import Iterable, Mapping

from batchyard.api.reasons import Reason
from batchyard.core.insight.queueposition import due_again
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import POD_SLOT, PodSet, PodSets, describe_request, total_of
from batchyard.core.model.pods.zones import are_together
from batchyard.core.model.resources import Resources, describe, name_of
from batchyard.core.model.status import Status
from batchyard.core.model.timers import clock
from batchyard.core.scheduling.capacity.ledger import Ledger
from batchyard.core.scheduling.capacity.nodefit import ports_free
from batchyard.core.scheduling.capacity.nomatch import Cause, causes
from batchyard.core.scheduling.decisions import Hold
from batchyard.core.scheduling.schedulingpass import SchedulingPass
from batchyard.core.scheduling.snapshot import Snapshot

MOST_PAUSE_SECONDS = 600.0
"""How long after figures were worked out they are worked out anew at the latest, however long the job has waited."""

_AT = ". At "
"""Between what a pass says and the figures; no name has it."""
_ENVIRONMENTS = 2
_CAUSES = 3
"""How many environments, and causes in each, a sentence tells."""


def kept(shown: str, message: str) -> str:
    """Return what a job is told, whose message a pass has worked out: with the figures that it shows, if any."""
    return shown if shown.startswith(message + _AT) else message


def renewals(
    this_pass: SchedulingPass, holds: Iterable[tuple[Key, Hold]], told_at: Mapping[Key, float], *, limit: int
) -> dict[Key, Status]:
    """Statuses, with figures of now, of the jobs that wait for room and that are due to be looked at again.

    `this_pass` has decided nothing, `holds` are what the last one said; `told_at` is when jobs were last looked at. At
    most `limit` are, as all nodes are looked at for each; of those whose figures are the same the status is as it was.
    """
    snapshot, found = this_pass.snapshot, dict[Key, Status]()
    for key, hold in holds:
        status, job = snapshot.statuses.get(key), snapshot.resolved.get(key)
        if status is None or job is None or len(found) >= limit or hold.reason != Reason.INSUFFICIENT_CAPACITY:
            continue
        shown = _told(status)
        if kept(shown, hold.message) != shown or not _due(status, told_at.get(key), this_pass.now):
            continue  # the pass that is to come says something else
        figures = shortage(snapshot, this_pass.ledger, hold.environments, job.pods)
        found[key] = status
        if figures and not shown.endswith(figures):
            found[key] = _telling(status, f"{hold.message}{_AT}{clock(this_pass.now)}, {figures}")
    return found


def _told(status: Status) -> str:
    if arraystatus.has_started(status) and status.array is not None:
        return status.array.hold
    return status.message if status.reason == Reason.INSUFFICIENT_CAPACITY else ""


def _telling(status: Status, message: str) -> Status:
    if arraystatus.has_started(status):
        return arraystatus.on_hold(status, message)
    return status._replace(message=message)


def _due(status: Status, told_at: float | None, now: float) -> bool:
    if told_at is None:
        return True
    since = status.waiting_since.since if status.waiting_since is not None else now
    return due_again(told_at, since, now) or now - told_at >= MOST_PAUSE_SECONDS


def shortage(snapshot: Snapshot, ledger: Ledger, environments: Iterable[str], pods: PodSets) -> str:
    """Say for each environment that exists what is free and what is too little."""
    told = {name: _of_environment(snapshot, ledger, name, pods) for name in environments if name in snapshot.pools}
    if len(told) == 1:
        return next(iter(told.values()))
    parts = [f"in {name} {words}" for name, words in list(told.items())[:_ENVIRONMENTS]]
    if rest := len(told) - len(parts):
        parts.append(f"likewise in {rest} more")
    return "; ".join(parts)


def _of_environment(snapshot: Snapshot, ledger: Ledger, name: str, pods: PodSets) -> str:
    if (left := _under_ceilings(ledger, name, pods)) is not None:
        return left
    coming = ledger.coming(name)
    if coming is not None and coming.withheld:
        gets = "" if snapshot.pools[name].serverless is not None else " gets no further node"
        return f"environment {name}{gets}: {coming.withheld}"
    if coming is not None and coming.full:
        return (
            f"as many pods wait for nodes that were not asked for yet as spec.managed.maxPendingPods of environment"
            f" {name} allows"
        )
    size = sum(each.count for each in pods)
    found = [_room_for(snapshot, ledger, name, way) for way in ledger.ways(name, pods)]
    most = max(range(len(found)), key=lambda it: found[it][0])
    placed, words = found[most]
    if placed == size:
        return "there is room, which is kept for others that go first"
    if size > 1:
        words = f"there is room for {placed} of its {size} nodes, and for the next {words}"
    pool = snapshot.pools[name]
    if not are_together(pods) or len(pool.zones) < (2 if pool.supply is None else 1):
        return words
    zone = pool.zones[most]
    where = f"in zone {zone}, which has" if zone else "on nodes without a zone, which have"
    return f"all of its nodes are to be in one zone; {where} the most room, {words}"


def _room_for(snapshot: Snapshot, ledger: Ledger, name: str, pods: PodSets) -> tuple[int, str]:
    """How many of these pods find room, and what the next one lacks."""
    ledger, placed, several = ledger.fork(), 0, sum(each.count for each in pods) > 1
    for each in pods:
        one = each.of(1)
        for _ in range(each.count):
            if ledger.take(name, (one,)) is None:
                words = _of_nodes(snapshot, ledger, name, one)
                return placed, f"({_request(one)}) {words}" if several else words
            placed += 1
    return placed, ""


def _under_ceilings(ledger: Ledger, name: str, pods: PodSets) -> str | None:
    """What the ceilings of the environment leave, if that is too little."""
    left, charged = ledger.left(name), ledger.charged(name, pods)
    total = total_of(charged)
    short = [each for each, amount in left.items() if total.get(each, 0) > amount]
    told = [f"spec.{_CEILINGS[each]} of environment {name} leaves {_amount(each, left[each])}" for each in short]
    counts = "" if charged == pods else f", and the job counts there as {describe_request(total)}"
    return f"{_joined(told)}{counts}" if told else None


_CEILINGS = {"cpu": "maxVcpus", "memory": "maxMemory", "nvidia.com/gpu": "maxGpus"}


def _of_nodes(snapshot: Snapshot, ledger: Ledger, name: str, pod: PodSet) -> str:
    """What the nodes of an environment have for a pod that none has room for."""
    pool, space = snapshot.pools[name], ledger.space
    to_come = _to_come(snapshot, ledger, name, pod)
    if not pool.nodes:
        return to_come or "no node is there"
    allowed = list(space.allowed(name, pod))
    free = [space.of(name, node) for node in allowed]
    having = {each: sum(it.get(each, 0) >= amount for it in free) for each, amount in pod.takes.items()}
    scarce = [each for each in sorted(having, key=having.__getitem__, reverse=True) if having[each] < len(allowed)]
    parts = [_having(each, having[each], free) for each in scarce]
    ports = [ports_free(pod.constraints.ports, snapshot.ports_taken.get(node, frozenset())) for node in allowed]
    if not all(ports):
        parts.append(f"{_number(sum(ports))} its host ports free")
    if len(parts) > 1 and all((*having.values(), any(ports))):
        parts.append("none has all of it at once")
    excluded = causes(pod.constraints, pool.index.nodes) if len(allowed) < pool.nodes else []
    words = f"{_which(pool.nodes, len(allowed), excluded)}{_joined(parts)}"
    sums = [each for each in scarce if each not in POD_SLOT]
    if len(allowed) > 1 and sums:
        in_all = [_amount(each, sum(max(it.get(each, 0), 0) for it in free)) for each in sums]
        words += f"; free in all: {_joined(in_all)}"
    if pool.environment.count_other_pods and (others := _of_others(snapshot, allowed, sums)):
        words += f"; pods of others take {describe(others)}"
    return f"{words}; {to_come}" if to_come else words


def _to_come(snapshot: Snapshot, ledger: Ledger, name: str, pod: PodSet) -> str:
    """What the ceilings of an environment leave for nodes that are still to be made, which is too little."""
    coming, supply = ledger.coming(name), snapshot.pools[name].supply
    if coming is None:
        return ""
    if supply is not None and not supply.makes(pod.constraints):
        return "no further node that is made there can be one for it"
    told = [f"{_amount(each, left)} of spec.{_CEILINGS[each]}" for each, left in coming.left.items()]
    return f"its nodes and those on their way leave {_joined(told)}, too little for another"


def _of_others(snapshot: Snapshot, nodes: Iterable[str], resources: Iterable[str]) -> Resources:
    on_nodes = [snapshot.other_pods[node] for node in nodes if node in snapshot.other_pods]
    return {each: taken for each in resources if (taken := sum(it.get(each, 0) for it in on_nodes))}


def _which(nodes: int, allowed: int, excluded: list[Cause]) -> str:
    of = f"of {nodes} {'node' if nodes == 1 else 'nodes'}, "
    if not excluded:
        return of
    told = [f"{cause.text} excludes {cause.nodes}" for cause in excluded[:_CAUSES]]
    return f"{of}{_joined(told)}; of the other {allowed}, "


def _having(resource: str, count: int, free: Iterable[Resources]) -> str:
    named = name_of(resource)
    if count:
        return f"{_number(count)} enough {named} free"
    most = max((each.get(resource, 0) for each in free), default=0)
    return f"none has enough {named} free (at most {_amount(resource, most)})" if most > 0 else f"none has {named} free"


def _number(count: int) -> str:
    return f"{count or 'none'} {'have' if count > 1 else 'has'}"


def _amount(resource: str, amount: int) -> str:
    return describe({resource: amount}) if amount > 0 else f"no {name_of(resource)}"


def _request(pod: PodSet) -> str:
    return describe_request(pod.takes)


def _joined(parts: list[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)
