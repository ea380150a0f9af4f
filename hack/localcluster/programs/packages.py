"""Makes sure that the programs of the real node and of the image builder are on this machine.

Debian packages are installed with apt where that is possible, and named exactly where it is not. What images are made
of comes from apt's own mirror, too.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import LocalClusterError
from ..paths import cache_root

CNI_PLUGINS = Path("/usr/lib/cni")

# What is looked for, and the Debian package that carries it.
PACKAGE_OF = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    str(CNI_PLUGINS / "ptp"): "containernetworking-plugins",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
    "debootstrap": "debootstrap",
    "buildah": "buildah",
}
NODE_PROGRAMS = (
    "containerd",
    "ctr",
    "runc",
    str(CNI_PLUGINS / "ptp"),
    "nft",
    "ip",
    "nsenter",
    "unshare",
    "mount",
)

# An interactive shell of a plain user often lacks the folders that these packages install into.
_SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


@dataclass(frozen=True)
class AptSource:
    """The archive this machine takes its own base system from."""

    uri: str
    suite: str


def program(name: str) -> str | None:
    """The full path of a program, or None where it is missing."""
    return shutil.which(name, path=_SEARCH_PATH)


def ensure_programs(names: Iterable[str], progress: Callable[[str], None] = print) -> None:
    """Installs the Debian packages of those programs that are missing, or says which ones to install."""
    if not _missing_packages(names):
        return
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if packages := _missing_packages(names):  # another process may have installed them while this one waited
            _install(packages, progress)
    still_missing = _missing_packages(names)
    if still_missing:
        names_missing = ", ".join(still_missing)
        raise LocalClusterError(f"packages {names_missing} are installed, but their programs were not found")


def _install(packages: list[str], progress: Callable[[str], None]) -> None:
    command = "apt-get install --yes --no-install-recommends " + " ".join(packages)
    if os.geteuid() != 0 or program("apt-get") is None:
        raise LocalClusterError(f"packages are missing: install them as root with `{command}` and try again")
    progress(f"installing Debian packages: {' '.join(packages)}")
    # A machine that refreshed its package lists long ago knows versions that the archive no longer has.
    if not _apt(command):
        _apt("apt-get update")
        if not _apt(command):
            raise LocalClusterError(f"`{command}` failed; run it by hand to see why, then try again")


def download_package(package: str, folder: Path) -> Path:
    """Fetches one Debian package into the folder without installing it."""
    if program("apt-get") is None or program("dpkg-deb") is None:
        raise LocalClusterError(f"images are built from Debian packages ({package}): use a machine with apt")
    for refresh in (False, True):
        if refresh:
            _apt("apt-get update")
        subprocess.run(["apt-get", "download", package], cwd=folder, capture_output=True, check=False)
        found = sorted(folder.glob(f"{package}_*.deb"))
        if found:
            return found[-1]
    raise LocalClusterError(f"`apt-get download {package}` failed; run it by hand to see why, then try again")


def release() -> str:
    """The code name of this machine's Debian or Ubuntu release; empty elsewhere."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return ""
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    return settings.get("VERSION_CODENAME", "").strip('"')


def apt_source() -> AptSource:
    """The archive in apt's own settings that carries this machine's release."""
    codename = release()
    if program("apt-get") is None or not codename:
        raise LocalClusterError("the Python image is built from Debian packages: use a machine with apt")
    listing = "$(REPO_URI)|$(RELEASE)|$(COMPONENT)"
    result = subprocess.run(
        ["apt-get", "indextargets", "--format", listing, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in result.stdout.splitlines():
        uri, suite, component = line.split("|")
        if suite == codename and component == "main":
            return AptSource(uri.rstrip("/"), suite)
    raise LocalClusterError(
        f"apt knows no archive of {codename} main: add it to its sources, run `apt-get update`, try again"
    )


def _missing_packages(names: Iterable[str]) -> list[str]:
    return sorted({PACKAGE_OF[name] for name in names if program(name) is None})


def _apt(command: str) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    result = subprocess.run(
        command.split(), env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return result.returncode == 0
