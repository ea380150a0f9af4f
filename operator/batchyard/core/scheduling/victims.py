"""What may be displaced for a job, and which of it: the least on one node, or on as many as the job has pods.

Room is of use only where it comes together on a node. So for each pod the node is chosen on which the fewest have to
go, of the lowest priority, those that started last; never any unless all pods find room by it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import Assignment, PodSet, PodSets, together, total_of
from batchyard.core.model.resources import Resources, fits, shortfall, times
from batchyard.core.model.run import Run
from batchyard.core.scheduling.arrays.slots import settling
from batchyard.core.scheduling.capacity.ledger import Charge, Ledger, with_pods
from batchyard.core.scheduling.decisions import Preemption
from batchyard.core.scheduling.departures import Part, is_leaving, name_of, parted
from batchyard.core.scheduling.snapshot import Snapshot


@dataclass(slots=True)
class Victim:
    """Something that may be displaced: a run, or slots of an Indexed Job, in the order in which it loses them."""

    run: Run
    environment: str
    slots: int
    request: Resources
    """Of a run all of it, of an array one slot."""
    nodes: Assignment
    """What it takes of nodes; of an array a slot each, as far as it is known where they are."""
    priority: int
    started_at: float
    taken: int = 0
    by: Key = ("", "")

    @property
    def staying(self) -> Part:
        """What it has that is not taken yet."""
        if self.run.indexed is None:
            return Part((), {}) if self.taken else Part(self.nodes, self.request)
        return Part(self.nodes[self.taken :], times(self.request, self.slots - self.taken))

    def part(self, first: int, count: int) -> Part:
        """What so many slots are that come after the first ones; of a run always all of it."""
        if self.run.indexed is None:
            return Part(self.nodes, self.request)
        return Part(self.nodes[first : first + count], times(self.request, count))

    def take(self, slots: int, by: Key) -> None:
        """Note who displaces it, or so many slots of it."""
        self.taken += slots
        self.by = by


class Victims:
    """All that may be displaced, priority and age left aside: lowest priority first, then arrays, then the youngest."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        found = [_victim(snapshot, charge, now) for charge in snapshot.charges.values()]
        self._all = [victim for victim in found if victim is not None]
        self._all.sort(key=lambda it: (it.priority, it.run.indexed is None, -it.started_at, name_of(it.run)))

    def below(self, priority: int) -> list[Victim]:
        """Those of a lower priority that have anything left."""
        return [each for each in self._all if each.priority < priority and each.taken < each.slots]

    def preemptions(self) -> list[Preemption]:
        """What goes."""
        return [Preemption(each.run, each.taken, each.by) for each in self._all if each.taken]


def _victim(snapshot: Snapshot, charge: Charge, now: float) -> Victim | None:
    """What of a charge may be displaced."""
    if charge.run is None:
        return None
    runs = snapshot.runs_of(charge.run.owner_uid)
    run = runs.current(charge.run)
    queue = snapshot.queues.get(run.queue)
    if queue is None or run.deleting or run.ended or name_of(run) in snapshot.spared:
        return None
    if run.indexed is not None:
        return _array(snapshot, charge, run, queue.priority, now)
    pod = runs.pods.get(run.name)
    if pod is None or not pod.live or is_leaving(snapshot, runs, run):
        return None
    started_at = now if pod.started_at is None else pod.started_at
    return Victim(run, charge.environment, 1, charge.amount, charge.assigned, queue.priority, started_at)


def _array(snapshot: Snapshot, charge: Charge, run: Run, priority: int, now: float) -> Victim | None:
    slots = run.slots - snapshot.being_preempted.get(name_of(run), 0)
    if slots <= 0 or settling(run, snapshot.raised.get(run.owner), now):
        return None
    one = with_pods(run.request)
    staying = parted(snapshot, charge)[1].assigned
    nodes = tuple((node, one) for node, amount in staying for _ in range(amount.get("pods", 1)))
    started_at = now if run.started_at is None else run.started_at
    return Victim(run, charge.environment, slots, one, nodes[:slots], priority, started_at)


Chosen = list[tuple[Victim, int]]
"""Victims, and how many slots of each."""


@dataclass(slots=True)
class _Plan:
    """What has been chosen so far; the ledger has it free."""

    ledger: Ledger
    environment: str
    slots: dict[int, int] = field(default_factory=dict)
    """Slots by the position of the victim."""

    def add(self, victims: Sequence[Victim], position: int, slots: int, sign: int = 1) -> None:
        victim = victims[position]
        have = self.slots.get(position, 0)
        first = have if sign > 0 else have - slots
        part = victim.part(victim.taken + first, slots)
        (self.ledger.give if sign > 0 else self.ledger.charge)(victim.environment, *part)
        self.slots[position] = have + sign * slots
        if not self.slots[position]:
            del self.slots[position]


