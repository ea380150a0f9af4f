"""Builds the container images of the local cluster, because nothing can be relied on to pull them.

There is one for the sandbox, one with a shell and one with Python; ``build_from_dockerfile`` builds others on top of
them. Each is an archive in the cache, named by its content key.
"""

import fcntl
import hashlib
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..commands import run
from ..paths import cache_root
from ..programs.packages import apt_source, ensure_programs, program, release
from .archive import ImageConfig, file_digest, write_archive
from .rootfs import write_python_layer, write_shell_layer

PAUSE = "localhost/batchyard/pause:1"
SHELL = "localhost/batchyard/shell:1"
PYTHON = "localhost/batchyard/python:1"

# The sandbox's process only has to live and to reap orphans where a pod shares its process namespace.
_PAUSE_COMMAND = ("/bin/sh", "-c", "while :; do sleep 3600 & wait; done")
# What the base images contain is decided by the text of these modules.
_RECIPE = tuple(Path(__file__).with_name(module).read_text() for module in ("rootfs.py", "archive.py"))
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
            build = _Build(context, dockerfile, tag, arguments, base)
            if docker_answers():
                _build_with_docker(build, partial)
            else:
                _build_with_buildah(build, partial, progress)
            partial.rename(target)
            _drop_older(target, tag)
    return target


def docker_answers() -> bool:
    """Whether there is a docker command whose daemon can be used."""
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
    key = _key(*_RECIPE, platform.machine(), *_PAUSE_COMMAND)
    images = {tag: folder / f"{_file_stem(tag)}-{key}.tar" for tag in (PAUSE, SHELL)}
    if all(path.exists() for path in images.values()):
        return images
    progress(f"building the images {SHELL} and {PAUSE}")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        layer = Path(scratch) / "layer.tar"
        write_shell_layer(layer, Path(scratch))
        write_archive(images[SHELL], layer, SHELL, ImageConfig(command=("/bin/sh",)))
        write_archive(images[PAUSE], layer, PAUSE, ImageConfig(command=(), entrypoint=_PAUSE_COMMAND))
    for tag, archive in images.items():
        _drop_older(archive, tag)
    return images


def _python_image(folder: Path, progress: Progress) -> Path:
    # The archive's address is not part of the key: the same packages come from every mirror.
    target = folder / f"{_file_stem(PYTHON)}-{_key(*_RECIPE, platform.machine(), release())}.tar"
    if target.exists():
        return target
    source = apt_source()
    ensure_programs(["debootstrap"], progress)
    progress(f"building the image {PYTHON} from {source.suite} packages, about a minute, only this once")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        layer = Path(scratch) / "layer.tar"
        write_python_layer(layer, Path(scratch), source)
        write_archive(target, layer, PYTHON, ImageConfig(command=("python3",)))
    _drop_older(target, PYTHON)
    return target


@dataclass(frozen=True)
class _Build:
    context: Path
    dockerfile: Path
    tag: str
    arguments: Mapping[str, str]
    base: Path

    def command(self) -> list[str | Path]:
        """The part of the command line that buildah and docker share."""
        options = [f"--build-arg={name}={value}" for name, value in self.arguments.items()]
        return ["--tag", self.tag, "--file", self.dockerfile, *options, self.context]


def _build_with_buildah(build: _Build, target: Path, progress: Progress) -> None:
    ensure_programs(["buildah"], progress)
    storage = cache_root() / "buildah"
    storage.mkdir(parents=True, exist_ok=True)
    buildah: list[str | Path] = [program("buildah") or "buildah"]
    buildah += ["--root", storage / "root", "--runroot", storage / "run"]
    run([*buildah, "rm", "--all"], "removing what an interrupted build left behind failed")
    base = f"docker-archive:{build.base}"
    run([*buildah, "pull", "--quiet", base], "buildah could not read the base image")
    flags = ["--isolation", "chroot", "--layers", "--force-rm", "--pull-never", "--format", "docker"]
    run([*buildah, "build", *flags, *build.command()], f"building {build.tag} failed")
    saved = f"docker-archive:{target}:{build.tag}"
    run([*buildah, "push", "--quiet", build.tag, saved], f"saving {build.tag} failed")
    # Layers of earlier builds would pile up in the store.
    run([*buildah, "rmi", "--prune"], "removing older layers failed")


def _build_with_docker(build: _Build, target: Path) -> None:
    run(["docker", "load", "--quiet", "--input", build.base], "docker could not load the base image")
    run(["docker", "build", *build.command()], f"building {build.tag} failed")
    run(["docker", "save", "--output", target, build.tag], f"saving {build.tag} failed")


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
    """A file name for a tag without its version: those of one name replace each other."""
    return tag.rpartition(":")[0].removeprefix("localhost/").replace("/", "-").replace(":", "-")
