"""The namespaces that hold everything of a cluster's real node.

One process, ``node``, is process 1 of namespaces of its own: processes, mounts, network. Whatever the node
starts lives there: when that one process is killed, the kernel ends all containers and drops all mounts and
interfaces with it, so that a crash at any point leaves nothing to search for.
"""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from ..errors import LocalClusterError
from ..processes import is_running, log_tail, start_process, stop_process
from ..programs.packages import program
from ..state import ClusterState, StartedProcess
from .cgroups import create_cgroup, remove_cgroup
from .network import attach

NODE = "node"
_START_SECONDS = 10.0

# The kubelet insists on these and would otherwise change them for the whole machine: it is shown files that
# hold the wanted values instead.
_KUBELET_SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1_000_000,
    "kernel/keys/root_maxbytes": 25_000_000,
}


def node_dir(state: ClusterState) -> Path:
    """Where the node's programs keep their files."""
    return state.dir / "node"


def open_namespaces(state: ClusterState) -> ClusterState:
    """Starts process 1 of the node; its mounts, network and cgroup are in place on return."""
    log, ready = node_dir(state) / "log", node_dir(state) / "mounted"
    log.mkdir(parents=True, exist_ok=True)
    ready.unlink(missing_ok=True)
    script = node_dir(state) / "init.sh"
    script.write_text(init_script(log, ready))
    unshare = [_path_of("unshare"), "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    state = start_process(state, NODE, [*unshare, "/bin/sh", script])
    process = _node_process(state)
    deadline = time.monotonic() + _START_SECONDS
    while not ready.exists():
        if not is_running(process) or time.monotonic() > deadline:
            said = log_tail(state.logs / "node.log")
            raise LocalClusterError(f"the node's namespaces could not be set up: {said}")
        time.sleep(0.02)
    attach(state, process.pid)
    create_cgroup(state)
    return state


def init_script(log: Path, ready: Path) -> str:
    """The shell script that runs as process 1: mounts first, then reaping whatever its descendants leave."""
    lines = [
        "set -eu",
        "mount --make-rshared /",
        # Sockets and state that programs keep at fixed places differ from cluster to cluster.
        "mount -t tmpfs tmpfs /run",
        "mkdir -p /run/lock /run/sysctl /var/lib/cni /var/lib/kubelet",
        "mount -t tmpfs tmpfs /var/lib/cni",
        "mount -t tmpfs tmpfs /var/lib/kubelet",
        f"mount --bind {shlex.quote(str(log))} /var/log",
    ]
    for name, value in _KUBELET_SYSCTLS.items():
        stand_in = f"/run/sysctl/{name.replace('/', '.')}"
        show = f"echo {value} > {stand_in}; mount --bind {stand_in} /proc/sys/{name}"
        lines.append(f"if [ -e /proc/sys/{name} ]; then {show}; fi")
    lines += [f"touch {shlex.quote(str(ready))}", "while :; do sleep 3600 & wait; done"]
    return "\n".join(lines) + "\n"


def start_inside(state: ClusterState, name: str, command: Sequence[str | Path]) -> ClusterState:
    """Starts a background program of the node; whatever it talks to is on this machine."""
    return start_process(state, name, [*inside(state), *command], {"NO_PROXY": "*", "no_proxy": "*"})


def inside(state: ClusterState) -> list[str]:
    """The start of a command line that runs the rest within the node's namespaces."""
    namespaces = Path(f"/proc/{_node_process(state).pid}/ns")
    return [
        _path_of("nsenter"),
        f"--net={namespaces / 'net'}",
        f"--mount={namespaces / 'mnt'}",
        f"--pid={namespaces / 'pid_for_children'}",
        "--",
    ]


def close_namespaces(state: ClusterState) -> ClusterState:
    """Ends everything that runs on the node and removes its cgroup; what is already gone is fine."""
    state = stop_process(state, NODE, grace=0)
    remove_cgroup(state)
    return state


def _node_process(state: ClusterState) -> StartedProcess:
    process = state.process(NODE)
    if process is None:
        raise LocalClusterError(f"cluster {state.name} has no real node: start one as root with `up`")
    return process


def _path_of(name: str) -> str:
    return program(name) or name
