"""containerd on the real node: its configuration, its start, and loading images into it."""

import json
import subprocess
import time
from pathlib import Path

from ..errors import LocalClusterError
from ..images import PAUSE
from ..processes import is_running, log_tail
from ..programs.packages import CNI_PLUGINS, program
from ..state import DNS_ADDRESS, ClusterState
from .nodespace import inside, node_dir, start_inside

# In the node's own /run, hence the same for every cluster.
SOCKET = "/run/containerd/containerd.sock"
_START_SECONDS = 20.0


def start_containerd(state: ClusterState) -> ClusterState:
    """Starts containerd and returns when it answers."""
    folder = node_dir(state)
    network = folder / "cni"
    network.mkdir(parents=True, exist_ok=True)
    (network / "10-batchyard.conflist").write_text(json.dumps(pod_network(state), indent=2))
    config = folder / "containerd.toml"
    config.write_text(containerd_config(folder / "containerd", network))
    command = [program("containerd") or "containerd", "--config", str(config)]
    state = start_inside(state, "containerd", command)
    process = state.process("containerd")
    deadline = time.monotonic() + _START_SECONDS
    while _ctr(state, "version").returncode != 0:
        if process is None or not is_running(process) or time.monotonic() > deadline:
            raise LocalClusterError(f"containerd did not start: {log_tail(state.logs / 'containerd.log')}")
        time.sleep(0.1)
    return state


def load_image(state: ClusterState, archive: Path) -> None:
    """Makes the images of an archive (as of ``docker save``) usable by pods on the node."""
    if not archive.is_file():
        raise LocalClusterError(f"image archive {archive} does not exist: build it first")
    result = _ctr(state, "--namespace", "k8s.io", "images", "import", str(archive.resolve()))
    if result.returncode != 0:
        raise LocalClusterError(f"containerd could not import {archive.name}: {result.stderr.strip()[-300:]}")


def containerd_config(root: Path, network: Path) -> str:
    """containerd's settings; strings are JSON-quoted, which TOML reads alike."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return "\n".join(
        (
            "version = 2",
            f"root = {json.dumps(str(root))}",
            'state = "/run/containerd"',
            'disabled_plugins = ["io.containerd.internal.v1.opt"]',
            "[grpc]",
            f"address = {json.dumps(SOCKET)}",
            f"[{cri}]",
            f"sandbox_image = {json.dumps(PAUSE)}",
            # Machines that withhold CAP_SYS_RESOURCE refuse a lower score than the parent's.
            "restrict_oom_score_adj = true",
            f"[{cri}.cni]",
            f"bin_dir = {json.dumps(str(CNI_PLUGINS))}",
            f"conf_dir = {json.dumps(str(network))}",
            f"[{cri}.containerd.runtimes.runc]",
            'runtime_type = "io.containerd.runc.v2"',
            "",
        )
    )


def pod_network(state: ClusterState) -> dict[str, object]:
    """Point-to-point links: every packet is routed, so Services need no bridge netfilter from the kernel."""
    addresses = {
        "type": "host-local",
        "dataDir": "/var/lib/cni",
        "ranges": [[{"subnet": state.pod_cidr, "gateway": DNS_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {"cniVersion": "0.4.0", "name": "batchyard", "plugins": [{"type": "ptp", "ipam": addresses}]}


def _ctr(state: ClusterState, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*inside(state), program("ctr") or "ctr", "--address", SOCKET, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
