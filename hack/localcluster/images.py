"""Builds the container images of the local cluster, because nothing can be relied on to pull them.

``base_images`` gives the sandbox, shell and Python images to ``realnode`` and ``cluster``; ``build_from_dockerfile``
builds an image on top of them, the operator's for one. Each is an archive in the cache, named by its content key.
"""

import fcntl
import hashlib
import io
import platform
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .archive import ImageConfig, file_digest, write_archive
from .errors import LocalClusterError
from .packages import apt_source, download_package, ensure_programs, program
from .paths import cache_root

PAUSE = "localhost/batchyard/pause:1"
SHELL = "localhost/batchyard/shell:1"
PYTHON = "localhost/batchyard/python:1"

# The sandbox's process only has to live and to reap orphans where a pod shares its process namespace.
_PAUSE_COMMAND = ("/bin/sh", "-c", "while :; do sleep 3600 & wait; done")
_PYTHON_PACKAGES = ("python3", "python3-venv", "ca-certificates")
_NOT_NEEDED_IN_AN_IMAGE = (
    "./dev/*",
    "./proc/*",
    "./sys/*",
    "./usr/share/bash-completion",
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/lintian",
    "./usr/share/locale/*",
    "./usr/share/man/*",
    "./var/cache/apt/*",
    "./var/cache/debconf/*-old",
    "./var/lib/apt/lists/*",
    "./var/log/*",
)
_BUILT_BY = "batchyard-images-1"
Progress = Callable[[str], None]


def base_images(progress: Progress = print) -> dict[str, Path]:
    """Archives of the pause, shell and Python images by tag, built first where they are missing."""
    folder = _images_folder()
    with _lock(folder / "base.lock"):
        return {
            **_shell_images(folder, progress),
            PYTHON: _python_image(folder, progress),
        }


def build_from_dockerfile(
    context: Path,
    dockerfile: Path,
    tag: str,
    build_args: Mapping[str, str] | None = None,
    progress: Progress = print,
) -> Path:
    """Builds an image with buildah, or with docker where its daemon answers, and returns its archive.

    The Python base image is in the builder's store beforehand, so a build argument may name it as a base.
    """
    arguments = dict(build_args or {})
    folder = _images_folder()
    base = base_images(progress)[PYTHON]
    key = _key(
        tag,
        base.name,
        dockerfile.read_text(),
        *(f"{name}={value}" for name, value in sorted(arguments.items())),
        *context_digests(context),
    )
    target = folder / f"{_file_stem(tag)}-{key}.tar"
    with _lock(folder / "build.lock"):
        if not target.exists():
            progress(f"building the image {tag}")
            partial = folder / f".{target.name}.partial"
            partial.unlink(missing_ok=True)
            builder = _build_with_docker if docker_answers() else _build_with_buildah
            builder(context, dockerfile, tag, arguments, base, partial)
            partial.rename(target)
            _drop_older(target, tag)
    return target


def docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "version"], capture_output=True, check=False).returncode == 0


def context_digests(context: Path) -> Iterator[str]:
    """One line per file of a build context: its path, mode and content."""
    for path in sorted(context.rglob("*")):
        relative = path.relative_to(context)
        if ".git" in relative.parts or "__pycache__" in relative.parts:
            continue
        if path.is_symlink():
            yield f"{relative} -> {path.readlink()}"
        elif path.is_file():
            yield f"{relative} {path.stat().st_mode & 0o111} {file_digest(path)}"


def _shell_images(folder: Path, progress: Progress) -> dict[str, Path]:
    key = _key(_BUILT_BY, platform.machine(), *_PAUSE_COMMAND)
    images = {tag: folder / f"{_file_stem(tag)}-{key}.tar" for tag in (PAUSE, SHELL)}
    if all(path.exists() for path in images.values()):
        return images
    progress(f"building the images {SHELL} and {PAUSE}")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        layer = Path(scratch) / "layer.tar"
        _write_shell_layer(layer, Path(scratch))
        write_archive(images[SHELL], layer, SHELL, ImageConfig(command=("/bin/sh",)))
        write_archive(images[PAUSE], layer, PAUSE, ImageConfig(command=(), entrypoint=_PAUSE_COMMAND))
    return images


