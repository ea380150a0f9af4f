"""What goes into the operator's image, before anything is built."""

import io
import re
import sys
import tarfile
from pathlib import Path

import pytest

import lean_packages
from localcluster.errors import LocalClusterError
from localcluster.images import PYTHON, operator
from localcluster.images.archive import ImageConfig, write_archive

ROOT = Path(__file__).parents[4]


def _image(folder: Path, *names: str) -> Path:
    layer = folder / "layer.tar"
    with tarfile.open(layer, "w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    write_archive(folder / "image.tar", layer, "localhost/a:1", ImageConfig(command=()))
    return folder / "image.tar"


def _pins(lock: str) -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+==\S+", (ROOT / lock).read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", ["./usr/bin/python3.11", "usr/local/bin/python3.13"])
def test_python_version_of_an_image_is_read_from_its_files(tmp_path: Path, path: str) -> None:
    image = _image(tmp_path, "./usr/bin/python3", "./usr/bin/perl5.36", path)
    assert operator.python_version(image) == path.rpartition("python")[2]


def test_image_without_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalClusterError, match=r"image\.tar holds no Python"):
        operator.python_version(_image(tmp_path, "bin/sh"))


def test_image_has_the_versions_that_are_tested() -> None:
    runtime = _pins("requirements-runtime.lock")
    assert runtime < _pins("requirements.lock"), "run `make lock` and commit both files"
    assert {pin.partition("==")[0] for pin in runtime} > {"kopf", "kubernetes", "pydantic", "prometheus-client"}


def test_every_file_of_the_dockerfile_is_in_the_build_context(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(operator, "base_images", lambda _: {PYTHON: tmp_path / "base.tar"})
    monkeypatch.setattr(operator, "_ensure_packages", lambda *_: None)
    monkeypatch.setattr(operator, "build_from_dockerfile", lambda context, *_: context)
    context = operator.operator_image(lambda _: None)
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", (context / "Dockerfile").read_text(), re.MULTILINE):
        for source in sources.split():
            assert (context / source).exists() or source == "package[s]/"
    assert not list(context.rglob("__pycache__"))


def test_only_what_packages_import_is_left_of_the_generated_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
    models = tmp_path / "kubernetes" / "aio" / "client" / "models"
    kept = [models / "__init__.py", tmp_path / "kopf" / "on.py", tmp_path / "kopf-1.dist-info" / "METADATA"]
    left_out = [models / "v1_pod.py", tmp_path / "kopf" / "tests" / "test_on.py", tmp_path / "aiohttp" / "_http.pyx"]
    for path in kept + left_out:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    lean_packages.main(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(kept)
