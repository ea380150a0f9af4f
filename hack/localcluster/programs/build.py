"""Builds every binary of the local cluster from the pinned Go module in gomod/.

The folder they are in is named by a hash of the module files and build flags, so a new pin builds anew and an old one
is reused at once.
"""

import fcntl
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import LocalClusterError
from ..paths import cache_root
from .golang import find_go

MODULE = Path(__file__).parent / "gomod"

KUBERNETES_VERSION = "v1.36.3"
HELM_VERSION = "v3.22.0"
_MAJOR, _MINOR = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]

# In an order that makes a control plane usable first.
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "kubelet": "k8s.io/kubernetes/cmd/kubelet",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    "kwokctl": "sigs.k8s.io/kwok/cmd/kwokctl",
    "kube-proxy": "k8s.io/kubernetes/cmd/kube-proxy",
    "coredns": "github.com/coredns/coredns",
    "helm": "helm.sh/helm/v3/cmd/helm",
}
ALL = tuple(PACKAGES)

# Without a version the API server reports one that clients refuse to parse.
_VERSION_VARIABLES = {
    "k8s.io/component-base/version.gitVersion": KUBERNETES_VERSION,
    "k8s.io/component-base/version.gitMajor": _MAJOR,
    "k8s.io/component-base/version.gitMinor": _MINOR,
    "helm.sh/helm/v3/internal/version.version": HELM_VERSION,
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": _MAJOR,
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": _MINOR,
}
FLAGS = (
    "-mod=readonly",
    "-buildvcs=false",
    "-trimpath",
    "-ldflags=-s -w " + " ".join(f"-X {name}={value}" for name, value in _VERSION_VARIABLES.items()),
)
_HEARTBEAT_SECONDS = 30.0


def cache_key(module: Path = MODULE, flags: tuple[str, ...] = FLAGS) -> str:
    """A short hash of everything that decides what the binaries contain."""
    digest = hashlib.sha256()
    files = [(module / name).read_bytes() for name in ("go.mod", "go.sum")]
    for part in (*files, "\0".join(flags).encode()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def binaries_folder() -> Path:
    """Where the binaries of the present pin are, built or not."""
    return cache_root() / "bin" / cache_key()


def missing_binaries(folder: Path, names: Collection[str] = ALL) -> list[str]:
    """Those still to be built."""
    return [name for name in names if not (folder / name).is_file()]


def ensure_binaries(progress: Callable[[str], None] = print, names: Collection[str] = ALL) -> Path:
    """The folder with the binaries, by default all; those that are missing are built first."""
    folder = binaries_folder()
    if not missing_binaries(folder, names):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with _build_lock(folder.with_suffix(".lock"), progress):
        missing = missing_binaries(folder, names)  # another process may have built them while this one waited
        if not missing:
            return folder
        go = find_go(MODULE / "go.mod", progress)
        start = time.monotonic()
        done = len(names) - len(missing)
        progress(f"building {len(missing)} of {len(names)} binaries, once; all take about 10 minutes")
        for name in missing:
            _build(go, name, folder / name, progress)
            done += 1
            progress(f"built {done} of {len(names)}: {name} ({_minutes(time.monotonic() - start)} elapsed)")
    return folder


@contextmanager
def _build_lock(path: Path, progress: Callable[[str], None]) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is building the binaries; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(go: Path, name: str, target: Path, progress: Callable[[str], None]) -> None:
    partial = target.with_name(f".{name}.partial")
    command = [str(go), "build", "-v", *FLAGS, "-o", str(partial), PACKAGES[name]]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    with subprocess.Popen(command, cwd=MODULE, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            output = _follow(process, name, progress)
        finally:
            process.terminate()
    if process.returncode != 0:
        partial.unlink(missing_ok=True)
        tail = " | ".join(line.strip() for line in output[-5:])
        raise LocalClusterError(
            f"building {name} failed: {tail}; check that Go modules can be downloaded and try again"
        )
    partial.rename(target)


def _follow(process: subprocess.Popen[str], name: str, progress: Callable[[str], None]) -> list[str]:
    """Wait for a build and say now and then how far it is; go prints a line for each package."""
    output: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=output.extend, args=(process.stderr,), daemon=True)
    reader.start()
    start = time.monotonic()
    while reader.is_alive():
        reader.join(_HEARTBEAT_SECONDS)
        if reader.is_alive():
            elapsed = _minutes(time.monotonic() - start)
            progress(f"  {name}: {len(output)} packages compiled or fetched, {elapsed}")
    process.wait()
    return output


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
