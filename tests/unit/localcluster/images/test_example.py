"""Images of examples."""

from pathlib import Path

import pytest

from localcluster.__main__ import main
from localcluster.errors import LocalClusterError
from localcluster.images import PYTHON, example


def test_an_example_without_an_image_is_named_with_those_that_have_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(LocalClusterError, match=r"no example '01-hello' has an image .*: 07-mpi"):
        example.example_image("01-hello")
    assert main(["example-image", "--name", "no-such-cluster", "07-mpi"]) == 1
    assert "no-such-cluster" in capsys.readouterr().err


def test_an_image_is_named_after_its_example(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []

    def build(*arguments: object) -> Path:
        built.extend(arguments)
        return Path("image.tar")

    monkeypatch.setattr(example, "build_from_dockerfile", build)
    assert example.example_image("07-mpi", print) == Path("image.tar")
    folder = example.EXAMPLES / "07-mpi" / "image"
    assert built == [folder, folder / "Dockerfile", "localhost/batchyard/mpi:1", {"BASE": PYTHON}, print]


def test_the_cluster_can_be_named_once_for_all_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCAL_CLUSTER", "no-such-cluster")
    assert main(["kubeconfig"]) == 1
    assert "no-such-cluster" in capsys.readouterr().err
