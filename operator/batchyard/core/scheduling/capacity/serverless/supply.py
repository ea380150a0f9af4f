"""The capacity of a serverless environment: whatever pods need, as far as they can run there. Ceilings bound it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from batchyard.core.model.pods.constraints import Constraints
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import Resources, describe
from batchyard.core.model.serverless.offer import Serverless
from batchyard.core.scheduling.capacity.coming.room import MARK
from batchyard.core.scheduling.capacity.labelindex import LabelIndex
from batchyard.core.scheduling.capacity.serverless.sizes import size_of

_GPU = "nvidia.com/gpu"
_KEPT = 10_000
"""Answers that are kept at most."""


@dataclass(slots=True, frozen=True)
class ServerlessSupply:
    """Of one environment."""

    offer: Serverless
    nodes: LabelIndex = field(compare=False)
    """The virtual nodes that can take pods; elsewhere one as each pod gets for itself."""
    withheld: str = ""
    """Why no pod runs there now, as a sentence; empty where pods do."""
    _known: dict[PodSet, bool] = field(default_factory=dict, repr=False, compare=False)

    @property
    def virtual_nodes(self) -> int:
        """How many virtual nodes can take pods."""
        return 0 if self.offer.node_labels is not None else len(self.nodes.nodes)

    def admits(self, constraints: Constraints) -> bool:
        """Whether a pod's own words allow it there, amounts apart."""
        return not constraints.chooses or self.nodes.matching(constraints) != frozenset()

    def holds(self, pods: PodSet) -> bool:
        """Whether such pods can run there, ceilings apart."""
        known = self._known.get(pods)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[pods] = self._can_hold(pods)
        return known

    def _can_hold(self, pods: PodSet) -> bool:
        return not self.unfit(pods) and self.admits(pods.constraints) and not self.too_large(pods)

    def unfit(self, pods: PodSet) -> str:
        """What such pods ask for that only nodes have, in words; empty where there is nothing."""
        return next(_reasons(self.offer, pods), "")

    def too_large(self, pods: PodSet) -> bool:
        """Whether no size holds such a pod."""
        sizes = self.offer.sizes
        return bool(sizes) and size_of(pods.takes, sizes, self.offer.system_memory) is None

    @property
    def largest(self) -> str:
        """The largest size, as a person says it."""
        if not self.offer.sizes:
            return "any size"
        last, system = self.offer.sizes[-1], self.offer.system_memory
        words = f"largest size {describe({'cpu': last.milli_vcpus, 'memory': last.memory[-1]})}"
        return f"{words}, of which its system takes {describe({'memory': system})}" if system else words

    def room(self) -> "ServerlessRoom":
        """Return the room that there is."""
        return ServerlessRoom(self)


class ServerlessRoom:
    """What a pass finds there. It takes the place of room on nodes that are not there yet, and never gets less."""

    left: Resources = {}  # noqa: RUF012 - ceilings bound what jobs take, and the ledger counts that
    full = False

    def __init__(self, supply: ServerlessSupply) -> None:
        self._supply = supply

    def fork(self) -> "ServerlessRoom":
        """Return the same: nothing changes it."""
        return self

    @property
    def withheld(self) -> str:
        """Why no pod runs there now; empty where pods do."""
        return self._supply.withheld

    @property
    def open(self) -> bool:
        """Whether pods run there now."""
        return not self.withheld

    def put(self, pods: PodSet, without: Collection[str] = (), *, further: bool) -> str | None:
        """Find room for one pod of a set, which is not on any node that is known; None where it cannot run there."""
        return MARK if further and self._supply.holds(pods) else None

    def change(self, node: str, amount: Resources, sign: int) -> None:
        """Nothing is counted but under ceilings."""

    def room(self, pods: PodSet, most: int, *, further: bool = True) -> int:
        """Return how many pods of a set find room, up to `most`."""
        return most if further and self.open and self._supply.holds(pods) else 0


def _reasons(offer: Serverless, pods: PodSet) -> Iterator[str]:
    constraints, takes = pods.constraints, pods.takes
    if constraints.machine:
        yield constraints.machine
    yield from (f"it takes port {number} of its node" for _, number, _ in constraints.ports[:1])
    if constraints.one_zone:
        yield "its nodes are to be in one zone (zonePolicy)"
    if constraints.node_name:
        yield f"it names node {constraints.node_name}"
    for name in takes:
        if ("/" in name or name.startswith("hugepages-")) and not (name == _GPU and offer.gpus):
            bounded = name == _GPU and offer.node_labels is None
            yield f"it asks for {name}{', and spec.maxGpus of the environment allows none' if bounded else ''}"
    if offer.equal_limits and constraints.unequal:
        yield f"{constraints.unequal}, and there both must be the same"
    storage = takes.get("ephemeral-storage", 0)
    if offer.most_storage is not None and storage > offer.most_storage:
        asked, most = (describe({"ephemeral-storage": each}) for each in (storage, offer.most_storage))
        yield f"it asks for {asked}, and can have {most} at most"
