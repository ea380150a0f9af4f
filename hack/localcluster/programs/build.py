"""Builds the binaries of the local cluster from pinned Go modules, by default those of Kubernetes in gomod/.

The folder they are in is named by a hash of the module's files and build flags, so a new pin builds anew and an old one
is reused at once.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import LocalClusterError
from ..paths import cache_root
from .golang import find_go

KUBERNETES_VERSION = "v1.36.3"
HELM_VERSION = "v3.22.0"
_MAJOR, _MINOR = KUBERNETES_VERSION.removeprefix("v").split(".")[:2]
_HEARTBEAT_SECONDS = 30.0

Progress = Callable[[str], None]


@dataclass(frozen=True)
class CopiedFiles:
    """Files of a Go module that are kept in a folder beside the programs."""

    module: str
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class ProgramSet:
    """What is built from one Go module of this project and kept in one folder, in the order in which it is built."""

    module: Path
    packages: Mapping[str, str]
    flags: tuple[str, ...]
    duration: str
    copied: Mapping[str, CopiedFiles] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The programs, and the folders of copied files."""
        return (*self.packages, *self.copied)

    @property
    def folder(self) -> Path:
        """Where the present pin is kept, built or not."""
        return cache_root() / "bin" / cache_key(self.module, self.flags)

    def missing(self, names: Collection[str]) -> list[str]:
        """Those still to be built."""
        return [name for name in names if not (self.folder / name).exists()]


def build_flags(variables: Mapping[str, str]) -> tuple[str, ...]:
    """What ``go build`` is told; the variables are those of the programs' packages that carry a version."""
    link = "-ldflags=-s -w " + " ".join(f"-X {name}={value}" for name, value in variables.items())
    return ("-mod=readonly", "-buildvcs=false", "-trimpath", link)


KUBERNETES = ProgramSet(
    module=Path(__file__).parent / "gomod",
    # In an order that makes a control plane usable first.
    packages={
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
    },
    # Without a version the API server reports one that clients refuse to parse.
    flags=build_flags(
        {
            "k8s.io/component-base/version.gitVersion": KUBERNETES_VERSION,
            "k8s.io/component-base/version.gitMajor": _MAJOR,
            "k8s.io/component-base/version.gitMinor": _MINOR,
            "helm.sh/helm/v3/internal/version.version": HELM_VERSION,
            "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": _MAJOR,
            "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": _MINOR,
        }
    ),
    duration="10 minutes",
)


def cache_key(module: Path, flags: tuple[str, ...]) -> str:
    """A short hash of everything that decides what the binaries contain."""
    digest = hashlib.sha256()
    files = (module / "go.mod", module / "go.sum", *sorted(module.glob("*.go")))
    for part in (*(path.read_bytes() for path in files), "\0".join(flags).encode()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def ensure_binaries(
    progress: Progress = print, names: Collection[str] | None = None, programs: ProgramSet = KUBERNETES
) -> Path:
    """The folder with the binaries, by default all of Kubernetes'; those that are missing are built first."""
    names = programs.names if names is None else names
    folder = programs.folder
    if not programs.missing(names):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with _build_lock(folder.with_suffix(".lock"), progress):
        missing = programs.missing(names)  # another process may have built them while this one waited
        if not missing:
            return folder
        go = find_go(programs.module / "go.mod", progress)
        start = time.monotonic()
        done = len(names) - len(missing)
        progress(f"building {len(missing)} of {len(names)} binaries, once; all take about {programs.duration}")
        for name in missing:
            if name in programs.packages:
                _build(go, programs, name, progress)
            else:
                _copy(go, programs, name)
            done += 1
            progress(f"built {done} of {len(names)}: {name} ({_minutes(time.monotonic() - start)} elapsed)")
    return folder


@contextmanager
def _build_lock(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is building the binaries; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(go: Path, programs: ProgramSet, name: str, progress: Progress) -> None:
    partial = programs.folder / f".{name}.partial"
    command = [str(go), "build", "-v", *programs.flags, "-o", str(partial), programs.packages[name]]
    with subprocess.Popen(
        command, cwd=programs.module, env=_go_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output = _follow(process, name, progress)
        finally:
            process.terminate()
    if process.returncode != 0:
        partial.unlink(missing_ok=True)
        raise _failure(name, output)
    partial.rename(programs.folder / name)


def _copy(go: Path, programs: ProgramSet, name: str) -> None:
    files = programs.copied[name]
    command = [str(go), "mod", "download", "-json", files.module]
    result = subprocess.run(
        command, cwd=programs.module, env=_go_environment(), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise _failure(name, (result.stderr or result.stdout).splitlines())
    source = Path(json.loads(result.stdout)["Dir"])
    partial = programs.folder / f".{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for pattern in files.patterns:
        for path in source.glob(pattern):
            (partial / path.name).write_bytes(path.read_bytes())
    partial.rename(programs.folder / name)


def _go_environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def _failure(name: str, output: list[str]) -> LocalClusterError:
    tail = " | ".join(line.strip() for line in output[-5:])
    return LocalClusterError(f"building {name} failed: {tail}; check that Go modules can be downloaded and try again")


def _follow(process: subprocess.Popen[str], name: str, progress: Progress) -> list[str]:
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
