"""Image archives that are written without a container engine."""

import io
import json
import tarfile
from pathlib import Path

from localcluster.images.archive import ImageConfig, file_digest, write_archive


def _layer(folder: Path, content: bytes = b"hello") -> Path:
    layer = folder / "layer.tar"
    with tarfile.open(layer, "w") as archive:
        entry = tarfile.TarInfo("greeting")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return layer


def _members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


def test_archive_names_its_tag_its_layer_and_its_command(tmp_path: Path) -> None:
    layer = _layer(tmp_path)
    write_archive(tmp_path / "image.tar", layer, "localhost/a:1", ImageConfig(command=("/bin/sh",)))
    members = _members(tmp_path / "image.tar")
    [entry] = json.loads(members["manifest.json"])
    config = json.loads(members[entry["Config"]])
    assert entry["RepoTags"] == ["localhost/a:1"]
    assert members[entry["Layers"][0]] == layer.read_bytes()
    assert config["config"]["Cmd"] == ["/bin/sh"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{file_digest(layer)}"]


def test_same_layer_and_settings_give_the_same_archive(tmp_path: Path) -> None:
    layer = _layer(tmp_path)
    for name in ("first.tar", "second.tar"):
        write_archive(tmp_path / name, layer, "localhost/a:1", ImageConfig(command=("/bin/sh",)))
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()
