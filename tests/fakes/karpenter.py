"""What Karpenter and people write of Karpenter's kinds: claims come, go and fail, NodePools are judged and edited."""

from typing import Any

from batchyard.kube.errors import NotFound
from batchyard.kube.protocol import Object
from batchyard.kube.resources import EVENTS, NODE_CLAIMS, NODE_POOLS, Resource
from fakes.store import Store
from objects.managed import node_claim
from objects.nonodes import (
    NO_CAPACITY,
    about_claim,
    about_pod,
    about_pool,
    karpenter_event,
    launched,
    not_launched,
    unschedulable,
)


class Karpenter:
    """NodePools and NodeClaims of a cluster."""

    def __init__(self, store: Store) -> None:
        self.runs = True
        """Whether its controller looks at new NodePools; it has nothing to say against them."""
        self._store = store
        self._failures = 0
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
        """Ask for a node, or say something else of it; see `node_claim`. One with a capacity was launched just now."""
        try:
            old = self._store.get(NODE_CLAIMS, name)
        except NotFound:
            self._store.seed(NODE_CLAIMS, node_claim(name, environment, **self._launch(None, fields)))
            return
        body = node_claim(name, environment, **self._launch(old, fields))
        labels = body["metadata"]["labels"]
        new = self._store.update(NODE_CLAIMS, {**old, "metadata": {**old["metadata"], "labels": labels}})
        self._store.update(NODE_CLAIMS, {**new, "status": body["status"]}, status=True)

    def delete_claim(self, name: str = "burst-1") -> None:
        """Delete a claim, as at the notice of a cloud, and as people do: its node is there until `drop`."""
        old = self._store.get(NODE_CLAIMS, name)
        finalizers = ["karpenter.sh/termination"]
        self._store.update(NODE_CLAIMS, {**old, "metadata": {**old["metadata"], "finalizers": finalizers}})
        self._store.delete(NODE_CLAIMS, name)

    def _launch(self, old: Object | None, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a claim, and the condition that it is launched, since when it was."""
        if "conditions" in fields or not fields.get("capacity"):
            return fields
        said = (old or {}).get("status", {}).get("conditions", [])
        found = [each for each in said if (each["type"], each["status"]) == ("Launched", "True")]
        return {**fields, "conditions": found or [launched(self._store.timestamp())]}

    def fail(
        self,
        environment: str = "burst",
        message: str = NO_CAPACITY,
        *,
        reason: str = "InsufficientCapacityError",
        claim: str = "",
    ) -> None:
        """Make a claim and have no capacity for it: an Event is all that remains."""
        self._failures += 1
        name = claim or f"{environment}-{self._failures:05}"
        self._tell(about_claim(name), reason, f"NodeClaim {name} event: {message}")

    def fail_pod(self, pod: str, environment: str = "burst", message: str = "", *, namespace: str = "media") -> None:
        """Have nothing that could be made for a pod, and make no claim. A message is of this pod, and all of it."""
        self._tell(about_pod(pod, namespace), "FailedScheduling", message or unschedulable(environment))

    def fail_pool(self, name: str = "burst") -> None:
        """Have nothing that could be made from a NodePool."""
        words = "NodePool requirements filtered out all compatible available instance types"
        self._tell(about_pool(name), "NoCompatibleInstanceTypes", words)

    def refuse(self, message: str, *, claim: str = "burst-1", environment: str = "burst") -> None:
        """Have a claim whose machine the provider refuses to make; Karpenter keeps it, and goes on trying."""
        said = not_launched(message, at=self._store.timestamp())
        self.claim(claim, environment, conditions=[said])

    def _tell(self, about: Object, reason: str, message: str) -> None:
        self._failures += 1
        name = f"{about['name']}.{self._failures:016x}"
        event = karpenter_event(about, reason, message, self._store.timestamp(), name=name)
        self._store.create(EVENTS, event, event["metadata"]["namespace"])

    def drop(self, name: str = "burst-1") -> None:
        """Have a claim gone."""
        old = self._store.get(NODE_CLAIMS, name)
        self._store.update(NODE_CLAIMS, {**old, "metadata": {**old["metadata"], "finalizers": []}})
        if "deletionTimestamp" not in old["metadata"]:
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

    def judge(
        self, condition: str, status: str, message: str = "", *, pool: str = "burst", reason: str = "Said"
    ) -> None:
        """Say this of a NodePool, and nothing else."""
        said = {"type": condition, "status": status, "reason": reason, "message": message}
        self._store.update(NODE_POOLS, {**self.pool(pool), "status": {"conditions": [said]}}, status=True)

    def edit(self, name: str = "burst", **spec: Any) -> None:
        """Change fields of a NodePool's spec by hand."""
        pool = self.pool(name)
        self._store.update(NODE_POOLS, {**pool, "spec": {**pool["spec"], **spec}})

    def create_pool(self, name: str = "burst", **spec: Any) -> None:
        """Make a NodePool as people do, which is nobody's environment's."""
        body = {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": name}, "spec": spec}
        self._store.create(NODE_POOLS, body)

    def delete_pool(self, name: str = "burst", *, at_once: bool = True) -> None:
        """Delete a NodePool. Karpenter lets it go at once, or keeps it until its nodes are gone."""
        if not at_once:
            pool = self.pool(name)
            finalizers = ["karpenter.sh/termination"]
            self._store.update(NODE_POOLS, {**pool, "metadata": {**pool["metadata"], "finalizers": finalizers}})
        self._store.delete(NODE_POOLS, name)
