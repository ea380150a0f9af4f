"""Builds the operator's image for the local cluster.

The packages it needs are installed beforehand, for the Python of the local base image, so that the build itself needs
neither a network nor Docker. They stay in the cache until the lock or the base image changes.
"""

import fcntl
import hashlib
import json
import platform
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from ..commands import run
from ..errors import LocalClusterError
from ..paths import cache_root
from .base import PYTHON, base_images, build_from_dockerfile

OPERATOR = "localhost/batchyard/operator:dev"
REPOSITORY = Path(__file__).resolve().parents[3]

_LOCK = "requirements-runtime.lock"
_PARTS = ("Dockerfile", _LOCK, "hack/lean_packages.py", "operator/batchyard")
_PLATFORMS = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
Progress = Callable[[str], None]


def operator_image(progress: Progress = print) -> Path:
    """The archive of the image of the operator as it is in this checkout, built first if anything has changed."""
    context = cache_root() / "operator-image"
    context.mkdir(parents=True, exist_ok=True)
    with (context.parent / "operator-image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _ensure_packages(context / "packages", base_images(progress)[PYTHON], progress)
        for part in _PARTS:
            _copy(REPOSITORY / part, context / part)
        return build_from_dockerfile(context, context / "Dockerfile", OPERATOR, {"BASE": PYTHON}, progress)


def python_version(image: Path) -> str:
    """Major and minor version of the Python in an image archive, such as 3.11."""
    with tarfile.open(image) as archive:
        for layer in _layers(archive):
            content = archive.extractfile(layer)
            with tarfile.open(fileobj=content) as files:
                for entry in files:
                    if found := re.fullmatch(r"(?:\./)?usr/(?:local/)?bin/python(3\.\d+)", entry.name):
                        return found.group(1)
    raise LocalClusterError(f"the image {image.name} holds no Python; remove the file, and it is built again")


def _layers(archive: tarfile.TarFile) -> list[str]:
    index = archive.extractfile("manifest.json")
    layers: list[str] = json.load(index)[0]["Layers"] if index else []
    return layers


def _ensure_packages(target: Path, base: Path, progress: Progress) -> None:
    marker = target.with_suffix(".key")
    key = hashlib.sha256((REPOSITORY / _LOCK).read_bytes() + base.name.encode()).hexdigest()
    if marker.exists() and marker.read_text() == key:
        return
    machine = platform.machine()
    if machine not in _PLATFORMS:
        raise LocalClusterError(f"no packages for machines of type {machine}; use one of {', '.join(_PLATFORMS)}")
    progress("installing the operator's packages for its image")
    marker.unlink(missing_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    platform_tag = f"{_PLATFORMS[machine]}-unknown-linux-gnu"
    run(
        [REPOSITORY / "hack" / "venv", "packages", target, python_version(base), platform_tag],
        "the operator's packages could not be installed",
    )
    marker.write_text(key)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy2(source, target)
    else:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
