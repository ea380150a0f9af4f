"""The life of a cluster made of processes on this machine: started, found healthy, cleaned away.

Everything is undone from the state on disk, so what a crash left behind is cleaned the
same way as a running cluster is stopped.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import controlplane
from .errors import LocalClusterError
from .nodes import network, realnode
from .processes import is_running, marked_processes, stop_processes
from .state import ClusterState, cluster_dir, load_state, new_state

Progress = Callable[[str], None]


def start(name: str, *, real: bool, audit: bool, binaries: Path, progress: Progress) -> ClusterState:
    """Start a cluster from nothing; a failed start leaves its logs, but nothing running."""
    state = new_state(name, real=real, audit=audit).save()
    try:
        if real:
            realnode.prepare(progress)
            addresses = network.create(name)
            state = state.replace(host_address=addresses.host_address, node_address=addresses.node_address).save()
        state = controlplane.start(state, binaries, progress)
        if real:
            state = realnode.start(state, binaries, progress)
    except BaseException:
        _stop(load_state(name) or state)
        raise
    return state.replace(ready=True).save()


def find_healthy(name: str, binaries: Path) -> ClusterState | None:
    """The running cluster of that name, unless any part of it is missing or does not answer."""
    state = load_state(name)
    if state is None or not state.ready or state.backend != "local":
        return None
    if not all(is_running(process) for process in state.processes):
        return None
    if not controlplane.is_ready(state, binaries):
        return None
    return state if not state.real or _real_node_is_ready(state, binaries) else None


def remove(name: str) -> bool:
    """Stop whatever there is of a cluster and delete its folder; False when there was nothing."""
    folder = cluster_dir(name)
    if not folder.exists():
        return False
    # A folder without a readable record is what a crash at the very beginning leaves: assume the most.
    _stop(load_state(name) or new_state(name, real=True, audit=False))
    shutil.rmtree(folder)
    return True


def _stop(state: ClusterState) -> None:
    problems: list[str] = []
    steps: list[Callable[[], object]] = [lambda: _stop_processes(state)]
    if state.real:
        steps += [lambda: realnode.stop(state), lambda: network.remove(state.name)]
    for step in steps:
        try:
            step()
        except LocalClusterError as error:
            problems.append(str(error))
    mounted = _mounts_below(state.dir)
    if mounted:
        problems.append(f"still mounted: {', '.join(mounted)}; unmount by hand")
    if problems:
        raise LocalClusterError(f"cluster {state.name} was not cleaned completely: {'; '.join(problems)}")


def _stop_processes(state: ClusterState) -> None:
    """Nothing of a throw-away cluster needs time to end well."""
    stop_processes(state.processes, grace=0)
    while found := marked_processes(state):  # again: one of them may just have started another
        stop_processes(found, grace=0)


def _mounts_below(folder: Path) -> list[str]:
    """Mount points below the folder; the kernel writes blanks in them as octal escapes."""
    lines = Path("/proc/self/mounts").read_text().splitlines() if Path("/proc/self/mounts").exists() else []
    points = (line.split()[1].encode().decode("unicode_escape") for line in lines)
    return [point for point in points if point.startswith(f"{folder}/")]


def _real_node_is_ready(state: ClusterState, binaries: Path) -> bool:
    query = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
    command = [str(binaries / "kubectl"), "--kubeconfig", str(state.kubeconfig), "get", "nodes"]
    command += ["-l", "batchyard.dev/node=real", "-o", f"jsonpath={query}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() == "True"
