"""Runs the cluster with kind where Docker answers.

kind's node is a real node and carries the same label as the one this tool would run itself.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from .errors import LocalClusterError
from .state import ClusterState

_DOCKER_ANSWERS_SECONDS = 10


def is_available() -> bool:
    """Whether kind is on PATH and a Docker daemon answers."""
    if shutil.which("kind") is None or shutil.which("docker") is None:
        return False
    try:
        result = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=_DOCKER_ANSWERS_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0


def up(state: ClusterState, progress: Callable[[str], None]) -> ClusterState:
    """Create the kind cluster, or take the one of that name, and write its kubeconfig."""
    state = state.save()
    if state.name not in _kind("get", "clusters").split():
        progress("creating a kind cluster")
        arguments = ("--name", state.name, "--kubeconfig", str(state.kubeconfig), "--wait", "120s")
        _kind("create", "cluster", *arguments)
    state.kubeconfig.touch(mode=0o600)
    state.kubeconfig.write_text(_kind("get", "kubeconfig", "--name", state.name))
    return state.replace(ready=True).save()


def down(name: str) -> None:
    """Delete the kind cluster."""
    _kind("delete", "cluster", "--name", name)


def load_image(name: str, archive: Path) -> None:
    """Load an image archive into kind's node."""
    _kind("load", "image-archive", str(archive), "--name", name)


def _kind(*arguments: str) -> str:
    try:
        result = subprocess.run(["kind", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LocalClusterError("this cluster was made with kind, which is not on PATH; install it") from None
    if result.returncode != 0:
        detail = " | ".join(result.stderr.strip().splitlines()[-3:])
        raise LocalClusterError(f"kind {' '.join(arguments[:2])} failed: {detail}")
    return result.stdout
