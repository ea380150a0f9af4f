"""A cluster of its own with an operator on it, for as long as something is measured."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import localcluster
from localcluster import kinds

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"


@dataclass(frozen=True)
class Installation:
    """What is measured."""

    cluster: localcluster.Cluster
    audit_log: Path
    operator: int
    """Process id."""


@contextmanager
def installed(name: str, nodes: int, *, keep: bool = False) -> Iterator[Installation]:
    """Start a cluster and the operator; both are gone afterwards, the cluster unless it is to be kept."""
    cluster = localcluster.up(name, real_node=False, simulated_nodes=nodes, audit=True)
    try:
        assert cluster.audit_log is not None
        kinds.install(cluster, CRDS)
        cluster.kubectl("create", "namespace", "batchyard-system", check=False)
        operator = _start_operator(cluster)
        try:
            yield Installation(cluster, cluster.audit_log, operator.pid)
        finally:
            operator.terminate()
            operator.wait(timeout=30)
    finally:
        if not keep:
            localcluster.down(name)


def _start_operator(cluster: localcluster.Cluster) -> subprocess.Popen[bytes]:
    log = cluster.kubeconfig.with_name("operator.log")
    return subprocess.Popen(
        [sys.executable, "-m", "batchyard", "--kubeconfig", str(cluster.kubeconfig), "--port", "0"],
        env={**os.environ, "PYTHONPATH": ""},
        stderr=log.open("wb"),
    )
