"""What is free during one pass, node by node, and under the ceilings of each environment.

The planner opens one `Ledger` per pass from the snapshot, charges every grant to it as it is decided, and throws
it away: the truth of a charge is the Kubernetes Job that exists (or is being created), never this memory.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import POD_SLOT, Assignment, On, PodSet, PodSets, total_of
from batchyard.core.model.pods.zones import apart, are_together
from batchyard.core.model.resources import Resources, fits, shifted, subtract, times
from batchyard.core.model.run import Run
from batchyard.core.scheduling.capacity.coming.room import ComingRoom, is_coming
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.core.scheduling.capacity.serverless.supply import ServerlessRoom
from batchyard.core.scheduling.capacity.space import Space, carries


def with_pods(request: Resources) -> Resources:
    """What a run takes, pod slots included: one, unless the request says how many."""
    return request if request.get("pods") else {**request, **POD_SLOT}


def amount_of(request: Resources, count: int) -> Resources:
    """What so many slots of a request take, those for pods included."""
    return times(with_pods(request), count)


@dataclass(slots=True, frozen=True)
class Charge:
    """What one run takes of an environment, or a placement whose run does not exist yet."""

    environment: str
    amount: Resources
    """Pod slots included; of an array that of all its slots. More than what was granted, where pods ask for more."""
    key: Key
    """The job."""
    run: Run | None = field(default=None, compare=False)
    """As it was when it was last counted, which is not each time that it is seen (`JobRuns.current` has it as it is).
    One whose Kubernetes Job is gone while pods of it are not has ended."""
    bound: On = field(default_factory=dict)
    """What it takes on the nodes that its pods are bound to."""
    expected: Assignment = ()
    """Where pods are expected that are not bound yet, as far as that is known."""

    @property
    def assigned(self) -> Assignment:
        """What it takes of nodes."""
        return (*self.bound.items(), *self.expected)

    @property
    def homeless(self) -> int:
        """How many of its pods are neither bound nor expected anywhere."""
        settled = sum(amount.get("pods", 0) for amount in self.bound.values()) + len(self.expected)
        return max(self.amount.get("pods", 0) - settled, 0)


class Ledger:
    """Free capacity during one pass. Forks are for what is thought through and not done."""

    def __init__(self, pools: Mapping[str, Pool], used: Mapping[str, Resources], space: Space) -> None:
        self.space = space
        self._left = {
            name: subtract(pool.environment.ceilings, _part(used.get(name, {}), pool.environment.ceilings))
            for name, pool in pools.items()
            if pool.environment.ceilings
        }
        """What is left under the ceilings of environments that have any."""
        self._coming = {name: room for name, pool in pools.items() if (room := pool.room()) is not None}
        """Room on nodes that are not there yet, of environments whose nodes are made, and where none are needed."""
        self._pools = pools
        self._sizing = frozenset(name for name, pool in pools.items() if pool.serverless is not None)
        """The environments where pods may count for more than they ask for."""
        self._alone: dict[tuple[str, PodSet], Assignment] = {}
        """What one pod takes of a node, shared by all jobs of one such pod that start there: a pass may start 100,000,
        and with an object for each a quarter of its time went to garbage collection."""

    def fork(self) -> "Ledger":
        """Return the same, to be changed apart."""
        twin = object.__new__(Ledger)
        twin.space = self.space.fork()
        twin._left, twin._alone = dict(self._left), self._alone
        twin._pools, twin._sizing = self._pools, self._sizing
        twin._coming = {name: each.fork() for name, each in self._coming.items()}
        return twin

    def take(
        self, environment: str, pods: PodSets, without: Collection[str] = (), *, further: bool = True
    ) -> Assignment | None:
        """Find nodes for all of these pods, and charge them; None, and nothing charged, where there is no room.

        Nodes that are there come before those that are not there yet, whose names are not those of nodes
        (`coming.room.is_coming`). Unless `further` nodes may be asked for, those have to be on their way.
        """
        if pods[0].constraints.one_zone:
            return self._take_together(environment, pods, without, further=further)
        space, left, coming = self.space, self._left.get(environment), self._coming.get(environment)
        charged = self.charged(environment, pods) if environment in self._sizing else pods
        if left is not None and not fits(_part(total_of(charged), left), left):
            return None
        # Once for all: pods that start together may go beyond a wave.
        further = further and coming is not None and coming.open
        assigned: list[tuple[str, Resources]] = []
        for each in pods:
            for _ in range(each.count):
                node = space.put(environment, each, without)  # as in `put`, of which a pass may need 100,000
                if node is None and coming is not None:
                    node = coming.put(each, without, further=further)
                if node is None:
                    taken = (pod for pod in pods for _ in range(pod.count))
                    for (other, _), pod in zip(assigned, taken, strict=False):
                        self.take_back(environment, other, pod)
                    return None
                assigned.append((node, each.takes))
        if left is not None:
            self._charge_ceilings(environment, total_of(charged), -1)
        return self._shared(assigned[0][0], pods[0]) if len(assigned) == 1 else tuple(assigned)

    def _take_together(
        self, environment: str, pods: PodSets, without: Collection[str], *, further: bool
    ) -> Assignment | None:
        """The same in one zone: where they need no further nodes, if there is such; else in any.

        Of nodes to come the zone is not known. As long as there are no others, all of the pods may be on such.
        """
        ways = [apart(way) if are_together(way) else way for way in self.ways(environment, pods)]
        for more in (False, True) if further else (False,):
            for way in ways:
                if (assigned := self.take(environment, way, without, further=more)) is not None:
                    return assigned
        return None

    def charged(self, environment: str, pods: PodSets) -> PodSets:
        """What pods count for in an environment."""
        return self._pools[environment].charged(pods) if environment in self._sizing else pods

    def zone_of(self, environment: str, assigned: Assignment) -> str | None:
        """The zone in which pods are that were put in one; None where it is that of nodes to come."""
        return next(
            (zone for node, _ in assigned if (zone := self._pools[environment].zone_of(node)) is not None), None
        )

    def ways(self, environment: str, pods: PodSets) -> list[PodSets]:
        """The pods as room is looked for: those that are to be in one zone in each of those there are, if any."""
        return self._pools[environment].ways(pods)

    def undo(self, environment: str, assigned: Assignment, pods: PodSets) -> None:
        """Have free again what was taken for pods."""
        self.give(environment, assigned, total_of(self.charged(environment, pods)))

    def put(
        self, environment: str, pod: PodSet, without: Collection[str] = (), *, further: bool | None = None
    ) -> str | None:
        """Find a node for one pod of a set, and charge that alone, not the ceilings.

        Whether a `further` node may be asked for depends on how many pods wait for such, unless it is said.
        """
        node = self.space.put(environment, pod, without)
        coming = self._coming.get(environment)
        if node is None and coming is not None:
            return coming.put(pod, without, further=coming.open if further is None else further)
        return node

    def take_back(self, environment: str, node: str, pod: PodSet) -> None:
        """Have the room of one pod of a set on a node free again, and nothing else."""
        if is_coming(node):
            self._coming[environment].change(node, pod.takes, 1)
        else:
            self.space.take_back(node, pod)

    def _shared(self, node: str, pods: PodSet) -> Assignment:
        found = self._alone.get((node, pods))
        if found is None:
            found = self._alone[node, pods] = ((node, pods.takes),)
        return found

    def fits(self, environment: str, pods: PodSets) -> bool:
        """Whether there is room for all of these pods now."""
        if any(each.constraints.ports for each in pods):
            return self.fork().take(environment, pods) is not None
        assigned = self.take(environment, pods)
        if assigned is not None:
            self.undo(environment, assigned, pods)
        return assigned is not None

    def charge(self, environment: str, assigned: Iterable[tuple[str, Resources]], amount: Resources) -> None:
        """Take what is assigned off the nodes, and the amount that this is in all off the ceilings."""
        self._change(environment, assigned, amount, -1)

    def give(self, environment: str, assigned: Iterable[tuple[str, Resources]], amount: Resources) -> None:
        """Have it free again."""
        self._change(environment, assigned, amount, 1)

    def _change(
        self, environment: str, assigned: Iterable[tuple[str, Resources]], amount: Resources, sign: int
    ) -> None:
        for node, each in assigned:
            if is_coming(node):
                self._coming[environment].change(node, each, sign)
            else:
                self.space.change(node, each, sign)
        if environment in self._left:
            self._charge_ceilings(environment, amount, sign)

    def _charge_ceilings(self, environment: str, amount: Resources, sign: int) -> None:
        self._left[environment] = shifted(self._left[environment], amount, sign)

    def room(self, environment: str, pods: PodSet, most: int, *, further: bool = True) -> int:
        """How many such pods find room now, up to `most`; on `further` nodes, too, if these may be asked for."""
        if left := self._left.get(environment):
            (charged,) = self.charged(environment, (pods,))
            takes = {name: amount for name, amount in charged.takes.items() if name in left}
            most = min(most, carries(left, takes)) if takes else most
        if most <= 0:
            return 0
        found = self.space.room(environment, pods, most)
        if found < most and environment in self._coming:
            found += self._coming[environment].room(pods, most - found, further=further)
        return found

    def free(self, environment: str) -> Resources:
        """What is free in all, on nodes and under the ceilings; below zero where that shrank below what runs.

        Where capacity comes as it is needed that is what the ceilings leave, as far as they bound anything.
        """
        total, left = self.space.total(environment), self._left.get(environment)
        if left is None:
            return total
        if environment in self._coming:
            return left
        return {**total, **{name: min(total.get(name, 0), amount) for name, amount in left.items()}}

    @property
    def waits(self) -> bool:
        """Whether any pod may have been put on a node that is not there yet."""
        return bool(self._coming)

    def coming(self, environment: str) -> ComingRoom | ServerlessRoom | None:
        """The room on nodes that are not there yet, or without any; None where jobs need nodes and none are made."""
        return self._coming.get(environment)

    def left(self, environment: str) -> Resources:
        """What is left under the environment's ceilings; nothing is said of what has none."""
        return self._left.get(environment, {})


def _part(amount: Resources, ceilings: Resources) -> dict[str, int]:
    return {name: number for name, number in amount.items() if name in ceilings}
