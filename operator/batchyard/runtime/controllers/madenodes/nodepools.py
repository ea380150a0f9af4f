"""Keeps the NodePool of each managed environment as the environment says, and takes it away after the environment.

What is to be done follows from the environments, the NodePools that are there and the runs that are charged, so that a
process that takes over does the same. Nothing of it is written down anywhere but in the NodePool: its label tells whose
it is, its annotation what becomes of its nodes when that environment is gone.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial

from batchyard.api import names
from batchyard.core.model.cluster.nodeclaim import NodePool
from batchyard.core.model.timers import is_recent
from batchyard.core.planner.actions import Action
from batchyard.core.planner.containment import Stage
from batchyard.kube.errors import AlreadyExists, ApiError, Conflict, NotFound
from batchyard.kube.protocol import KubeApi, Object, Selection
from batchyard.kube.resources import COMPUTEENVIRONMENTS, NODE_POOLS, PODS
from batchyard.objects.kinds.computeenvironment import read_environment
from batchyard.objects.kubernetes.karpenter.nodepool import closed, covers, merged, render_nodepool
from batchyard.runtime.controllers.madenodes.eviction import evict
from batchyard.runtime.loop.actions import DeleteNodePool, Performers, WriteNodePool
from batchyard.runtime.loop.containment import Containment
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.kinds.provisioned import RefusedPool

_log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How often environments and NodePools are compared."""
REFUSED_SECONDS = 30.0
"""After how long one that was refused is written again as it is."""
_NONE: Object = {}
"""What is wanted where there is to be no NodePool."""


class NodePoolController:
    """Writes and deletes NodePools. One that somebody else has made is never touched."""

    def __init__(self, api: KubeApi, cache: Cache, containment: Containment, clock: Callable[[], float]) -> None:
        self._api = api
        self._cache = cache
        self._containment = containment
        self._clock = clock
        self._known = cache.catalogue.provisioned

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(WriteNodePool, self.write)
        performers.register(DeleteNodePool, self.delete)

    def outdated(self, now: float) -> Iterator[Action]:
        """Return the writing of each NodePool that is not as it should be, and the deletion of those nobody needs."""
        if self._known.missing:
            return
        known = (self._cache.catalogue.environments, self._known.pools, self._known.refused_pools)
        for name in dict.fromkeys(name for several in known for name in several):
            action = self._containment.attempt(Stage.NODE_POOLS, name, partial(self._next, name, now), None)
            if action is not None:
                yield action

    def _next(self, name: str, now: float) -> Action | None:
        """What is to be done about a NodePool."""
        wanted = self._wanted(name)
        refused = self._known.refused_pools.get(name)
        if refused is not None and refused.wanted != wanted:
            del self._known.refused_pools[name]
            refused = None
        if wanted is None or (refused is not None and is_recent(refused.at, now, REFUSED_SECONDS)):
            return None
        return WriteNodePool(name) if wanted else DeleteNodePool(name)

    def _wanted(self, name: str) -> Object | None:
        """What a NodePool should be; None where it is so, or must be left as it is."""
        if self._is_expendable(name):
            return _NONE
        environment = self._cache.catalogue.environments.get(name)
        pool, found = self._known.pools.get(name), self._known.stored_pools.get(name, {})
        if environment is not None and environment.refusal:
            return None
        if pool is not None and (pool.deleting or not pool.environment):
            return None
        if environment is not None and environment.managed is not None:
            wanted = render_nodepool(environment)
        elif pool is None:
            return None
        else:
            wanted = closed(found)
        return None if pool is not None and covers(found, wanted) else wanted

    def _is_expendable(self, name: str) -> bool:
        """Whether a NodePool of ours may go: its environment is gone, and what runs there need not be waited for."""
        pool = self._known.pools.get(name)
        return (
            pool is not None
            and bool(pool.environment)
            and not pool.deleting
            and self._is_abandoned(name)
            and (self._drains(pool) or not self._cache.used.get(name))
        )

    def _drains(self, pool: NodePool) -> bool:
        """Whether what runs on its nodes is interrupted. Not where the environment goes on with others."""
        return pool.drains and pool.name not in self._cache.catalogue.environments

    def _is_abandoned(self, name: str) -> bool:
        """Whether there is no environment of this name any more whose nodes are made."""
        environment = self._cache.catalogue.environments.get(name)
        return environment is None or (environment.managed is None and not environment.refusal)

    async def write(self, action: WriteNodePool) -> None:
        """Create a NodePool or change it, whatever is due by now."""
        name = action.name
        wanted = self._wanted(name)
        if not wanted:
            return
        found = self._known.stored_pools.get(name)
        try:
            if found is None:
                await self._api.create(NODE_POOLS, wanted)
            else:
                # Of the version that was looked at: what others have changed since is looked at first.
                await self._api.replace(NODE_POOLS, name, merged(found, wanted))
        except (AlreadyExists, Conflict):
            return  # the informer is about to show what is there
        except ApiError as error:
            if isinstance(error, NotFound) and found is not None:
                return
            self._refuse(name, wanted, error)
            return
        # The answer is not taken in: it may be older than what the informer has shown by now, or about to show.
        self._known.refused_pools.pop(name, None)
        _log.info("NodePool %s is %s", name, "created" if found is None else "changed")

    def _refuse(self, name: str, wanted: Object, error: ApiError) -> None:
        """Leave a NodePool alone for a while. Raises what is no refusal, to be tried again soon."""
        if not error.definite:
            raise error
        _log.warning("NodePool %s was not %s: %s", name, "written" if wanted else "deleted", error.message)
        self._known.refused_pools[name] = RefusedPool(wanted, self._clock(), error.message)

    async def delete(self, action: DeleteNodePool) -> None:
        """Delete a NodePool, if it is expendable still."""
        name = action.name
        pool = self._known.pools.get(name)
        if pool is None or not self._is_expendable(name):
            return
        try:
            if await self._is_managed(name):
                return
            if self._drains(pool):
                await self._interrupt(name)
            if self._is_expendable(name):  # an environment of that name may have come meanwhile, and a run
                await self._delete(pool)
        except ApiError as error:
            self._refuse(name, _NONE, error)

    async def _is_managed(self, name: str) -> bool:
        """Whether the API server has a managed environment of this name: nodes must not go for a watch that is late."""
        try:
            environment = read_environment(await self._api.get(COMPUTEENVIRONMENTS, name))
        except NotFound:
            return False
        return environment.managed is not None or bool(environment.refusal)

    async def _interrupt(self, environment: str) -> None:
        """Evict what runs on the nodes of an environment: Karpenter would wait for pods that must not be disrupted.

        Those that a PodDisruptionBudget protects go on.
        """
        selection = Selection(labels=f"{names.JOB_UID},{names.ENVIRONMENT}={environment}")
        pods, _ = await self._api.list(PODS, selection)
        made = {claim.node for claim in self._known.claims.values() if claim.environment == environment}
        await evict(self._api, (pod for pod in pods if pod["spec"].get("nodeName") in (None, "", *made)))

    async def _delete(self, pool: NodePool) -> None:
        try:
            await self._api.delete(NODE_POOLS, pool.name, uid=pool.uid)
        except (NotFound, Conflict):
            return  # the informer is about to show what is there
        _log.info("NodePool %s is deleted: its environment is gone", pool.name)
