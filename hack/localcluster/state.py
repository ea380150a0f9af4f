"""What is known about one local cluster, kept on disk so that any later command can find or clean it.

The record is written before anything it describes is relied on, and after every process that is started, so a run that
died half-way is cleaned by the next ``up`` or ``down``.
"""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .errors import LocalClusterError
from .paths import clusters_root

SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
POD_CIDR = "10.244.0.0/24"
DNS_ADDRESS = "10.244.0.1"
LOOPBACK = "127.0.0.1"

# Fits into the names of network namespaces and file paths derived from it.
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")


@dataclass(frozen=True)
class StartedProcess:
    """A process of the cluster; its start time tells it from a later process with the same pid."""

    name: str
    pid: int
    start_time: int


@dataclass(frozen=True)
class ClusterState:
    """Everything needed to use a cluster, to tell whether it lives, and to remove it."""

    name: str
    dir: Path
    backend: str = "local"
    real: bool = False
    audit: bool = False
    ready: bool = False
    apiserver_port: int = 0
    host_address: str = ""
    node_address: str = ""
    service_cidr: str = SERVICE_CIDR
    pod_cidr: str = POD_CIDR
    dns_address: str = DNS_ADDRESS
    processes: tuple[StartedProcess, ...] = ()

    @property
    def kubeconfig(self) -> Path:
        """For people and tools on this machine; certificates are embedded."""
        return self.dir / "kubeconfig"

    @property
    def api_address(self) -> str:
        """The API server as processes outside the node's network namespace reach it."""
        return f"https://{LOOPBACK}:{self.apiserver_port}"

    @property
    def node_api_address(self) -> str:
        """The API server as the real node's processes and pods reach it."""
        return f"https://{self.host_address}:{self.apiserver_port}"

    @property
    def kwok_dir(self) -> Path:
        """The folder kwokctl keeps as its own."""
        return self.dir / "kwok"

    @property
    def control_plane_dir(self) -> Path:
        """Where kwokctl keeps certificates, data and logs of the control plane."""
        return self.kwok_dir / "clusters" / self.name

    @property
    def ca_cert(self) -> Path:
        """The certificate all others of the cluster are signed with."""
        return self.control_plane_dir / "pki" / "ca.crt"

    @property
    def admin_cert(self) -> Path:
        """The certificate that may do everything; also the API server's own."""
        return self.control_plane_dir / "pki" / "admin.crt"

    @property
    def admin_key(self) -> Path:
        """The key of ``admin_cert``."""
        return self.control_plane_dir / "pki" / "admin.key"

    @property
    def logs(self) -> Path:
        """Logs of the processes this tool starts; kwokctl keeps those of the control plane itself."""
        return self.dir / "logs"

    @property
    def audit_log(self) -> Path | None:
        """Every write to the API server, one JSON document a line; None when not asked for."""
        return self.dir / "audit.log" if self.audit else None

    def replace(self, **changes: Any) -> Self:
        """A copy with other values."""
        return dataclasses.replace(self, **changes)

    def with_process(self, process: StartedProcess) -> Self:
        """A copy that knows the process, instead of an earlier one of that name."""
        others = tuple(known for known in self.processes if known.name != process.name)
        return self.replace(processes=(*others, process))

    def without_process(self, name: str) -> Self:
        """A copy that does not know the process."""
        return self.replace(processes=tuple(known for known in self.processes if known.name != name))

    def process(self, name: str) -> StartedProcess | None:
        """The process started under that name."""
        return next((known for known in self.processes if known.name == name), None)

    def save(self) -> Self:
        """Write the record; a reader sees the old one or the new one, never half of it."""
        self.dir.mkdir(parents=True, exist_ok=True)
        record = dataclasses.asdict(self) | {"dir": str(self.dir)}
        partial = self.dir / ".state.json.partial"
        partial.write_text(json.dumps(record, indent=2) + "\n")
        partial.replace(self.dir / "state.json")
        return self


def cluster_dir(name: str) -> Path:
    """The folder of a cluster, whether it exists or not."""
    if _NAME.fullmatch(name) is None:
        raise LocalClusterError(
            f"cluster name {name!r} is not usable: take at most 30 lower-case letters, digits and dashes"
        )
    return clusters_root() / name


def new_state(name: str, *, real: bool, audit: bool) -> ClusterState:
    """The record of a cluster of which nothing exists yet."""
    return ClusterState(name=name, dir=cluster_dir(name), real=real, audit=audit)


def load_state(name: str) -> ClusterState | None:
    """The record of a cluster; None when there is none or it cannot be read (a half-written folder)."""
    folder = cluster_dir(name)
    try:
        record = json.loads((folder / "state.json").read_text())
        record["processes"] = tuple(StartedProcess(**process) for process in record["processes"])
        return ClusterState(**record | {"dir": folder})
    except (OSError, ValueError, TypeError, KeyError):
        return None
