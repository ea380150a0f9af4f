"""The network between this machine and a cluster's real node: one pair of virtual interfaces.

It is there before the control plane, which must know its addresses, and is removed last. In between the node's end is
in a network namespace of its own; that is why two clusters may use the same pod and Service addresses.
"""

import fcntl
import hashlib
import ipaddress
import json
from collections.abc import Iterable
from dataclasses import dataclass

from ..commands import run
from ..errors import LocalClusterError
from ..paths import cache_root
from ..programs.packages import program
from ..state import DNS_ADDRESS, POD_CIDR, ClusterState, cluster_dir

# Each cluster takes one /30 of it: one address for this machine, one for the node.
ADDRESS_POOL = ipaddress.IPv4Network("10.213.0.0/16")
_PREFIX = 30
_UPLINK = "uplink"
_COMPLAINT = "the network of the real node could not be set up"

# Pod addresses are unknown outside the namespace: what leaves it carries the node's address.
_MASQUERADE = f"""
table ip batchyard {{
    chain outgoing {{
        type nat hook postrouting priority srcnat;
        ip saddr {POD_CIDR} oifname "{_UPLINK}" masquerade
    }}
}}
"""


@dataclass(frozen=True)
class Addresses:
    """Where this machine and the node reach each other."""

    host_address: str
    node_address: str


def host_interface(cluster: str) -> str:
    """Unique among clusters of all users; the kernel allows 15 characters."""
    return "by-" + hashlib.sha256(str(cluster_dir(cluster)).encode()).hexdigest()[:10]


def create(cluster: str) -> Addresses:
    """Makes the pair of interfaces anew and returns their addresses."""
    remove(cluster)
    outside, inside = host_interface(cluster), _node_interface(cluster)
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "network.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        host, node = (str(address) for address in free_network(_networks_in_use()).hosts())
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside)
        _ip("address", "add", f"{host}/{_PREFIX}", "dev", outside)
        _ip("link", "set", outside, "up")
    return Addresses(host_address=host, node_address=node)


def attach(state: ClusterState, pid: int) -> None:
    """Moves the node's interface into the network namespace of a process and configures that namespace."""
    _ip("link", "set", _node_interface(state.name), "netns", str(pid), "name", _UPLINK)
    script = (
        "link set lo up",
        f"address add {DNS_ADDRESS}/32 dev lo",
        f"address add {state.node_address}/{_PREFIX} dev {_UPLINK}",
        f"link set {_UPLINK} up",
        # Service addresses need some route before kube-proxy's rules rewrite them.
        f"route add default via {state.host_address}",
    )
    _inside(pid, [program("ip") or "ip", "-batch", "-"], "\n".join(script) + "\n")
    _inside(pid, ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])
    _inside(pid, [program("nft") or "nft", "-f", "-"], _MASQUERADE)


def remove(cluster: str) -> None:
    """Removes both interfaces, wherever the node's one is; what is already gone is fine."""
    if program("ip") is not None and host_interface(cluster) in _links():
        _ip("link", "delete", host_interface(cluster))


def free_network(in_use: Iterable[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """The first network of the pool that overlaps none in use."""
    taken = list(in_use)
    for candidate in ADDRESS_POOL.subnets(new_prefix=_PREFIX):
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise LocalClusterError(f"no network is free in {ADDRESS_POOL}: take a local cluster down and try again")


def _networks_in_use() -> list[ipaddress.IPv4Network]:
    """Networks this machine has routes to; the default route covers everything and does not count."""
    routes = json.loads(_ip("-json", "-4", "route", "show", "table", "all") or "[]")
    destinations = {route["dst"] for route in routes} - {"default"}
    return [ipaddress.IPv4Network(destination, strict=False) for destination in destinations]


def _links() -> set[str]:
    return {link["ifname"] for link in json.loads(_ip("-json", "link", "show") or "[]")}


def _node_interface(cluster: str) -> str:
    return host_interface(cluster) + "n"


def _inside(pid: int, command: list[str], text: str | None = None) -> None:
    nsenter = [program("nsenter") or "nsenter", f"--net=/proc/{pid}/ns/net", "--"]
    run([*nsenter, *command], _COMPLAINT, text)


def _ip(*arguments: str) -> str:
    return run([program("ip") or "ip", *arguments], _COMPLAINT)
