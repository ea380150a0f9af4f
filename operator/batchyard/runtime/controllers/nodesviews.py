"""Keeps what statuses say of environments' nodes, as statuses are looked at far more often than that changes."""

from collections.abc import Collection

from batchyard.core.insight.nodesview import NodesView, view_nodes
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.selectors import selects
from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.runtime.state.catalogue import Catalogue


class NodesViews:
    """The view of each environment, made anew only after nodes, environments or the pods of others have changed."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._pools: dict[str, Pool] = {}
        """Those that everything here belongs to: others are made when nodes or environments change."""
        self._nodes: dict[str, tuple[Collection[Node], list[Node]]] = {}
        """By environment: the nodes that can take pods, and all that it selects."""
        self._views: dict[str, tuple[int, NodesView]] = {}
        """By environment, with the version of the sums of pods."""

    def of(self, name: str) -> NodesView:
        """Return the view of an environment that exists."""
        pools, pods = self._catalogue.pools(), self._catalogue.other_pods
        if pools is not self._pools:
            self._pools, self._nodes, self._views = pools, {}, {}
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
