"""The committed CRDs and the reference page are what the models generate now."""

from pathlib import Path

import pytest

from batchyard.api.generate import crds, reference

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", crds.KINDS, ids=lambda kind: kind.name)
def test_crd_is_up_to_date(kind: crds.Kind) -> None:
    committed = (ROOT / "crds" / crds.file_name(kind)).read_text(encoding="utf-8")
    assert committed == crds.render(kind), "run `make generate` and commit the result"


def test_no_other_crd_is_left_over() -> None:
    assert {path.name for path in (ROOT / "crds").iterdir()} == {crds.file_name(kind) for kind in crds.KINDS}


def test_chart_has_the_same_crds() -> None:
    chart = ROOT / "helm" / "batchyard" / "files" / "crds"
    for folder, other in ((ROOT / "crds", chart), (chart, ROOT / "crds")):
        for path in folder.iterdir():
            assert path.read_bytes() == (other / path.name).read_bytes(), "run `make generate` and commit the result"


def test_reference_is_up_to_date() -> None:
    committed = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert committed == reference.render(), "run `make generate` and commit the result"


def test_writing_the_files_gives_the_committed_ones(tmp_path: Path) -> None:
    crds.main(tmp_path / "crds")
    for path in (tmp_path / "crds").iterdir():
        assert path.read_bytes() == (ROOT / "crds" / path.name).read_bytes()
