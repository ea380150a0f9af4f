"""The real node of a local cluster: containerd, kubelet, kube-proxy and CoreDNS on this very machine.

``prepare`` comes before anything is started, ``start`` when the API server answers, and ``stop`` first of all when the
cluster goes down.
"""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import LocalClusterError
from ..images import base_images
from ..processes import answers, is_running, log_tail
from ..programs.packages import NODE_PROGRAMS, ensure_programs
from ..state import ClusterState
from .containerd import load_image, start_containerd
from .kubelet import NODE_NAME, start_kubelet
from .nodespace import close_namespaces, open_namespaces
from .service_network import health_checks, start_service_network

__all__ = ["load_image", "prepare", "start", "stop"]

Progress = Callable[[str], None]
_READY_SECONDS = 60.0
_PROGRAMS = ("containerd", "kubelet", "kube-proxy", "coredns")


def prepare(progress: Progress = print) -> None:
    """Makes sure of the Debian packages and images that the node needs."""
    ensure_programs(NODE_PROGRAMS, progress)
    base_images(progress)


def start(state: ClusterState, binaries: Path, progress: Progress = print) -> ClusterState:
    """Joins a real node to the running control plane and returns when it is Ready."""
    started = time.monotonic()
    state = open_namespaces(state)
    state = start_containerd(state)
    state = start_kubelet(state, binaries)
    state = start_service_network(state, binaries)
    for archive in base_images(progress).values():
        load_image(state, archive)
    _wait_ready(state, binaries)
    progress(f"real node {NODE_NAME} is Ready ({time.monotonic() - started:.1f} s)")
    return state


def stop(state: ClusterState) -> ClusterState:
    """Ends the node and all its containers; works from any half-started state."""
    state = close_namespaces(state)
    for name in _PROGRAMS:
        state = state.without_process(name)
    return state.save()


def _wait_ready(state: ClusterState, binaries: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        waiting_for = _first_not_ready(state, binaries)
        if waiting_for is None:
            return
        _check_running(state)
        if time.monotonic() > deadline:
            log = log_tail(state.logs / f"{waiting_for}.log")
            raise LocalClusterError(f"the real node did not become Ready, {waiting_for} is not there: {log}")
        time.sleep(0.2)


def _first_not_ready(state: ClusterState, binaries: Path) -> str | None:
    for name, url in health_checks(state).items():
        if not answers(url):
            return name
    return None if _node_is_ready(state, binaries) else "kubelet"


def _check_running(state: ClusterState) -> None:
    for name in _PROGRAMS:
        process = state.process(name)
        if process is None or not is_running(process):
            raise LocalClusterError(f"{name} of the real node ended: {log_tail(state.logs / f'{name}.log')}")


def _node_is_ready(state: ClusterState, binaries: Path) -> bool:
    kubectl = [str(binaries / "kubectl"), "--kubeconfig", str(state.kubeconfig)]
    command = [*kubectl, "get", "node", NODE_NAME, "--output", "json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return False
    conditions = json.loads(result.stdout).get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
