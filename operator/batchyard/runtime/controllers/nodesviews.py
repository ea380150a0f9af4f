"""Keeps what statuses say of environments' nodes, as statuses are looked at far more often than that changes."""

from collections.abc import Collection
from dataclasses import replace

from batchyard.core.insight.madenodes import MadeNodes, made_nodes
from batchyard.core.insight.nodesview import NodesView, view_nodes
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.selectors import selects
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.runtime.state.catalogue import Catalogue


class NodesViews:
    """The view of each environment, made anew only after nodes, environments, claims or pods of others have changed."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
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
        if environment.managed is None:
            return view
        if name not in self._made:
            self._made[name] = self._made_for(name)
        return replace(view, made=self._made[name], trouble=self._catalogue.provisioned.trouble(environment, now))

    def _made_for(self, name: str) -> MadeNodes:
        claims = (claim for claim in self._catalogue.provisioned.claims.values() if claim.environment == name)
        machines = {node.machine: node for node in self._catalogue.nodes.values()}
        return made_nodes(claims, machines, self._pools[name].members)

    def _of_nodes(self, name: str) -> NodesView:
        pools, pods = self._catalogue.pools(), self._catalogue.other_pods
        if pools is not self._pools:
            self._pools, self._nodes, self._views, self._made = pools, {}, {}, {}
        version, view = self._views.get(name, (-1, None))
        environment = pools[name].environment
        if view is not None and (version == pods.version or not environment.count_other_pods):
            return view
        if name not in self._nodes:
            selected = [node for node in self._catalogue.nodes.values() if selects(environment, node)]
            self._nodes[name] = (pools[name].index.nodes, selected)
        counted = (pods.by_node, pods.ignored_by_node) if environment.count_other_pods else ({}, {})
        view = view_nodes(*self._nodes[name], *counted)
        self._views[name] = (pods.version, view)
        return view
