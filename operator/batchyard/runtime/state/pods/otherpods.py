"""What pods that are not Batchyard's take on the nodes, summed up by node.

Each event changes the sums by what it says, and so costs the same however many pods there are. Most say nothing new.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from batchyard.core.model.cluster.otherpod import OtherPod
from batchyard.core.model.pods.constraints import Port
from batchyard.core.model.resources import Resources
from batchyard.objects.kubernetes.otherpod import ENDED, read_other_pod
from batchyard.objects.meta import Object
from batchyard.runtime.state.pods.livepods import JobId


class Origin(Enum):
    """Which informer shows a pod.

    Each tells of the pods that it does not show any more as if they were gone. One whose labels change so that another
    shows it must not be lost by that, whichever of both speaks first.
    """

    UNLABELLED = "pods without Batchyard's labels"
    RUNS = "pods that bear the labels of runs"
    INDEXES = "pods that bear the labels of arrays"


class _Known(NamedTuple):
    pod: OtherPod
    counts: bool
    """Not if it is believed to be Batchyard's: then it is counted as such."""


class OtherPods:
    """The pods, by uid, and the sums.

    `on_change(node, freed)` is told of every change of a sum: whether there is more room on the node in any regard.
    """

    def __init__(self, on_change: Callable[[str, bool], None]) -> None:
        self.by_node: dict[str, dict[str, int]] = {}
        """What all of them take, pod slots included; no entry is empty, nor is an amount 0."""
        self.fixed_by_node: dict[str, dict[str, int]] = {}
        """What those of them take that stay on their node whatever happens."""
        self.ports_by_node: dict[str, frozenset[Port]] = {}
        """Host ports in use; no entry is empty."""
        self.ignored_by_node: defaultdict[str, dict[str, str]] = defaultdict(dict)
        """Of pods that could not be understood as a whole, by uid: what counts as nothing."""
        self.version = 0
        """Counts the changes."""
        self.fixed_version = 0
        """Counts those of `fixed_by_node`."""
        self._ports: defaultdict[str, Counter[Port]] = defaultdict(Counter)
        self._known: dict[Origin, dict[str, _Known]] = {origin: {} for origin in Origin}
        self._unclaimed: defaultdict[JobId, set[str]] = defaultdict(set)
        """The uids of those of Indexed Jobs, by Job."""
        self._on_change = on_change

    def put(self, obj: Object, origin: Origin = Origin.UNLABELLED, *, ours: bool = False) -> None:
        """Take a pod in, as often as it is shown; one that is `ours` is only kept in mind."""
        uid = obj["metadata"]["uid"]
        known = self._known[origin].get(uid)
        if ours and known is not None and not known.counts and (obj.get("status") or {}).get("phase") not in ENDED:
            return  # most events: what it asks for matters only if it turns out to be another's
        pod = read_other_pod(obj)
        self._replace(origin, obj["metadata"]["uid"], None if pod is None else _Known(pod, not ours))

    def put_unclaimed(self, obj: Object, job: JobId) -> None:
        """Count a pod of an Indexed Job of which nothing is known (yet)."""
        self._unclaimed[job].add(obj["metadata"]["uid"])
        self.put(obj, Origin.INDEXES)

    def claim_all(self, job: JobId) -> None:
        """Count the pods of an Indexed Job no more that has turned out to be Batchyard's."""
        for uid in self._unclaimed.pop(job, ()):
            self.remove(uid, Origin.INDEXES)

    def remove(self, uid: str, origin: Origin = Origin.UNLABELLED) -> None:
        """Forget a pod that its informer does not show any more."""
        self._replace(origin, uid, None)

    def claim(self, uid: str, ours: bool) -> None:
        """Have a pod that bears the labels of a run count from now on, or not any more as it is one of a run's."""
        if (known := self._known[Origin.RUNS].get(uid)) is not None:
            self._replace(Origin.RUNS, uid, known._replace(counts=not ours))

    def _replace(self, origin: Origin, uid: str, new: _Known | None) -> None:
        pods = self._known[origin]
        old = pods.get(uid)
        if old == new:
            return
        if new is None:
            del pods[uid]
        else:
            pods[uid] = new
        before = old.pod if old is not None and old.counts else None
        after = new.pod if new is not None and new.counts else None
        if before == after:
            return
        self.version += 1
        if before is not None:
            self._shift(before, uid, -1)
        if after is not None:
            self._shift(after, uid, 1)
        for node in {each.node for each in (before, after) if each is not None}:
            self._on_change(node, before is not None and before.node == node and not _covers(after, before))

    def _shift(self, pod: OtherPod, uid: str, sign: int) -> None:
        _add(self.by_node, pod.node, pod.request, sign)
        if pod.fixed:
            self.fixed_version += 1
            _add(self.fixed_by_node, pod.node, pod.request, sign)
        if pod.ports:
            self._shift_ports(pod, sign)
        if pod.ignored and sign > 0:
            self.ignored_by_node[pod.node][uid] = pod.ignored
        elif pod.ignored:
            del self.ignored_by_node[pod.node][uid]
            if not self.ignored_by_node[pod.node]:
                del self.ignored_by_node[pod.node]

    def _shift_ports(self, pod: OtherPod, sign: int) -> None:
        """Pods that were put on a node past the scheduler may have a port in common."""
        taken = self._ports[pod.node]
        for port in pod.ports:
            taken[port] += sign
            if not taken[port]:
                del taken[port]
        if taken:
            self.ports_by_node[pod.node] = frozenset(taken)
        else:
            del self._ports[pod.node], self.ports_by_node[pod.node]


def _add(sums: dict[str, dict[str, int]], node: str, amounts: Resources, sign: int) -> None:
    total = sums.setdefault(node, {})
    for name, amount in amounts.items():
        left = total.get(name, 0) + sign * amount
        if left:
            total[name] = left
        else:
            del total[name]
    if not total:
        del sums[node]


def _covers(after: OtherPod | None, before: OtherPod) -> bool:
    """Whether a pod takes at least what it did, in every regard, and on the same node."""
    if after is None or after.node != before.node or not set(after.ports) >= set(before.ports):
        return False
    return all(after.request.get(name, 0) >= amount for name, amount in before.request.items())
