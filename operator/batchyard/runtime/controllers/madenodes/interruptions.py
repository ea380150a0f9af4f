"""Evicts jobs from nodes that a cloud takes back, as soon as it has said so.

Pods of jobs must not be disrupted, so the provisioner would leave them alone until the machine is gone. Evicted at
once, their programs have what is left of the notice to end in order. What is to be done follows from the claims that
are being deleted and the pods that are there, so that a process that takes over goes on with it.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from batchyard.api import names
from batchyard.core.insight.interruptions import node_of, outlasts, taken_back
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.timers import is_recent
from batchyard.core.planner.actions import Action
from batchyard.core.planner.containment import Stage
from batchyard.kube.protocol import KubeApi, Selection
from batchyard.kube.resources import NODE_POOLS, PODS
from batchyard.objects.kubernetes.karpenter.nodepool import read_nodepool
from batchyard.runtime.controllers.arrays import NOT_ENDED
from batchyard.runtime.controllers.madenodes.eviction import evict
from batchyard.runtime.controllers.madenodes.nodecounts import NodeCounts
from batchyard.runtime.loop.actions import DrainNode, Performers
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)

NOTICE_SECONDS = 2.0
"""How often it is looked for claims that are being deleted: with other routines, as each look ends in a pass."""
AGAIN_SECONDS = 5.0
"""After how long a node is looked at again of which all pods were asked to go: one may have been bound meanwhile."""


class InterruptionController:
    """Drains nodes that are taken back, and has what became of nodes counted."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        counts: NodeCounts,
        containment: Containment,
        clock: Callable[[], float],
    ) -> None:
        self._api = api
        self._cache = cache
        self._counts = counts
        self._containment = containment
        self._clock = clock
        self._drained: dict[str, float] = {}
        """When all pods on the node of a claim had been asked to go."""

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(DrainNode, self.drain)

    def outdated(self, now: float) -> Iterable[Action]:
        """Count what has happened to nodes, and return the draining of those that are taken back."""
        self._containment.attempt(Stage.NODE_POOLS, "", partial(self._counts.look, now), None)
        return self._containment.attempt(Stage.NODE_POOLS, "drains", partial(self._due, now), ())

    def _due(self, now: float) -> tuple[Action, ...]:
        going = {claim.name: node for claim, node in self._going() if node}
        self._drained = {name: at for name, at in self._drained.items() if name in going}
        if not going:
            return ()
        occupied = self._cache.runs.live.nodes()
        return tuple(
            DrainNode(name) for name, node in going.items() if node in occupied and not self._is_drained(name, now)
        )

    def _is_drained(self, claim: str, now: float) -> bool:
        """Whether all pods there were asked to go a moment ago."""
        return claim in self._drained and is_recent(self._drained[claim], now, AGAIN_SECONDS)

    def _going(self) -> Iterator[tuple[NodeClaim, str]]:
        """The claims of machines that are taken back, with the names of their nodes."""
        catalogue = self._cache.catalogue
        provisioned = catalogue.provisioned
        for claim in taken_back(provisioned.claims.values(), provisioned.pools, catalogue.environments):
            yield claim, node_of(claim, catalogue.nodes.values())

    async def drain(self, action: DrainNode) -> None:
        """Evict the jobs from a node, if it is taken back still. Whatever is protected is tried again, as the machine
        goes all the same."""
        claim, node = next((each for each in self._going() if each[0].name == action.claim), (None, ""))
        if claim is None or not node or not await self._pool_stays(claim):
            return
        fields = f"spec.nodeName={node},{NOT_ENDED}"
        pods, _ = await self._api.list(PODS, Selection(labels=names.JOB_UID, fields=fields))
        if not pods:
            return
        self._counts.count_interruption(claim, self._clock())
        if not await evict(self._api, pods):
            _log.info("Node %s is taken back: all pods of jobs there were asked to go", node)
            self._drained[claim.name] = self._clock()

    async def _pool_stays(self, claim: NodeClaim) -> bool:
        """Whether the API server says so, too: claims of a NodePool that is deleted may be seen before it is."""
        pools, _ = await self._api.list(NODE_POOLS, Selection(fields=f"metadata.name={claim.environment}"))
        return any(outlasts(read_nodepool(pool), claim) for pool in pools)
