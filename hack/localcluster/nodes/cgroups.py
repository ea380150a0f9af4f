"""The cgroup below which all containers of a cluster's real node live.

It has the name of the cluster's network interface, so that clusters never share one.
"""

import contextlib
import time
from pathlib import Path

from ..errors import LocalClusterError
from ..state import ClusterState
from .network import host_interface

_MOUNT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")
_REMOVAL_SECONDS = 10.0


def cgroup_name(state: ClusterState) -> str:
    """The cgroup's path below the root of each hierarchy."""
    return f"/{host_interface(state.name)}"


def create_cgroup(state: ClusterState) -> None:
    """Makes the cgroup; its children may use all controllers the kubelet needs."""
    for folder in _folders(state):
        folder.mkdir(exist_ok=True)
    if _is_version_2():
        enabled = " ".join(f"+{controller}" for controller in _CONTROLLERS)
        for folder in (_MOUNT, *_folders(state)):
            try:
                (folder / "cgroup.subtree_control").write_text(enabled)
            except OSError as error:
                raise LocalClusterError(
                    f"{folder} does not give {', '.join(_CONTROLLERS)} to its children ({error.strerror}): "
                    "enable these controllers there, or go without a real node"
                ) from error


def remove_cgroup(state: ClusterState) -> None:
    """Removes the cgroup and all below it, once the processes in it are gone."""
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while existing := [folder for folder in _folders(state) if folder.is_dir()]:
        for folder in existing:
            below = sorted(folder.rglob("*/"), key=lambda path: len(path.parts), reverse=True)
            for cgroup in (*below, folder):
                # Busy for a moment while the kernel still buries killed processes.
                with contextlib.suppress(OSError):
                    cgroup.rmdir()
        if time.monotonic() > deadline:
            raise LocalClusterError(f"cgroup {existing[0]} is in use: end its processes, then run down again")
        time.sleep(0.05)


def _folders(state: ClusterState) -> list[Path]:
    """The cgroup's folder in every mounted hierarchy."""
    name = cgroup_name(state).lstrip("/")
    if _is_version_2():
        return [_MOUNT / name]
    return [hierarchy / name for hierarchy in _MOUNT.iterdir() if (hierarchy / "cgroup.procs").exists()]


def _is_version_2() -> bool:
    return (_MOUNT / "cgroup.controllers").exists()
