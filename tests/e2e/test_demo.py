"""`make demo` does what the README says of it: a first job, from YAML to a result that is right."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import operator_process
from localcluster import Cluster

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def demo_cluster(cluster: Cluster, crds: None, no_operator: None) -> Iterator[Cluster]:
    """The session's cluster, on which nothing of the demo is left afterwards."""
    if not cluster.has_real_node:
        pytest.skip("this cluster has no real node")
    yield cluster
    operator_process.stop(cluster)
    cluster.kubectl("delete", "-k", str(REPOSITORY / "examples" / "02-etl"), "--ignore-not-found")


def test_the_demo_runs_twice_and_leaves_its_operator(demo_cluster: Cluster) -> None:
    first, second = _demo(demo_cluster), _demo(demo_cluster)
    for output in (first, second):
        assert "363 readings, 8 of them unusable\n" in output
        assert "Both results are right" in output
        assert f"export KUBECONFIG={demo_cluster.kubeconfig}\n" in output
        assert " weather              Succeeded  Completed " in output
    assert _operator_pid(first) != _operator_pid(second)
    assert not Path(f"/proc/{_operator_pid(first)}").exists(), "the operator of the first demo still runs"
    address = second.partition("curl --silent ")[2].partition("/metrics")[0]
    with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:  # noqa: S310 - http, here
        assert answer.read() == b"ok\n"


def _demo(cluster: Cluster) -> str:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "hack"), "CI": "true"}
    command = [sys.executable, "-m", "demo", "--name", cluster.name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _operator_pid(output: str) -> int:
    return int(output.partition("operator: process ")[2].partition(",")[0])
