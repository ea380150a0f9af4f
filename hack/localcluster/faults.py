"""Faults of the machines that Karpenter makes: shortages, failed launches, spot interruptions and lost zones.

Rules are kept in a file that Karpenter's provider reads before it makes a machine; what befalls machines that are there
is done to their objects, as a cloud's own controllers and a broken machine would.
"""

import json
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from .errors import LocalClusterError

Kind = Literal["insufficientCapacity", "unavailable", "launchFailed", "unregistered"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Names = tuple[str, ...] | list[str]
NOTICE_SECONDS = 120.0
"""How long before it takes a spot machine AWS says so."""


@dataclass(frozen=True)
class Rule:
    """Machines, named by what they would be made as, and what befalls them; an empty selector stands for all.

    - insufficientCapacity: none is left; Karpenter drops its claim and tries again, every ten seconds. With
      `remembered` it knows for so many seconds what it could not get, and makes no claim for it; with AWS, for 180.
    - unavailable: none is left, and Karpenter knows it beforehand.
    - launchFailed: the cloud refuses, with a reason and a message; Karpenter keeps its claim and tries again for five
      minutes. Until then it makes no claims at all, for no NodePool.
    - unregistered: the machine is made, and no Node ever comes of it.
    """

    kind: Kind
    capacity_types: Names = ()
    zones: Names = ()
    instance_types: Names = ()
    node_classes: Names = ()
    reason: str = ""
    message: str = ""
    remembered: float = 0

    def document(self) -> dict[str, Any]:
        """The rule as Karpenter's provider reads it, without what is not said."""
        if self.kind not in KINDS:
            raise LocalClusterError(f"there is no fault {self.kind!r}; take one of {', '.join(KINDS)}")
        said = {_camel(each.name): getattr(self, each.name) for each in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value}


class FaultyCluster(Protocol):
    """A cluster whose machines can be lost."""

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        """Standard output of kubectl on this cluster."""

    def lose_node(self, name: str) -> None:
        """Let a node fall silent; its object and its pods stay."""


def faults_file(folder: Path) -> Path:
    """Where the rules of a cluster are kept, of which this is the folder."""
    return folder / "faults.json"


def refuse(folder: Path, rules: Iterable[Rule]) -> None:
    """From now on these rules hold in the cluster of this folder, and no others."""
    _write(folder, [rule.document() for rule in rules])


def add(folder: Path, rules: Iterable[Rule]) -> None:
    """From now on these rules hold, too."""
    _write(folder, [*rules_of(folder), *(rule.document() for rule in rules)])


def rules_of(folder: Path) -> list[dict[str, Any]]:
    """The rules that hold, as they are in the file."""
    try:
        text = faults_file(folder).read_text()
    except FileNotFoundError:
        return []
    return list(json.loads(text)["refused"])


def clear(folder: Path) -> None:
    """No machine is refused any more."""
    faults_file(folder).unlink(missing_ok=True)


@contextmanager
def refused(folder: Path, *rules: Rule) -> Iterator[None]:
    """The rules hold within the block."""
    refuse(folder, rules)
    try:
        yield
    finally:
        clear(folder)


def interrupt(cluster: FaultyCluster, nodes: Iterable[str], notice: float = NOTICE_SECONDS) -> None:
    """Take spot machines as AWS does: with a notice, and some seconds later for good, whether pods are left or not."""
    names = list(nodes)
    warn(cluster, names)
    time.sleep(notice)
    take(cluster, names)


def warn(cluster: FaultyCluster, nodes: Iterable[str]) -> None:
    """What AWS' provider does on a notice: it says so of claim and Node, and deletes the claim to have it drained."""
    for node, claim in _claims(cluster, nodes).items():
        owner = json.loads(cluster.kubectl("get", "node", node, "-o", "json"))
        for each in (claim, owner):
            _record(cluster, each, "SpotInterrupted", "The cloud takes this spot machine back soon")
        cluster.kubectl("delete", "nodeclaim", claim["metadata"]["name"], "--wait=false")
        for each in (claim, owner):
            kind = each["kind"]
            _record(cluster, each, "TerminatingOnInterruption", f"The {kind} is terminated, as it was interrupted")


def take(cluster: FaultyCluster, nodes: Iterable[str]) -> None:
    """The machines are gone at once: nothing ends in order on them, and their Nodes vanish from under the pods.

    A claim that was not deleted before is left to Karpenter, which looks every two minutes for those without a machine.
    """
    for node in nodes:
        if not cluster.kubectl("get", "node", node, "--ignore-not-found", "-o", "name"):
            continue  # it was drained in time
        silence = ("annotate", "pods", "-A", f"--field-selector=spec.nodeName={node}", "--overwrite")
        # A pod may be gone by then that was there when they were listed; the others are silenced all the same.
        cluster.kubectl(*silence, "sim.batchyard.dev/silent=true", "sim.batchyard.dev/never-finish=true", check=False)
        # The finalizer is taken off first: with it, a deleted Node would be drained, which a lost machine cannot be.
        cluster.kubectl("patch", "node", node, "--type=merge", "-p", '{"metadata": {"finalizers": null}}', check=False)
        cluster.kubectl("delete", "node", node, "--ignore-not-found", "--wait=false")


def lose_zone(cluster: FaultyCluster, folder: Path, zone: str, *, gone: bool = False) -> list[str]:
    """A zone fails: its machines fall silent, or are gone at once, and none is made there; returns their names.

    Kubernetes notices silent machines after 50 s. Karpenter, as it is set up here, leaves them alone.
    """
    add(folder, [Rule("unavailable", zones=[zone])])
    listed = cluster.kubectl("get", "nodes", "-l", f"topology.kubernetes.io/zone={zone}", "-o", "name")
    names = [line.removeprefix("node/") for line in listed.split()]
    if gone:
        take(cluster, names)
    else:
        for name in names:
            cluster.lose_node(name)
    return names


def _write(folder: Path, documents: list[dict[str, Any]]) -> None:
    """Karpenter reads the old rules or the new ones, never half of them."""
    if not folder.is_dir():
        raise LocalClusterError(f"cluster {folder.name} is not running; start it with up --karpenter")
    partial = folder / ".faults.json.partial"
    partial.write_text(json.dumps({"refused": documents}, indent=2) + "\n")
    partial.replace(faults_file(folder))


def _claims(cluster: FaultyCluster, nodes: Iterable[str]) -> dict[str, Any]:
    items = json.loads(cluster.kubectl("get", "nodeclaims", "-o", "json"))["items"]
    known = {each.get("status", {}).get("nodeName"): each for each in items}
    wanted = list(nodes)
    for name in wanted:
        if name not in known:
            raise LocalClusterError(
                f"node {name} was not made by Karpenter; kubectl get nodeclaims shows those that were"
            )
    return {name: known[name] for name in wanted}


def _record(cluster: FaultyCluster, about: dict[str, Any], reason: str, message: str) -> None:
    """An event as Karpenter records it, which is in the default namespace for objects that have none."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    name = about["metadata"]["name"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{name}.{secrets.token_hex(8)}", "namespace": "default"},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": name,
            "uid": about["metadata"]["uid"],
            "resourceVersion": about["metadata"]["resourceVersion"],
        },
        "type": "Warning",
        "reason": reason,
        "message": message,
        "source": {"component": "karpenter"},
        "reportingComponent": "karpenter",
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    cluster.kubectl("create", "-f", "-", input=json.dumps(event))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
