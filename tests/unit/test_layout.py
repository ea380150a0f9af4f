"""Bounds that keep the operator a place where things are found: small modules, and folders of few."""

from pathlib import Path

import batchyard

PACKAGE = Path(batchyard.__file__).parent
MOST_MODULES = 16
MOST_LINES = 400


def test_no_folder_is_a_hall_of_doors() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    counts = {
        folder.relative_to(PACKAGE).as_posix(): len([path for path in folder.glob("*.py") if path.stem != "__init__"])
        for folder in folders
    }
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_no_module_is_long() -> None:
    lines = {path.relative_to(PACKAGE).as_posix(): _lines(path) for path in PACKAGE.rglob("*.py")}
    assert {module: count for module, count in lines.items() if count > MOST_LINES} == {}


def test_every_folder_says_what_it_is_for() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").read_text(encoding="utf-8").strip()] == []


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
