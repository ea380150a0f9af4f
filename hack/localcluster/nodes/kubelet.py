"""The kubelet of the real node, and the kubeconfig that all Kubernetes programs on the node use."""

import json
from pathlib import Path

from ..state import ClusterState
from .cgroups import cgroup_name
from .containerd import SOCKET
from .nodespace import node_dir, start_inside

NODE_NAME = "real"
NODE_LABEL = "batchyard.dev/node=real"
# The pod network has 253 addresses.
_MAX_PODS = 200


def start_kubelet(state: ClusterState, binaries: Path) -> ClusterState:
    """Starts the kubelet; it registers the node by itself."""
    folder = node_dir(state)
    config = folder / "kubelet.json"
    config.write_text(json.dumps(kubelet_config(state), indent=2))
    flags = [
        f"--config={config}",
        f"--kubeconfig={node_kubeconfig(state)}",
        f"--root-dir={folder / 'kubelet'}",
        f"--cert-dir={folder / 'kubelet-pki'}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={state.node_address}",
        f"--node-labels={NODE_LABEL}",
    ]
    return start_inside(state, "kubelet", [binaries / "kubelet", *flags])


def node_kubeconfig(state: ClusterState) -> Path:
    """Written on first use; JSON is YAML enough for every client."""
    path = node_dir(state) / "kubeconfig"
    if not path.exists():
        cluster = {"server": state.node_api_address, "certificate-authority": str(state.ca_cert)}
        user = {"client-certificate": str(state.admin_cert), "client-key": str(state.admin_key)}
        context = {"cluster": state.name, "user": NODE_NAME}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": state.name, "cluster": cluster}],
            "users": [{"name": NODE_NAME, "user": user}],
            "contexts": [{"name": state.name, "context": context}],
            "current-context": state.name,
        }
        path.write_text(json.dumps(config, indent=2))
    return path


def kubelet_config(state: ClusterState) -> dict[str, object]:
    """The KubeletConfiguration: as a plain node would have it, minus what a shared machine must not do."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": state.node_address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(state.ca_cert)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "clusterDNS": [state.dns_address],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
        # Works with cgroup v1 and v2, with and without systemd.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup_name(state),
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxPods": _MAX_PODS,
        "eventRecordQPS": 0,
        # Images cannot be pulled again, and a full disk is the machine's affair: nothing is evicted for it.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "imagefs.available": "0%",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
        },
    }
