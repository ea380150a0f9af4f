"""Karpenter on a local cluster: it makes and removes simulated nodes as pods need them.

Its machines are those of its kwok provider, Node objects that the cluster's own kwok plays the kubelet for.
"""

import json
import time
from pathlib import Path

from . import kinds
from .errors import LocalClusterError
from .faults import faults_file
from .nodes.instance_types import instance_type_list
from .ports import free_ports, one_start_at_a_time
from .processes import answers, is_running, log_tail, start_process, stop_process
from .programs.build import CopiedFiles, ProgramSet, Progress, build_flags, ensure_binaries
from .state import LOOPBACK, ClusterState

KARPENTER_VERSION = "v1.12.1"
PROCESS = "karpenter"
_DEFINITIONS = "crds"
_READY_SECONDS = 60.0

# A module of its own: Karpenter needs an older Kubernetes client than the control plane is built with.
PROGRAMS = ProgramSet(
    module=Path(__file__).parent / "programs" / "karpenter",
    packages={PROCESS: "."},
    flags=build_flags({"sigs.k8s.io/karpenter/pkg/operator.Version": KARPENTER_VERSION.removeprefix("v")}),
    duration="3 minutes",
    copied={_DEFINITIONS: CopiedFiles("sigs.k8s.io/karpenter", ("pkg/apis/crds/*.yaml", "kwok/apis/crds/*.yaml"))},
)
_FEATURE_GATES = {
    "NodeRepair": False,
    "ReservedCapacity": True,
    "SpotToSpotConsolidation": False,
    "NodeOverlay": False,
    "StaticCapacity": True,
}


def ensure_karpenter(progress: Progress = print) -> Path:
    """The folder with Karpenter and its kinds, built first where they are missing."""
    return ensure_binaries(progress, programs=PROGRAMS)


def has_karpenter(state: ClusterState) -> bool:
    """Whether the cluster was given Karpenter."""
    return state.process(PROCESS) is not None


def start_karpenter(state: ClusterState, cluster: kinds.Kubectl, programs: Path, progress: Progress) -> ClusterState:
    """Karpenter at work on the running cluster, with its kinds; one that runs already is left alone."""
    if has_karpenter(state):
        return state
    began = time.monotonic()
    kinds.install(cluster, programs / _DEFINITIONS)
    instance_types = state.dir / "instance-types.json"
    instance_types.write_text(json.dumps(instance_type_list(), indent=2))
    with one_start_at_a_time():
        metrics, health = free_ports(2, ("",))  # Karpenter listens on all addresses
        settings = environment(state, instance_types, metrics=metrics, health=health)
        state = start_process(state, PROCESS, [programs / PROCESS], settings)
        try:
            _wait_ready(state, health)
        except BaseException:
            stop_process(state, PROCESS)
            raise
    progress(f"Karpenter is ready ({time.monotonic() - began:.1f} s)")
    return state


def environment(state: ClusterState, instance_types: Path, *, metrics: int, health: int) -> dict[str, str]:
    """Karpenter's settings, which it reads from its environment; for all others its defaults hold."""
    return {
        "KUBECONFIG": str(state.kubeconfig),
        "DISABLE_LEADER_ELECTION": "true",
        "METRICS_PORT": str(metrics),
        "HEALTH_PROBE_PORT": str(health),
        "LOG_LEVEL": "info",
        "FEATURE_GATES": ",".join(f"{gate}={str(on).lower()}" for gate, on in _FEATURE_GATES.items()),
        "INSTANCE_TYPES_FILE_PATH": str(instance_types),
        "FAULTS_FILE_PATH": str(faults_file(state.dir)),
    }


def _wait_ready(state: ClusterState, health_port: int) -> None:
    process = state.process(PROCESS)
    deadline = time.monotonic() + _READY_SECONDS
    while not answers(f"http://{LOOPBACK}:{health_port}/readyz"):
        if process is None or not is_running(process) or time.monotonic() > deadline:
            raise LocalClusterError(f"Karpenter did not become ready: {log_tail(state.logs / f'{PROCESS}.log')}")
        time.sleep(0.1)
