"""Image archives, their content keys, and the error messages around packages."""

import io
import json
import os
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localcluster import images, packages
from localcluster.archive import ImageConfig, file_digest, write_archive
from localcluster.commands import run
from localcluster.errors import LocalClusterError


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


def test_context_digests_change_with_content_name_and_mode(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text("1")
    seen = {tuple(images.context_digests(tmp_path))}
    file.write_text("2")
    seen.add(tuple(images.context_digests(tmp_path)))
    file.chmod(0o755)
    seen.add(tuple(images.context_digests(tmp_path)))
    file.rename(tmp_path / "main.py")
    seen.add(tuple(images.context_digests(tmp_path)))
    assert len(seen) == 4


def test_context_digests_ignore_what_python_and_git_leave(tmp_path: Path) -> None:
    before = list(images.context_digests(tmp_path))
    for folder in (".git", "__pycache__"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "file").write_text("x")
    assert list(images.context_digests(tmp_path)) == before


def test_missing_packages_are_named_once_for_a_plain_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "program", lambda name: None)
    with pytest.raises(LocalClusterError) as error:
        packages.ensure_programs(["containerd", "ctr", "nft"], lambda _: None)
    assert "`apt-get install --yes --no-install-recommends containerd nftables`" in str(error.value)


def test_nothing_is_installed_where_all_programs_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "program", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(packages, "_apt", lambda command: pytest.fail(f"ran {command}"))
    packages.ensure_programs(packages.NODE_PROGRAMS, lambda _: None)


def test_processes_that_need_a_package_at_the_same_time_install_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []

    def apt(command: str) -> bool:
        time.sleep(0.05)
        installed.append(command)
        return True

    monkeypatch.setattr(packages, "program", lambda name: name if installed or name == "apt-get" else None)
    monkeypatch.setattr(packages, "_apt", apt)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: packages.ensure_programs(["nft"], lambda _: None), range(2)))
    assert len(installed) == 1


def test_a_failing_program_is_quoted_in_one_line() -> None:
    with pytest.raises(LocalClusterError, match=r"^it failed: first \| second$"):
        run(["sh", "-c", "echo first >&2; echo second >&2; exit 1"], "it failed")
