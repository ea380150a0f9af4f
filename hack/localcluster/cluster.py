"""What the rest of the project sees of a local cluster: ``up``, ``down`` and the Cluster they hand out.

``up`` takes the cluster E2E_KUBECONFIG names, else kind where Docker answers, else processes on this machine.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from . import kind, local
from .errors import LocalClusterError
from .images import base_images
from .karpenter import ensure_karpenter, has_karpenter, start_karpenter
from .nodes import realnode
from .nodes.simulated import NODE_LABEL, VIRTUAL_LABEL, node_manifests, node_resources, virtual_node_manifests
from .paths import clusters_root
from .programs.build import ensure_binaries
from .state import ClusterState, cluster_dir, load_state, new_state

Backend = Literal["existing", "kind", "local"]
Progress = Callable[[str], None]

DEFAULT_NAME = "batchyard"
KUBECONFIG_VARIABLE = "E2E_KUBECONFIG"
_CLIENTS = ("kubectl", "helm")
_SIMULATED = f"{NODE_LABEL}=simulated"
_VIRTUAL = "=".join(VIRTUAL_LABEL)


@dataclass(frozen=True)
class Cluster:
    """A running cluster and what can be done with it.

    A real node carries the label batchyard.dev/node=real and has the images of ``images``; in a cluster of your own
    (E2E_KUBECONFIG) it is up to you to label nodes that have them.
    """

    name: str
    backend: Backend
    kubeconfig: Path
    binaries: Path
    has_real_node: bool
    audit_log: Path | None = None
    karpenter: bool = False

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        """Standard output of kubectl on this cluster."""
        result = subprocess.run(
            [self.binaries / "kubectl", "--kubeconfig", self.kubeconfig, *args],
            input=input,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and result.returncode != 0:
            raise LocalClusterError(f"kubectl {' '.join(args)}: {result.stderr.strip()}")
        return result.stdout

    def load_image(self, archive: Path) -> None:
        """Make the images of an archive usable by pods on the real node."""
        if not archive.is_file():
            raise LocalClusterError(f"there is no image archive {archive}; build it first")
        match self.backend:
            case "kind":
                kind.load_image(self.name, archive)
            case "local" if self.has_real_node:
                state = load_state(self.name)
                if state is None:
                    raise LocalClusterError(f"cluster {self.name} is gone; start it with up")
                realnode.load_image(state, archive)
            case "local":
                raise LocalClusterError(f"cluster {self.name} has no real node to load {archive.name} into")
            case "existing":
                raise LocalClusterError(
                    f"{KUBECONFIG_VARIABLE} is a cluster of yours: push {archive.name} to a registry it uses"
                )

    def add_nodes(
        self,
        count: int,
        *,
        cpu: str = "32",
        memory: str = "256Gi",
        pods: int = 110,
        gpu: int = 0,
        labels: Mapping[str, str] | None = None,
        prefix: str = "sim",
    ) -> list[str]:
        """Add simulated nodes and wait until they are Ready; returns their names.

        Names are numbered on from the nodes that there are. With a prefix of its own nobody gets the name of a node
        that is gone, whose pods would be at home again.
        """
        shape: dict[str, Any] = {"cpu": cpu, "memory": memory, "pods": pods, "gpu": gpu, "labels": labels}
        return self._add(count, prefix, _SIMULATED, lambda names: node_manifests(names, **shape))

    def add_virtual_nodes(
        self,
        count: int = 1,
        *,
        cpu: str = "10000",
        memory: str = "40Ti",
        pods: int = 5000,
        gpu: int = 0,
        labels: Mapping[str, str] | None = None,
        provider: str = "sim",
        prefix: str = "virtual",
    ) -> list[str]:
        """Add nodes as virtual kubelets register them and wait until they are Ready; returns their names.

        Pods get there with a toleration of virtual-kubelet.io/provider, and end as on simulated nodes. These are not
        among `simulated_nodes`.
        """
        resources = node_resources(cpu=cpu, memory=memory, pods=pods, gpu=gpu)
        own: dict[str, Any] = {"labels": labels, "provider": provider}
        return self._add(count, prefix, _VIRTUAL, lambda names: virtual_node_manifests(names, resources, **own))

    def lose_node(self, name: str) -> None:
        """Let a simulated node fall silent, as a machine without power does: its object and its pods stay."""
        lease = {"spec": {"holderIdentity": "nobody", "leaseDurationSeconds": 10**6}}
        self.kubectl("patch", "lease", name, "-n", "kube-node-lease", "--type=merge", "-p", json.dumps(lease))
        # kwok asks its cache whose the lease is, and once it still ended a pod 50 s later; a pod says it of itself.
        here = f"--field-selector=spec.nodeName={name}"
        self.kubectl("annotate", "pods", "-A", here, "sim.batchyard.dev/silent=true", check=False)  # some may be gone

    def simulated_nodes(self) -> list[str]:
        """The names of the simulated nodes."""
        return self._nodes(_SIMULATED)

    def _nodes(self, selector: str) -> list[str]:
        output = self.kubectl("get", "nodes", "-l", selector, "-o", "name")
        return [line.removeprefix("node/") for line in output.split()]

    def _add(
        self, count: int, prefix: str, selector: str, manifests: Callable[[list[str]], dict[str, Any]]
    ) -> list[str]:
        """So many nodes, numbered on from those that the selector finds, whatever their prefix."""
        if self.backend != "local":
            raise LocalClusterError(f"only a local cluster has simulated nodes; this one is {self.backend}")
        if count <= 0:
            return []
        taken = [int(name.rpartition("-")[2]) for name in self._nodes(selector)]
        first = max(taken, default=-1) + 1
        names = [f"{prefix}-{index}" for index in range(first, first + count)]
        self.kubectl("create", "-f", "-", input=json.dumps(manifests(names)))
        self.kubectl("wait", "--for=condition=Ready", "--timeout=60s", *(f"node/{name}" for name in names))
        return names


def build(progress: Progress = print, *, karpenter: bool = False) -> Path:
    """The folder with the programs that a cluster on this machine needs, built first where they are missing.

    Karpenter, for which there is another folder, is built on demand only, and where a cluster here can have it.
    """
    if karpenter and choose_backend() == "local":
        ensure_karpenter(progress)
    return ensure_binaries(progress, None if choose_backend() == "local" else _CLIENTS)


def choose_backend() -> Backend:
    """What ``up`` uses on this machine at this moment."""
    if os.environ.get(KUBECONFIG_VARIABLE):
        return "existing"
    return "kind" if kind.is_available() else "local"


def up(
    name: str = DEFAULT_NAME,
    *,
    real_node: bool | None = None,
    simulated_nodes: int = 2,
    audit: bool = False,
    karpenter: bool = False,
    progress: Progress = print,
) -> Cluster:
    """A running cluster; one that runs already is returned at once, a broken one is replaced.

    real_node=None means: where it is possible, which is as root on Linux. Karpenter and simulated nodes are added to a
    cluster that runs without them.
    """
    cluster_dir(name)  # refuses what is no name before anything is built or becomes a file
    only_local = [feature for feature, wanted in (("an audit log", audit), ("Karpenter", karpenter)) if wanted]
    match choose_backend():
        case "existing":
            return _existing(name, only_local, progress)
        case "kind":
            with _locked(name, progress):
                return _with_kind(name, only_local, progress)
        case "local":
            binaries = ensure_binaries(progress)
            karpenter_programs = ensure_karpenter(progress) if karpenter else None
            with _locked(name, progress):
                state = _local(name, binaries, real_node, audit=audit, progress=progress)
                if karpenter_programs is not None:
                    state = start_karpenter(state, _cluster(state, binaries), karpenter_programs, progress)
                cluster = _cluster(state, binaries)
                cluster.add_nodes(simulated_nodes - len(cluster.simulated_nodes()))
                return cluster


def down(name: str = DEFAULT_NAME, progress: Progress = print) -> None:
    """Remove the cluster and all it left on the machine; fine to call when there is none."""
    cluster_dir(name)
    with _locked(name, progress):
        state = load_state(name)
        if state is not None and state.backend == "kind":
            kind.down(name)
        removed = local.remove(name)
        progress(f"cluster {name} removed" if removed else f"there is no cluster {name}; nothing to do")


def connect(name: str = DEFAULT_NAME) -> Cluster:
    """The cluster that ``up`` made earlier, without starting anything."""
    if choose_backend() == "existing":
        return _existing(name, (), lambda _: None)
    state = load_state(name)
    if state is None or not state.ready:
        raise LocalClusterError(f"cluster {name} is not running; start it with up")
    return _cluster(state, ensure_binaries(names=_CLIENTS))


def cluster_names() -> list[str]:
    """All clusters of this user that left a folder, running or not."""
    root = clusters_root()
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir()) if root.exists() else []


def _local(name: str, binaries: Path, real_node: bool | None, *, audit: bool, progress: Progress) -> ClusterState:
    state = local.find_healthy(name, binaries)
    if state is not None:
        lacking = _lacking(state, real_node, audit)
        if lacking:
            raise LocalClusterError(f"cluster {name} runs already, but {lacking}; take it down first")
        return state
    if real_node and not _can_run_real_node():
        raise LocalClusterError("a real node needs root on Linux: run as root, or with simulated nodes only")
    if local.remove(name):
        progress(f"cluster {name} was not healthy and is started anew")
    real = _can_run_real_node() if real_node is None else real_node
    if not real:
        progress("simulated nodes only" + (": a real node needs root on Linux" if real_node is None else ""))
    began = time.monotonic()
    state = local.start(name, real=real, audit=audit, binaries=binaries, progress=progress)
    progress(f"cluster {name} up in {time.monotonic() - began:.1f} s")
    return state


def _lacking(state: ClusterState, real_node: bool | None, audit: bool) -> str | None:
    if audit and not state.audit:
        return "without an audit log"
    if real_node is not None and real_node != state.real:
        return "without a real node" if real_node else "with a real node"
    return None


def _with_kind(name: str, only_local: Collection[str], progress: Progress) -> Cluster:
    if only_local:
        raise LocalClusterError(f"only local clusters offer {' and '.join(only_local)}; take kind off PATH to get one")
    progress("Docker and kind found: using kind, which has no simulated nodes")
    binaries = ensure_binaries(progress, _CLIENTS)
    known = load_state(name)
    state = kind.up(known or new_state(name, real=False, audit=False).replace(backend="kind"), progress)
    cluster = _cluster(state, binaries)
    cluster.kubectl("label", "nodes", "--all", "--overwrite", f"{NODE_LABEL}=real")
    if known is None:
        for archive in base_images(progress).values():
            cluster.load_image(archive)
    return cluster


def _existing(name: str, only_local: Collection[str], progress: Progress) -> Cluster:
    kubeconfig = Path(os.environ[KUBECONFIG_VARIABLE]).expanduser()
    if not kubeconfig.is_file():
        raise LocalClusterError(f"{KUBECONFIG_VARIABLE} is {kubeconfig}, which is no file; correct it")
    if only_local:
        raise LocalClusterError(f"only local clusters offer {' and '.join(only_local)}; unset {KUBECONFIG_VARIABLE}")
    progress(f"using the cluster of {kubeconfig}")
    cluster = Cluster(name, "existing", kubeconfig, ensure_binaries(progress, _CLIENTS), has_real_node=False)
    labelled = ("get", "nodes", "-l", f"{NODE_LABEL}=real", "-o", "name", "--request-timeout=10s")
    try:
        return replace(cluster, has_real_node=bool(cluster.kubectl(*labelled)))
    except LocalClusterError as error:
        raise LocalClusterError(f"the cluster of {kubeconfig} does not answer ({error})") from None


def _cluster(state: ClusterState, binaries: Path) -> Cluster:
    if state.backend == "kind":
        return Cluster(state.name, "kind", state.kubeconfig, binaries, has_real_node=True)
    return Cluster(
        state.name, "local", state.kubeconfig, binaries, state.real, state.audit_log, karpenter=has_karpenter(state)
    )


def _can_run_real_node() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0


@contextmanager
def _locked(name: str, progress: Progress) -> Iterator[None]:
    """One command at a time works on a cluster."""
    clusters_root().mkdir(parents=True, exist_ok=True)
    with (clusters_root() / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"another command works on cluster {name}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
