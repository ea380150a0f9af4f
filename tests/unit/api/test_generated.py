"""The committed CRDs, the reference page and the table of reasons are what the models and the list generate now."""

from pathlib import Path

import pytest

from batchyard.api.generate import crds, reasons, reference
from batchyard.api.kinds import KINDS, Kind
from batchyard.api.reasons import DOCUMENTATION, Reason

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_crd_is_up_to_date(kind: Kind) -> None:
    committed = (ROOT / "crds" / crds.file_name(kind)).read_text(encoding="utf-8")
    assert committed == crds.render(kind), "run `make generate` and commit the result"


def test_no_other_crd_is_left_over() -> None:
    assert {path.name for path in (ROOT / "crds").iterdir()} == {crds.file_name(kind) for kind in KINDS.values()}


def test_chart_has_the_same_crds() -> None:
    chart = ROOT / "helm" / "batchyard" / "files" / "crds"
    for folder, other in ((ROOT / "crds", chart), (chart, ROOT / "crds")):
        for path in folder.iterdir():
            assert path.read_bytes() == (other / path.name).read_bytes(), "run `make generate` and commit the result"


def test_reference_is_up_to_date() -> None:
    committed = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert committed == reference.render(), "run `make generate` and commit the result"


def test_table_of_reasons_is_up_to_date() -> None:
    committed = (ROOT / "docs" / "concepts" / "states-and-reasons.md").read_text(encoding="utf-8")
    assert committed == reasons.render(committed), "run `make generate` and commit the result"


def test_every_reason_is_in_the_table_in_its_words() -> None:
    assert list(DOCUMENTATION) == list(Reason)
    rows = [f"| `{reason}` | {means} |" for reason, means in DOCUMENTATION.items()]
    assert reasons.table().splitlines()[2:] == rows


def test_an_old_table_is_replaced_and_the_words_around_it_stay() -> None:
    page = f"# Before\n\n{reasons.BEGIN}\nold\n{reasons.END}\n\nBehind.\n"
    assert reasons.render(page) == f"# Before\n\n{reasons.BEGIN}\n\n{reasons.table()}\n\n{reasons.END}\n\nBehind.\n"


@pytest.mark.parametrize("page", ["", reasons.BEGIN, reasons.END, f"{reasons.END}{reasons.BEGIN}"])
def test_a_page_without_the_markers_is_not_written(page: str) -> None:
    with pytest.raises(ValueError, match="needs a line"):
        reasons.render(page)


def test_writing_the_files_gives_the_committed_ones(tmp_path: Path) -> None:
    crds.main(tmp_path / "crds")
    for path in (tmp_path / "crds").iterdir():
        assert path.read_bytes() == (ROOT / "crds" / path.name).read_bytes()
