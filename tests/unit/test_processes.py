"""Processes of their own see what an object is and how the API server is asked, and never what the operator keeps."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import batchyard

OPERATOR = {"api", "core", "objects", "kube", "runtime", "handlers", "simulator", "app", "cli"}
"""The operator's own rooms, which have layers of their own, and the simulator, which is the planner in virtual time."""
SEEN_BY_ALL = ("batchyard.api", "batchyard.objects", "batchyard.kube", "batchyard.core.model")


def test_processes_of_their_own_see_neither_the_operator_nor_each_other() -> None:
    assert list(_breaches(Path(batchyard.__file__).parent)) == []


@pytest.mark.parametrize(
    ("line", "breaches"),
    [
        ("from batchyard.api.reasons import Reason", False),
        ("from batchyard.core.model.job import Key", False),
        ("from batchyard.archive import rows", False),
        ("from batchyard import __version__", False),
        ("import kubernetes", False),
        ("from batchyard.runtime.state.cache import Cache", True),
        ("import batchyard.core.planner.settle", True),
        ("from batchyard.core import scheduling", True),
        ("from batchyard import runtime", True),
        ("from batchyard.gateway import app", True),
    ],
)
def test_such_an_import_is_found(tmp_path: Path, line: str, breaches: bool) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "gateway").mkdir()
    (tmp_path / "archive" / "rows.py").write_text(line + "\n", encoding="utf-8")
    assert [each for each, _ in _breaches(tmp_path)] == (["archive/rows.py"] if breaches else [])


def _breaches(package: Path) -> Iterator[tuple[str, str]]:
    processes = [each for each in package.iterdir() if each.is_dir() and each.name not in OPERATOR | {"__pycache__"}]
    for process in processes:
        for path in process.rglob("*.py"):
            for module in _imported(ast.parse(path.read_text(encoding="utf-8"))):
                own = module.startswith(f"batchyard.{process.name}")
                if module.startswith("batchyard.") and not own and not module.startswith(SEEN_BY_ALL):
                    yield path.relative_to(package).as_posix(), module


def _imported(tree: ast.Module) -> Iterator[str]:
    """Full names of what is imported; of `from batchyard import x` each `x` that is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names if not alias.name.startswith("__"))
