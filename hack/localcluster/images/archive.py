"""Writes and reads image archives, so that base images need no container engine.

The format is the one of ``docker save``: containerd, kind, docker and buildah all load it.
"""

import hashlib
import io
import json
import platform
import tarfile
from dataclasses import dataclass
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class ImageConfig:
    """What a container of the image runs unless its pod says otherwise."""

    command: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    environment: tuple[str, ...] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)


def write_archive(target: Path, layer: Path, tag: str, config: ImageConfig) -> None:
    """Packs one layer (an uncompressed tar file) and its configuration as a loadable image archive."""
    layer_digest = file_digest(layer)
    description = json.dumps(_description(config, layer_digest), sort_keys=True).encode()
    config_name = hashlib.sha256(description).hexdigest() + ".json"
    layer_name = f"{layer_digest}/layer.tar"
    index = [{"Config": config_name, "RepoTags": [tag], "Layers": [layer_name]}]
    partial = target.with_name(f".{target.name}.partial")
    with tarfile.open(partial, "w") as archive:
        _add_bytes(archive, config_name, description)
        _add_bytes(archive, "manifest.json", json.dumps(index).encode())
        entry = tarfile.TarInfo(layer_name)
        entry.size = layer.stat().st_size
        with layer.open("rb") as content:
            archive.addfile(entry, content)
    partial.rename(target)


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _description(config: ImageConfig, layer_digest: str) -> dict[str, object]:
    return {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Entrypoint": list(config.entrypoint),
            "Cmd": list(config.command),
            "Env": list(config.environment),
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "batchyard localcluster"}],
    }


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
