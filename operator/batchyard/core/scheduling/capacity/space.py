"""What is free on each node, kept in such order that a node for a pod is found without looking at all of them.

A pod goes where the least is left over of what is scarcest for it: that of which the fewest nodes have enough. So large
free nodes stay whole for large jobs. Nodes with devices come last for those that ask for none. The same state gives the
same choice. (Best fit; the measure of scarcity is our own.)
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Mapping, Set

from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints, Port
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import Resources, fits, shifted
from batchyard.core.scheduling.capacity.nodefit import ports_free

NOT_ORDERED = frozenset({"pods", "ephemeral-storage"})
"""Resources that hardly ever decide: nodes are not kept in their order, but what a pod asks of them counts."""

Matching = Callable[[Constraints], Collection[str] | None]
"""The nodes that a pod's own words allow; None for all."""


def is_device(resource: str) -> bool:
    """Whether only some nodes have this, which others should leave to those that need it."""
    return "/" in resource


class _Shelf:
    """Nodes of a view, by what is free of each resource, the least first."""

    __slots__ = ("_shared", "nodes", "orders")

    def __init__(self) -> None:
        self.nodes: set[str] = set()
        self.orders: dict[str, list[tuple[int, str]]] = {}
        self._shared: set[str] = set()
        """Orders that another shelf has, too: they are copied before they change."""

    def fork(self) -> "_Shelf":
        twin = _Shelf()
        twin.nodes = self.nodes
        twin.orders = dict(self.orders)
        twin._shared = set(self.orders)
        self._shared = set(self.orders)
        return twin

    def add(self, node: str, free: Resources) -> None:
        self.nodes.add(node)
        for resource, amount in free.items():
            if resource not in NOT_ORDERED:
                self.orders.setdefault(resource, []).append((amount, node))

    def move(self, node: str, before: Resources, after: Resources) -> None:
        for resource in self.orders:
            if resource not in before:
                continue
            old, new = before[resource], after[resource]
            if old == new:
                continue
            order = self.orders[resource]
            if resource in self._shared:
                order = self.orders[resource] = order.copy()
                self._shared.discard(resource)
            del order[bisect_left(order, (old, node))]
            insort(order, (new, node))


class _View:
    """The nodes of one environment."""

    __slots__ = ("blind", "devices", "matching", "members", "plain", "total")

    def __init__(
        self, members: Collection[str], free: Mapping[str, Resources], matching: Matching, *, blind: bool
    ) -> None:
        self.members = members
        self.blind = blind
        """Whether pods of others do not count."""
        self.matching = matching
        self.plain, self.devices = _Shelf(), _Shelf()
        self.total: dict[str, int] = {}
        for node in members:
            (self.devices if any(map(is_device, free[node])) else self.plain).add(node, free[node])
            _count(self.total, {}, free[node])
        for shelf in (self.plain, self.devices):
            for order in shelf.orders.values():
                order.sort()

    def fork(self) -> "_View":
        twin = object.__new__(_View)
        twin.members, twin.matching, twin.blind = self.members, self.matching, self.blind
        twin.plain, twin.devices, twin.total = self.plain.fork(), self.devices.fork(), dict(self.total)
        return twin

    def move(self, node: str, before: Resources, after: Resources) -> None:
        (self.devices if node in self.devices.nodes else self.plain).move(node, before, after)
        _count(self.total, before, after)


def _count(total: dict[str, int], before: Resources, after: Resources) -> None:
    for name, amount in after.items():
        change = amount - before.get(name, 0)
        if change:
            total[name] = total.get(name, 0) + change