def choose(ledger: Ledger, environment: str, pods: PodSets, victims: Sequence[Victim]) -> Chosen | None:
    """Choose what makes room for all of these pods, and have it free in the ledger; None where nothing does."""
    plan = _Plan(ledger, environment)
    if not (_for_ceilings(plan, pods, victims) and _for_nodes(plan, pods, victims)):
        for position, slots in list(plan.slots.items()):
            plan.add(victims, position, slots, -1)
        return None
    _spare_needless(plan, pods, victims)
    return [(victims[position], slots) for position, slots in plan.slots.items()]


def _for_ceilings(plan: _Plan, pods: PodSets, victims: Sequence[Victim]) -> bool:
    """Take from the environment until its ceilings leave enough."""
    asked = total_of(plan.ledger.charged(plan.environment, pods))
    for position, victim in enumerate(victims):
        if victim.environment != plan.environment:
            continue
        for _ in range(victim.slots - victim.taken):
            left = plan.ledger.left(plan.environment)
            lacking = shortfall({name: asked.get(name, 0) for name in left}, left)
            if not lacking:
                return True
            if not lacking.keys() & victim.request.keys():
                break
            plan.add(victims, position, 1)
    left = plan.ledger.left(plan.environment)
    return not shortfall({name: asked.get(name, 0) for name in left}, left)


def _for_nodes(plan: _Plan, pods: PodSets, victims: Sequence[Victim]) -> bool:
    """Make room for one pod after the other, each where that takes the least."""
    ledger, placed = plan.ledger, list[tuple[str, PodSet]]()
    done = True
    for each in pods:
        for _ in range(each.count):
            node = ledger.put(plan.environment, each)
            if node is None and _clear_a_node(plan, each, victims):
                node = ledger.put(plan.environment, each)
            if node is None:
                done = False
                break
            placed.append((node, each))
    for node, pod in placed:
        ledger.take_back(plan.environment, node, pod)
    return done


def _clear_a_node(plan: _Plan, pod: PodSet, victims: Sequence[Victim]) -> bool:
    """Choose what goes from one node so that the pod fits there; returns whether there is such a node."""
    here: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    """By node: victims, and how many slots have to go until this much is free there."""
    for position, victim in enumerate(victims):
        have = victim.taken + plan.slots.get(position, 0)
        if victim.run.indexed is None:
            if have:
                continue
            for node in dict.fromkeys(node for node, _ in victim.nodes):
                here[node].append((position, 1))
        else:
            for number, (node, _) in enumerate(victim.nodes[have:], start=1):
                here[node].append((position, number))
    best: tuple[tuple[int, int, int, float, str], dict[int, int]] | None = None
    for node in plan.ledger.space.allowed(plan.environment, pod):
        if node not in here:
            continue
        slots = _enough(plan.ledger.space.of(plan.environment, node), pod, node, here[node], victims)
        if slots is None:
            continue
        gone = [victims[position] for position in slots]
        runs = sum(each.run.indexed is None for each in gone)
        cost = (
            max(each.priority for each in gone),
            runs,
            sum(slots.values()),
            -min(it.started_at for it in gone),
            node,
        )
        if best is None or cost < best[0]:
            best = cost, slots
    for position, count in (best[1] if best is not None else {}).items():
        plan.add(victims, position, count)
    return best is not None


def _enough(
    free: Resources, pod: PodSet, node: str, here: Iterable[tuple[int, int]], victims: Sequence[Victim]
) -> dict[int, int] | None:
    """The slots, by victim, that have to go from a node until a pod fits there; None if all of them are too few."""
    room, slots = dict(free), dict[int, int]()
    for position, number in here:
        lacking = shortfall(pod.takes, room)
        if not lacking:
            break
        victim = victims[position]
        frees = victim.request if victim.run.indexed is not None else together(victim.nodes)[node]
        if not lacking.keys() & frees.keys():
            continue
        for name, amount in frees.items():
            room[name] = room.get(name, 0) + amount
        slots[position] = number
    return slots if fits(pod.takes, room) else None


def _spare_needless(plan: _Plan, pods: PodSets, victims: Sequence[Victim]) -> None:
    """Leave out what turned out to be of no use beside what was chosen after it."""
    for position in list(plan.slots):
        while position in plan.slots:
            slots = plan.slots[position] if victims[position].run.indexed is None else 1
            plan.add(victims, position, slots, -1)
            if not plan.ledger.fits(plan.environment, pods):
                plan.add(victims, position, slots)
                break
