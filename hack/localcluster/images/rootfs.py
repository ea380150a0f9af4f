"""The file systems of the base images: busybox for the shell image, a small Debian for the Python image.

Each is one layer, an uncompressed tar file.
"""

import io
import subprocess
import tarfile
from pathlib import Path

from ..commands import run
from ..programs.packages import AptSource, download_package, program

_PYTHON_PACKAGES = ("python3", "python3-venv", "ca-certificates")
_NOT_NEEDED = (
    "./dev/*",
    "./proc/*",
    "./sys/*",
    "./usr/share/bash-completion",
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/lintian",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./usr/share/zoneinfo/posix",
    "./usr/share/zoneinfo/right",
    "./var/cache/apt/*",
    "./var/cache/debconf/*-old",
    "./var/lib/apt/lists/*",
    "./var/log/*",
)
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
_GROUP = b"root:x:0:\nnobody:x:65534:\n"
_FOLDERS = {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777, "var": 0o755}


def write_shell_layer(layer: Path, scratch: Path) -> None:
    """One static busybox, a link for each of its commands, and the two users root and nobody."""
    package = download_package("busybox-static", scratch)
    run(["dpkg-deb", "--extract", package, scratch / "busybox"], f"unpacking {package.name} failed")
    busybox = scratch / "busybox" / "bin" / "busybox"
    if not busybox.is_file():
        busybox = scratch / "busybox" / "usr" / "bin" / "busybox"
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(layer, "w") as archive:
        for name, mode in _FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        _add_file(archive, "bin/busybox", busybox.read_bytes(), 0o755)
        _add_file(archive, "etc/passwd", _PASSWD, 0o644)
        _add_file(archive, "etc/group", _GROUP, 0o644)
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)


def write_python_layer(layer: Path, scratch: Path, source: AptSource) -> None:
    """A minimal Debian (or Ubuntu) with Python, from the archive this machine itself uses."""
    root = scratch / "root"
    include = "--include=" + ",".join(_PYTHON_PACKAGES)
    debootstrap = program("debootstrap") or "debootstrap"
    run(
        [debootstrap, "--variant=minbase", include, source.suite, root, source.uri],
        "debootstrap could not make the root file system of the Python image",
    )
    excludes = [f"--exclude={pattern}" for pattern in _NOT_NEEDED]
    tar: list[str | Path] = ["tar", "--create", "--file", layer, "--numeric-owner", "--sort=name", *excludes]
    run([*tar, "--directory", root, "."], "packing the Python image failed")


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
