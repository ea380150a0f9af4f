"""What Karpenter has, claims of nodes that are made for environments and all NodePools, and what it tells of both."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.cluster.nodeclaim import NodeClaim, NodePool
from batchyard.core.model.environment import Environment
from batchyard.core.scheduling.capacity.coming.trouble import Trouble, trouble
from batchyard.objects.kubernetes.karpenter.mishap import mishap_of_claim, mishap_of_pod, mishap_of_pool, pool_of
from batchyard.objects.kubernetes.karpenter.nodeclaim import read_nodeclaim
from batchyard.objects.kubernetes.karpenter.nodepool import read_nodepool
from batchyard.objects.meta import Object
from batchyard.runtime.state.kinds.failures import Failures
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

    def __init__(self, changed: Callable[[], None], environments: Mapping[str, Environment]) -> None:
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
        self._environments = environments
        self._failures = Failures(environments, self.claims)

    @property
    def on_failure(self) -> Callable[[str], None]:
        """Told the name of an environment when more is heard of what fails there."""
        return self._failures.on_failure

    @on_failure.setter
    def on_failure(self, told: Callable[[str], None]) -> None:
        self._failures.on_failure = told

    @property
    def failures(self) -> dict[str, Failure]:
        """What was told last of each managed environment, for pods that have no node on their way. It may be over.

        What a claim is refused with that is there still goes on: that has no `last`, but is so for ever.
        """
        found = {name: self._failures.heard(each) for name in self._failures.heard_of if (each := self._ours(name))}
        refused = {claim.environment for claim in self.claims.values() if claim.mishap is not None}
        return {
            name: replace(failure, last=inf) if name in refused else failure
            for name, failure in found.items()
            if failure is not None
        }

    def failure(self, name: str, now: float) -> Failure | None:
        """What keeps nodes of an environment from coming."""
        environment = self._ours(name)
        return None if environment is None else self._failures.present(environment, now)

    def _ours(self, name: str) -> Environment | None:
        """The managed environment that a NodePool of this name was made for, or is to be made for."""
        environment, pool = self._environments.get(name), self.pools.get(name)
        if environment is None or environment.managed is None or (pool is not None and not pool.environment):
            return None
        return environment

    @property
    def needed(self) -> bool:
        """Whether there are environments whose nodes are made, and somebody who makes them."""
        return not self.missing and any(each.managed is not None for each in self._environments.values())

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
            self._failures.note_claim(claim)
            self._changed()

    def remove_claim(self, name: str) -> None:
        """Forget a NodeClaim."""
        claim = self.claims.pop(name, None)
        if claim is not None:
            self._failures.forget_claim(claim)
            self._changed()

    def put_claim_event(self, event: Object) -> None:
        """Take in what is told of a NodeClaim, which may be gone by now, or never have been seen."""
        mishap, name = mishap_of_claim(event), event["involvedObject"].get("name") or ""
        claim = self.claims.get(name)
        environment = pool_of(name, self._environments) if claim is None else claim.environment
        if mishap is not None and self._ours(environment):
            self._failures.note(environment, mishap)

    def put_pool_event(self, event: Object) -> None:
        """Take in what is told of a NodePool."""
        mishap, name = mishap_of_pool(event), event["involvedObject"].get("name") or ""
        if mishap is not None and self._ours(name):
            self._failures.note(name, mishap)

    def put_pod_event(self, event: Object, environment: str) -> None:
        """Take in what is told of a pod that is to run in an environment."""
        mishap = mishap_of_pod(event, environment)
        if mishap is not None and self._ours(environment):
            self._failures.note(environment, mishap)

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
