"""What Karpenter and people write of Karpenter's kinds: claims come and go, NodePools are judged and edited."""

from typing import Any

from batchyard.kube.errors import NotFound
from batchyard.kube.protocol import Object
from batchyard.kube.resources import NODE_CLAIMS, NODE_POOLS, Resource
from fakes.store import Store
from objects.managed import node_claim


class Karpenter:
    """NodePools and NodeClaims of a cluster."""

    def __init__(self, store: Store) -> None:
        self.runs = True
        """Whether its controller looks at new NodePools; it has nothing to say against them."""
        self._store = store
        store.listeners.append(self._look)

    def _look(self, change: tuple[Resource, Object | None, Object | None]) -> None:
        resource, old, new = change
        if self.runs and resource == NODE_POOLS and old is None and new is not None:
            self.judge("Ready", "True", pool=new["metadata"]["name"])

    def install(self) -> None:
        """Have its kinds known to the API server, as they are from the start."""
        self._store.unknown -= {NODE_POOLS, NODE_CLAIMS}

    def uninstall(self) -> None:
        """Have its kinds not known any more: what there was of them is gone."""
        for resource in (NODE_POOLS, NODE_CLAIMS):
            for obj in self._store.objects(resource):
                self._store.delete(resource, obj["metadata"]["name"])
            self._store.unknown.add(resource)

    def claim(self, name: str = "burst-1", environment: str = "burst", **fields: Any) -> None:
        """Ask for a node, or say something else of it; see `node_claim`."""
        body = node_claim(name, environment, **fields)
        try:
            old = self._store.get(NODE_CLAIMS, name)
        except NotFound:
            self._store.seed(NODE_CLAIMS, body)
            return
        labels = body["metadata"]["labels"]
        new = self._store.update(NODE_CLAIMS, {**old, "metadata": {**old["metadata"], "labels": labels}})
        self._store.update(NODE_CLAIMS, {**new, "status": body["status"]}, status=True)

    def drop(self, name: str = "burst-1") -> None:
        """Have a claim gone."""
        self._store.delete(NODE_CLAIMS, name)

    def pool(self, name: str = "burst") -> Object:
        return self._store.get(NODE_POOLS, name)

    def limits(self, name: str = "burst") -> dict[str, str]:
        """Those of a NodePool."""
        found: dict[str, str] = self.pool(name)["spec"]["limits"]
        return found

    def pools(self) -> list[str]:
        """Names of all NodePools, sorted."""
        return [pool["metadata"]["name"] for pool in self._store.objects(NODE_POOLS)]

    def judge(self, condition: str, status: str, message: str = "", *, pool: str = "burst") -> None:
        """Say this of a NodePool, and nothing else."""
        said = {"type": condition, "status": status, "reason": "Said", "message": message}
        self._store.update(NODE_POOLS, {**self.pool(pool), "status": {"conditions": [said]}}, status=True)

    def edit(self, name: str = "burst", **spec: Any) -> None:
        """Change fields of a NodePool's spec by hand."""
        pool = self.pool(name)
        self._store.update(NODE_POOLS, {**pool, "spec": {**pool["spec"], **spec}})

    def create_pool(self, name: str = "burst", **spec: Any) -> None:
        """Make a NodePool as people do, which is nobody's environment's."""
        body = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": name}, "spec": spec}
        self._store.create(NODE_POOLS, body)

    def delete_pool(self, name: str = "burst") -> None:
        self._store.delete(NODE_POOLS, name)