class Space:
    """Free amounts by node, and the environments' views on them. Forks are cheap, and change nothing of each other.

    `free` is what jobs leave of each node, `others` what pods of others take of that. Views of environments in `blind`
    go by the former.
    """

    def __init__(
        self,
        free: Mapping[str, Resources],
        views: Mapping[str, tuple[Collection[str], Matching]],
        others: Mapping[str, Resources] | None = None,
        blind: Collection[str] = (),
    ) -> None:
        others = others or {}
        self._free = {node: shifted(each, others[node], -1) if node in others else each for node, each in free.items()}
        self._blind = dict(free) if blind else self._free
        self._views = {
            name: _View(members, self._blind if name in blind else self._free, matching, blind=name in blind)
            for name, (members, matching) in views.items()
        }
        self._views_of: dict[str, tuple[str, ...]] = {}
        for name, view in self._views.items():
            for node in view.members:
                self._views_of[node] = (*self._views_of.get(node, ()), name)
        self.overlapping = frozenset(
            name for several in self._views_of.values() if len(several) > 1 for name in several
        )
        """The environments that have nodes in common with others."""
        self._before: dict[str, tuple[Resources, Resources]] = {}
        """Of nodes whose place in the orders is out of date: what was free when it was right, for all and the blind."""
        self._last: dict[tuple[str, PodSet], str] = {}
        """Where the last such pod went: the next goes there, too, as long as it fits."""
        self._ports: dict[str, Set[Port]] | None = None
        self._ports_taken: Callable[[], Mapping[str, Set[Port]]] = dict

    def with_ports(self, taken: Callable[[], Mapping[str, Set[Port]]]) -> None:
        """Heed which ports of nodes are taken, which is asked as soon as a pod wants one."""
        self._ports, self._ports_taken = None, taken

    def fork(self) -> "Space":
        """Return the same, to be changed apart."""
        self._tidy()
        twin = object.__new__(Space)
        twin._free = self._free.copy()
        twin._blind = twin._free if self._blind is self._free else self._blind.copy()
        twin._views = {name: view.fork() for name, view in self._views.items()}
        twin._views_of, twin.overlapping = self._views_of, self.overlapping
        twin._before, twin._last = {}, self._last.copy()
        twin._ports, twin._ports_taken = (None if self._ports is None else self._ports.copy()), self._ports_taken
        return twin

    def knows(self, environment: str) -> bool:
        """Whether there is a view of this environment."""
        return environment in self._views

    def allowed(self, environment: str, pods: PodSet) -> Collection[str]:
        """The nodes of an environment that a pod's own words allow."""
        view = self._views[environment]
        found = None if pods.constraints is UNCONSTRAINED else view.matching(pods.constraints)
        return view.members if found is None else found

    def of(self, environment: str, node: str) -> Resources:
        """What is free on a node as an environment sees it: below zero where more is taken than it has, nothing of a
        node that is not known."""
        view = self._views.get(environment)
        return (self._blind if view is not None and view.blind else self._free).get(node, {})

    def total(self, environment: str) -> Mapping[str, int]:
        """What is free on all nodes of an environment together."""
        self._tidy()
        return self._views[environment].total

    def change(self, node: str, amount: Resources, sign: int = -1) -> None:
        """Take an amount off what is free on a node, or give it back (`sign` 1)."""
        before = self._free.get(node)
        if before is None:
            return
        blind = self._blind[node]
        self._free[node] = shifted(before, amount, sign)
        if self._blind is not self._free:
            self._blind[node] = shifted(blind, amount, sign)
        if node not in self._before:
            self._before[node] = before, blind

    def change_others(self, node: str, amount: Resources, sign: int) -> None:
        """The same for what pods of others take, which the blind do not see."""
        before = self._free.get(node)
        if before is None:
            return
        if node not in self._before:
            self._before[node] = before, self._blind[node]
        self._free[node] = shifted(before, amount, sign)

    def put(self, environment: str, pods: PodSet, without: Collection[str] = ()) -> str | None:
        """Take room for one pod of a set; returns on which node, or None where there is none."""
        ports = pods.constraints.ports
        if ports:
            if self._ports is None:
                self._ports = dict(self._ports_taken())
            without = {*without, *(node for node, taken in self._ports.items() if not ports_free(ports, taken))}
        node = self.find(environment, pods, without)
        if node is not None:
            self.change(node, pods.takes)
            if ports and self._ports is not None:
                self._ports[node] = self._ports.get(node, frozenset()) | frozenset(ports)
        return node

    def take_back(self, node: str, pods: PodSet) -> None:
        """Have the room of one pod of a set free again."""
        self.change(node, pods.takes, 1)
        if pods.constraints.ports and self._ports is not None:
            self._ports[node] = self._ports.get(node, frozenset()) - frozenset(pods.constraints.ports)

    def find(self, environment: str, pods: PodSet, without: Collection[str] = ()) -> str | None:
        """Return the node of an environment for one pod of a set, if one has room for it."""
        view, takes = self._views[environment], pods.takes
        free = self._blind if view.blind else self._free
        last = self._last.get((environment, pods))
        if last is not None and last not in without and fits(takes, free[last]):
            return last
        self._tidy()
        allowed = None if pods.constraints is UNCONSTRAINED else view.matching(pods.constraints)
        for shelf in (view.devices,) if any(map(is_device, takes)) else (view.plain, view.devices):
            if (node := _on_shelf(shelf, free, takes, allowed, without)) is not None:
                self._last[environment, pods] = node
                return node
        return None

    def room(self, environment: str, pods: PodSet, most: int) -> int:
        """Return how many pods of a set find room at the same time, up to `most`."""
        found, free = 0, self._blind if self._views[environment].blind else self._free
        for node in self.allowed(environment, pods):
            found += carries(free[node], pods.takes)
            if found >= most:
                return most
        return found

    def _tidy(self) -> None:
        """Put the nodes whose free amounts have changed in their places again."""
        for node, before in self._before.items():
            now = self._free[node], self._blind[node]
            for name in self._views_of.get(node, ()):
                view = self._views[name]
                view.move(node, before[view.blind], now[view.blind])
        self._before.clear()


def _on_shelf(
    shelf: _Shelf,
    free: Mapping[str, Resources],
    takes: Resources,
    allowed: Collection[str] | None,
    without: Collection[str],
) -> str | None:
    """The first node in the order of the scarcest resource that has enough of all."""
    resource, start = _scarcest(shelf, takes)
    order = shelf.orders.get(resource, [])
    if allowed is not None and len(allowed) < len(order) - start:
        here = (node for node in allowed if node in shelf.nodes and node not in without)
        able = (node for node in here if fits(takes, free[node]))
        return min(able, key=lambda it: (free[it].get(resource, 0), it), default=None)
    # Written out, as this may pass hundreds of nodes that have enough of this resource and too little of another.
    others = [(name, amount) for name, amount in takes.items() if name != resource]
    for position in range(start, len(order)):
        node = order[position][1]
        left = free[node]
        for name, amount in others:
            if name not in left or left[name] < amount:
                break
        else:
            if node not in without and (allowed is None or node in allowed):
                return node
    return None


def carries(free: Resources, takes: Resources) -> int:
    """Return how many pods that take so much find room in what is free on a node."""
    return max(min(free.get(name, 0) // amount for name, amount in takes.items()), 0)


def _scarcest(shelf: _Shelf, takes: Resources) -> tuple[str, int]:
    """The resource in whose order to look, and from where: that of which the fewest nodes have enough."""
    best, start, fewest = "cpu", 0, -1
    for resource, amount in takes.items():
        if resource in NOT_ORDERED:
            continue
        order = shelf.orders.get(resource, [])
        first = bisect_left(order, (amount,))
        if fewest < 0 or len(order) - first < fewest:
            best, start, fewest = resource, first, len(order) - first
    return best, start
