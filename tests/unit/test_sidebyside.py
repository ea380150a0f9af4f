"""The groups into which end-to-end tests are split."""

from pathlib import Path

import pytest

from e2e import sidebyside
from e2e.sidebyside import FIRST, OTHERS, group_of


def test_files_of_the_groups_exist_and_are_in_one_group_only() -> None:
    files = {path.stem for path in Path(sidebyside.__file__).parent.glob("test_*.py")}
    named = [file for group in OTHERS.values() for file in group]
    assert files > set(named)
    assert len(named) == len(set(named))


def test_only_end_to_end_tests_have_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("E2E_KUBECONFIG", raising=False)
    assert group_of("tests/e2e/test_helm.py::test_job_runs_through_the_installed_operator") == "3"
    assert group_of("tests/e2e/test_identity.py::test_one") == "2"
    assert group_of("tests/e2e/test_queues.py::test_one[a/b::c]") == FIRST
    assert group_of("tests/component/test_bad_input.py::test_one[e2e/a]") is None


def test_a_cluster_of_yours_takes_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E_KUBECONFIG", "kubeconfig")
    assert group_of("tests/e2e/test_helm.py::test_one") == FIRST
