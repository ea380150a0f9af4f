"""Runs a program to its end and turns its failure into one clear sentence."""

import subprocess
from collections.abc import Sequence
from os import PathLike

from .errors import LocalClusterError

_LINES_QUOTED = 5


def run(command: Sequence[str | PathLike[str]], complaint: str, text: str | None = None) -> str:
    """The program's output; where it fails, the complaint and the end of what it said."""
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip().splitlines()[-_LINES_QUOTED:]
        raise LocalClusterError(f"{complaint}: {' | '.join(said) or f'exit code {result.returncode}'}")
    return result.stdout
