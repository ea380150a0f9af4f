"""A cluster of its own with an operator on it, for as long as something is measured."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import localcluster

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
        cluster.kubectl("apply", "-f", str(CRDS))
        _wait_for_kinds(cluster)
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


def _wait_for_kinds(cluster: localcluster.Cluster, seconds: float = 60.0) -> None:
    """`kubectl wait` fails where a definition has no conditions yet, as it may on a busy machine."""
    deadline = time.monotonic() + seconds
    while not all(map(_is_established, json.loads(cluster.kubectl("get", "-f", str(CRDS), "-o", "json"))["items"])):
        if time.monotonic() > deadline:
            raise localcluster.LocalClusterError(f"the kinds of {CRDS} were not established within {seconds:.0f} s")
        time.sleep(0.2)


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def _start_operator(cluster: localcluster.Cluster) -> subprocess.Popen[bytes]:
    log = cluster.kubeconfig.with_name("operator.log")
    return subprocess.Popen(
        [sys.executable, "-m", "batchyard", "--kubeconfig", str(cluster.kubeconfig), "--port", "0"],
        env={**os.environ, "PYTHONPATH": ""},
        stderr=log.open("wb"),
    )
