"""Keeps what statuses say of environments' nodes, as statuses are looked at far more often than that changes."""

from collections.abc import Collection
from dataclasses import replace

from batchyard.core.insight.madenodes import MadeNodes, made_nodes, vcpus
from batchyard.core.insight.nodesview import NodesView, view_nodes
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.selectors import selects
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.runtime.controllers.madenodes.nodecounts import NodeCounts
from batchyard.runtime.state.cache import Cache


class NodesViews:
    """The view of each environment, made anew only after nodes, environments, claims or pods of others have changed."""

    def __init__(self, cache: Cache, counts: NodeCounts) -> None:
        self._cache = cache
        self._catalogue = cache.catalogue
        self._counts = counts
        self._pools: dict[str, Pool] = {}
        """Those that everything here belongs to: others are made when nodes, environments or claims change."""
        self._nodes: dict[str, tuple[Collection[Node], list[Node]]] = {}
        """By environment: the nodes that can take pods, and all that it selects."""
        self._views: dict[str, tuple[int, NodesView]] = {}
        """By environment, with the version of the sums of pods."""
        self._made: dict[str, MadeNodes] = {}

    def of(self, name: str, now: float) -> NodesView:
        """Return the view of an environment that exists."""
        view, environment = self._of_nodes(name), self._pools[name].environment
        if environment.serverless is not None:
            return replace(view, withheld=self._pools[name].withheld)
        if environment.managed is None:
            return view
        known = self._catalogue.provisioned
        trouble, pool, failure = known.trouble(environment, now), known.pools.get(name), known.failure(name, now)
        fault = "" if pool is None else pool.fault
        return replace(view, made=self.made(name), trouble=trouble, fault=fault, failure=failure)

    def made(self, name: str) -> MadeNodes | None:
        """Return what is to be said of the nodes of an environment that exists; None where they are not made."""
        self._renew()
        environment = self._pools[name].environment
        if environment.managed is None:
            return None
        if name not in self._made:
            self._made[name] = self._made_for(name)
        made = self._made[name]
        takes = vcpus(made, self._cache.used.get(name, {}), self._catalogue.room.taken)
        return replace(made, vcpus=takes, history=self._counts.of(environment))

    def _made_for(self, name: str) -> MadeNodes:
        claims = (claim for claim in self._catalogue.provisioned.claims.values() if claim.environment == name)
        machines = {node.machine: node for node in self._catalogue.nodes.values()}
        return made_nodes(claims, machines, self._pools[name].members)

    def _renew(self) -> None:
        pools = self._catalogue.pools()
        if pools is not self._pools:
            self._pools, self._nodes, self._views, self._made = pools, {}, {}, {}

    def _of_nodes(self, name: str) -> NodesView:
        self._renew()
        pools, pods = self._pools, self._catalogue.other_pods
        version, view = self._views.get(name, (-1, None))
        environment = pools[name].environment
        if view is not None and (version == pods.version or not environment.count_other_pods):
            return view
        if name not in self._nodes:
            all_nodes = self._catalogue.nodes.values() if environment.serverless is None else ()
            selected = [node for node in all_nodes if selects(environment, node)]
            self._nodes[name] = (pools[name].index.nodes, selected)
        counted = (pods.by_node, pods.ignored_by_node) if environment.count_other_pods else ({}, {})
        view = view_nodes(*self._nodes[name], *counted)
        self._views[name] = (pods.version, view)
        return view
