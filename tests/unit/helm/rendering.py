"""Renders the chart with the pinned helm, without a cluster, for the tests beside this module."""

import functools
import subprocess
from pathlib import Path
from typing import Any

import yaml

from localcluster.programs.build import ensure_binaries

Json = dict[str, Any]

CHART = Path(__file__).parents[3] / "helm" / "batchyard"


class HelmRefusedError(Exception):
    """What helm said instead."""


def helm(*arguments: str) -> str:
    """Run helm; returns what it prints."""
    binary = ensure_binaries(names=["helm"]) / "helm"
    result = subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise HelmRefusedError(result.stderr)
    return result.stdout


@functools.cache
def render(*values: str, release: str = "batchyard") -> list[Json]:
    """Return the objects that the chart installs with these values, such as "replicas=2"."""
    options = [f"--set={value}" for value in values]
    text = helm("template", release, str(CHART), "--namespace", "system", *options)
    return [obj for obj in yaml.safe_load_all(text) if obj]
