"""Renders the chart with the pinned helm, without a cluster."""

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from localcluster.build import ensure_binaries

Json = dict[str, Any]
Render = Callable[..., list[Json]]
Helm = Callable[..., str]

CHART = Path(__file__).parents[3] / "helm" / "batchyard"


class HelmRefusedError(Exception):
    """What helm said instead."""


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Run helm; returns what it prints."""
    binary = ensure_binaries(names=["helm"]) / "helm"

    def run(*arguments: str) -> str:
        result = subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise HelmRefusedError(result.stderr)
        return result.stdout

    return run


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """Return the objects that the chart installs with these values, such as "replicas=2"."""

    @functools.cache
    def run(*values: str, release: str = "batchyard") -> list[Json]:
        options = [f"--set={value}" for value in values]
        text = helm("template", release, str(CHART), "--namespace", "system", *options)
        return [obj for obj in yaml.safe_load_all(text) if obj]

    return run
