"""What Karpenter has: the claims of nodes that are made for environments, and all NodePools."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from batchyard.core.model.cluster.nodeclaim import NodeClaim, NodePool
from batchyard.core.model.environment import Environment
from batchyard.core.scheduling.capacity.coming.trouble import Trouble, trouble
from batchyard.objects.kubernetes.nodeclaim import read_nodeclaim
from batchyard.objects.kubernetes.nodepool import read_nodepool
from batchyard.objects.meta import Object
from batchyard.runtime.state.kinds.store import is_gone


class Source(Protocol):
    """Where objects of a kind come from that may not be there."""

    missing: str
    """Why there are none, as a sentence; empty where the kind is there."""


@dataclass(slots=True, frozen=True)
class RefusedPool:
    """A NodePool that the API server has refused to write."""

    wanted: Object
    at: float
    why: str


class Provisioned:
    """Keeps both by name. `changed` is called when a claim or a NodePool changes in what its record holds."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.claims: dict[str, NodeClaim] = {}
        self.pools: dict[str, NodePool] = {}
        """Those of others, too: a name that one of them has is taken."""
        self.stored_pools: dict[str, Object] = {}
        """The same as the API server holds them."""
        self.refused_pools: dict[str, RefusedPool] = {}
        """By name, which is that of their environment: those that could not be written the last time."""
        self.sources: Iterable[Source] = ()
        """Who tells of both."""
        self._changed = changed

    @property
    def missing(self) -> str:
        """Why Karpenter cannot be used; empty where it can."""
        return next((source.missing for source in self.sources if source.missing), "")

    def trouble(self, environment: Environment, now: float | None = None) -> Trouble | None:
        """Why no nodes can be made as a managed environment says; None where they can.

        Without a time, a NodePool that Karpenter has yet to look at is no trouble.
        """
        refused = self.refused_pools.get(environment.name)
        why = "" if refused is None else refused.why
        return trouble(environment, self.pools.get(environment.name), self.missing, why, now)

    def put_claim(self, obj: Object) -> None:
        """Take a NodeClaim in; most of its events are of conditions that matter to nobody here."""
        claim = read_nodeclaim(obj)
        if self.claims.get(claim.name) != claim:
            self.claims[claim.name] = claim
            self._changed()

    def remove_claim(self, name: str) -> None:
        """Forget a NodeClaim."""
        if self.claims.pop(name, None) is not None:
            self._changed()

    def put_pool(self, obj: Object) -> None:
        """Take a NodePool in."""
        pool = read_nodepool(obj)
        self.stored_pools[pool.name] = obj
        if self.pools.get(pool.name) != pool:
            self.pools[pool.name] = pool
            self._changed()

    def remove_pool(self, name: str, uid: str) -> None:
        """Forget a NodePool."""
        if is_gone(self.pools, name, uid):
            del self.pools[name], self.stored_pools[name]
            self._changed()
