"""The ledger as a pass begins: what is bound is on its nodes, and what is not gets a node that it is expected on.

The scheduler decides in the end where a pod runs. Until it has, the pod counts on the node that the planner would
choose for it, as room that is promised must not be given away.
"""

from collections.abc import Hashable, Iterable
from math import inf
from typing import NamedTuple

from batchyard.core.model.cluster.leftalone import Unmet
from batchyard.core.model.job import Key
from batchyard.core.model.pods.constraints import UNCONSTRAINED, Port
from batchyard.core.model.pods.podset import Assignment, PodSet
from batchyard.core.model.pods.withoutspot import of_part
from batchyard.core.model.pods.zones import are_together, in_zone
from batchyard.core.model.resources import Resources, subtract
from batchyard.core.scheduling.capacity.coming.room import is_thought_up
from batchyard.core.scheduling.capacity.difference import difference
from batchyard.core.scheduling.capacity.ledger import Charge, Ledger
from batchyard.core.scheduling.capacity.pools import space_of
from batchyard.core.scheduling.capacity.space import Space
from batchyard.core.scheduling.ondemandshare import is_on_demand
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.core.scheduling.zonespread import ZoneSpread


class Opened(NamedTuple):
    """What a pass begins with."""

    ledger: Ledger
    expected: dict[Hashable, Assignment]
    """Where pods that were expected nowhere are expected from now on, by their charge."""
    unmet: Unmet
    oldest_unmet: dict[str, float]
    """By environment: since when the first of the runs waits of whose pods no node is on its way, arrays apart."""


def opened(snapshot: Snapshot) -> Opened:
    """Open the ledger."""
    if snapshot.space is None:
        space, homeless = _space(snapshot), [item for item, each in snapshot.charges.items() if each.homeless]
    else:
        space, homeless = snapshot.space.fork(), list(snapshot.homeless)
    space.with_ports(lambda: _ports(snapshot))
    ledger, found = Ledger(snapshot.pools, snapshot.used, space), dict[Hashable, Assignment]()
    unmet, oldest, spread = dict[tuple[Key, str], int](), dict[str, float](), ZoneSpread(snapshot)
    known = [(item, charge) for item in homeless if (charge := snapshot.charges.get(item)) is not None]
    there = [(item, charge) for item, charge in known if space.knows(charge.environment)]
    for item, charge in sorted(there, key=lambda it: _order(snapshot, ledger, it[1])):
        if nodes := _expected(snapshot, ledger, spread, charge):
            found[item] = nodes
        if ledger.coming(charge.environment) is not None:
            lacking = charge.homeless - sum(not is_thought_up(node) for node, _ in nodes)
            where = charge.key, charge.environment
            unmet[where] = unmet.get(where, 0) + lacking
            if lacking > 0 and charge.run is not None and charge.run.indexed is None:
                oldest[charge.environment] = min(charge.run.created, oldest.get(charge.environment, inf))
    return Opened(ledger, found, {where: count for where, count in unmet.items() if count > 0}, oldest)


def _order(snapshot: Snapshot, ledger: Ledger, charge: Charge) -> tuple[bool, Key, int, int]:
    """Whoever opens the ledger comes to the same, in whatever order it has learnt of the charges.

    Those first that may be in one zone only: others would take their room there, and leave some elsewhere.
    """
    run, anywhere = charge.run, _zone(snapshot, ledger, charge) is None
    if run is None:
        return anywhere, charge.key, 0, -1
    return anywhere, charge.key, run.number, -1 if run.index is None else run.index


def _space(snapshot: Snapshot) -> Space:
    space = space_of(snapshot.pools, snapshot.other_pods)
    for charge in snapshot.charges.values():
        for node, amount in charge.assigned:
            space.change(node, amount)
    return space


def _expected(snapshot: Snapshot, ledger: Ledger, spread: ZoneSpread, charge: Charge) -> Assignment:
    """Nodes for the pods of a charge that have none, as far as there is room for them."""
    found: list[tuple[str, Resources]] = []
    environment, key, resolved = charge.environment, charge.key, snapshot.resolved.get(charge.key)
    for pod in _homeless(snapshot, ledger, charge):
        for _ in range(pod.count):
            zones = [] if resolved is None else spread.order(environment, key, resolved)
            ways = (ledger.put(environment, in_zone((pod,), zone)[0], further=False) for zone in zones)
            node = next((node for node in ways if node is not None), None)
            if node is None:  # it was granted, so it waits for a node already
                node = ledger.put(environment, pod, further=True)
            if node is None:
                break
            found.append((node, pod.takes))
            if resolved is not None:
                spread.charge(environment, key, resolved, found[-1:])
    return tuple(found)


def _homeless(snapshot: Snapshot, ledger: Ledger, charge: Charge) -> Iterable[PodSet]:
    resolved = snapshot.resolved.get(charge.key)
    if resolved is not None and resolved.gang is not None and not charge.bound and not charge.expected:
        pods = resolved.pods
    else:
        rest, count = charge.amount, charge.homeless
        for amount in difference((), charge.assigned).values():
            rest = subtract(rest, amount)
        # Of an array all pods are alike; those of a multi-node job count as if they were.
        share = {name: amount // count for name, amount in rest.items() if name != "pods"}
        constraints = resolved.constraints if resolved is not None and resolved.gang is None else UNCONSTRAINED
        pods = (PodSet(count, share, constraints),)
    pods, zone = of_part(pods, on_demand=is_on_demand(snapshot, charge)), _zone(snapshot, ledger, charge)
    return pods if zone is None else in_zone(pods, zone)


def _zone(snapshot: Snapshot, ledger: Ledger, charge: Charge) -> str | None:
    """The zone of a multi-node job whose pods are to be in one: where it was granted room or, if that was on nodes to
    come, where the first of them is."""
    run, granted, resolved = charge.run, snapshot.granted.get(charge.key), snapshot.resolved.get(charge.key)
    known = run.zone if run is not None else None if granted is None else granted.zone
    if known is None and resolved is not None and are_together(resolved.pods):
        return ledger.zone_of(charge.environment, charge.assigned)
    return known


def _ports(snapshot: Snapshot) -> dict[str, frozenset[Port]]:
    """The ports of nodes that pods take, whoever's they are."""
    found: dict[str, frozenset[Port]] = dict(snapshot.ports_taken)
    for charge in snapshot.charges.values():
        resolved = snapshot.resolved.get(charge.key)
        ports = frozenset(port for each in (resolved.pods if resolved else ()) for port in each.constraints.ports)
        if ports:
            for node, _ in charge.assigned:
                found[node] = found.get(node, frozenset()) | ports
    return found