def _write_shell_layer(layer: Path, scratch: Path) -> None:
    package = download_package("busybox-static", scratch)
    _run(["dpkg-deb", "--extract", str(package), str(scratch / "busybox")], f"unpacking {package.name} failed")
    busybox = next(path for path in (scratch / "busybox").rglob("busybox") if path.is_file() and path.parent.name == "bin")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(layer, "w") as archive:
        for name, mode in (("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("tmp", 0o1777), ("var", 0o755)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        content = busybox.read_bytes()
        _add_file(archive, "bin/busybox", content, 0o755)
        _add_file(archive, "etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n", 0o644)
        _add_file(archive, "etc/group", b"root:x:0:\nnobody:x:65534:\n", 0o644)
        for applet in applets:
            if applet != "busybox":
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)


def _add_file(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _python_image(folder: Path, progress: Progress) -> Path:
    recipe = (_BUILT_BY, platform.machine(), *_PYTHON_PACKAGES, *_NOT_NEEDED_IN_AN_IMAGE)
    # The archive's address is not part of the key: the same packages come from every mirror.
    source = apt_source()
    target = folder / f"{_file_stem(PYTHON)}-{_key(source.release, *recipe)}.tar"
    if target.exists():
        return target
    ensure_programs(["debootstrap"], progress)
    progress(f"building the image {PYTHON} from {source.release} packages, about a minute, only this once")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        root, layer = Path(scratch) / "root", Path(scratch) / "layer.tar"
        include = "--include=" + ",".join(_PYTHON_PACKAGES)
        debootstrap = [_program("debootstrap"), "--variant=minbase", include, source.release, str(root), source.uri]
        _run(debootstrap, "debootstrap could not make the root file system of the Python image")
        excludes = [f"--exclude={pattern}" for pattern in _NOT_NEEDED_IN_AN_IMAGE]
        tar = ["tar", "--create", "--file", str(layer), "--numeric-owner", "--sort=name", *excludes]
        _run([*tar, "--directory", str(root), "."], "packing the Python image failed")
        write_archive(target, layer, PYTHON, ImageConfig(command=("python3",)))
    return target


def _build_with_buildah(
    context: Path, dockerfile: Path, tag: str, arguments: Mapping[str, str], base: Path, target: Path
) -> None:
    ensure_programs(["buildah"])
    storage = cache_root() / "buildah"
    storage.mkdir(parents=True, exist_ok=True)
    buildah = [_program("buildah"), "--root", str(storage / "root"), "--runroot", str(storage / "run")]
    build = ["build", "--isolation", "chroot", "--layers", "--pull-never", "--format", "docker"]
    _run([*buildah, "pull", "--quiet", f"docker-archive:{base}"], "buildah could not read the base image")
    options = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    command = [*buildah, *build, "--tag", tag, "--file", str(dockerfile), *options, str(context)]
    _run(command, f"building {tag} failed")
    _run([*buildah, "push", "--quiet", tag, f"docker-archive:{target}:{tag}"], f"saving {tag} failed")
    subprocess.run([*buildah, "rmi", "--prune"], capture_output=True, check=False)


def _build_with_docker(
    context: Path, dockerfile: Path, tag: str, arguments: Mapping[str, str], base: Path, target: Path
) -> None:
    _run(["docker", "load", "--quiet", "--input", str(base)], "docker could not load the base image")
    options = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    command = ["docker", "build", "--tag", tag, "--file", str(dockerfile), *options, str(context)]
    _run(command, f"building {tag} failed")
    _run(["docker", "save", "--output", str(target), tag], f"saving {tag} failed")


def _drop_older(target: Path, tag: str) -> None:
    for archive in target.parent.glob(f"{_file_stem(tag)}-*.tar"):
        if archive != target:
            archive.unlink(missing_ok=True)


def _images_folder() -> Path:
    folder = cache_root() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _file_stem(tag: str) -> str:
    return tag.rpartition("/")[2].partition(":")[0]


def _program(name: str) -> str:
    return program(name) or name


def _run(command: list[str], complaint: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        last = " | ".join((result.stderr or result.stdout).strip().splitlines()[-5:])
        raise LocalClusterError(f"{complaint}: {last}")
