"""What is said of a program that fails."""

import pytest

from localcluster.commands import run
from localcluster.errors import LocalClusterError


def test_a_failing_program_is_quoted_in_one_line() -> None:
    with pytest.raises(LocalClusterError, match=r"^it failed: first \| second$"):
        run(["sh", "-c", "echo first >&2; echo second >&2; exit 1"], "it failed")
