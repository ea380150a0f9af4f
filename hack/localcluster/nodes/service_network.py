"""Services and names on the real node: kube-proxy and CoreDNS, both as plain processes."""

from pathlib import Path

from ..state import ClusterState
from .kubelet import NODE_NAME, node_kubeconfig
from .nodespace import node_dir, start_inside

PROXY_HEALTH_PORT = 10256
DNS_READY_PORT = 8181


def start_service_network(state: ClusterState, binaries: Path) -> ClusterState:
    """Starts both programs; ``health_checks`` tells when they work."""
    proxy_flags = [
        f"--kubeconfig={node_kubeconfig(state)}",
        f"--hostname-override={NODE_NAME}",
        f"--cluster-cidr={state.pod_cidr}",
        f"--healthz-bind-address={state.node_address}:{PROXY_HEALTH_PORT}",
        "--proxy-mode=nftables",
        # The connection tracking table belongs to the whole machine: leave its size alone.
        "--conntrack-max-per-core=0",
    ]
    state = start_inside(state, "kube-proxy", [binaries / "kube-proxy", *proxy_flags])
    corefile = node_dir(state) / "Corefile"
    corefile.write_text(dns_config(state, node_kubeconfig(state)))
    return start_inside(state, "coredns", [binaries / "coredns", "-conf", corefile])


def health_checks(state: ClusterState) -> dict[str, str]:
    """The URL that answers 200 once the program works, by process name."""
    return {
        "kube-proxy": f"http://{state.node_address}:{PROXY_HEALTH_PORT}/healthz",
        "coredns": f"http://{state.node_address}:{DNS_READY_PORT}/ready",
    }


def dns_config(state: ClusterState, kubeconfig: Path) -> str:
    """Cluster names are answered from the API; any other name is unknown at once, without the internet."""
    return f"""\
cluster.local:53 in-addr.arpa:53 {{
    bind {state.dns_address}
    errors
    ready {state.node_address}:{DNS_READY_PORT}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
    }}
    cache 5
}}
.:53 {{
    bind {state.dns_address}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
