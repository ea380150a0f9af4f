"""The operator in the background: belongs to the local cluster, outlives the demo, and goes with `make cluster-down`.

Called by `__main__`. The process carries the cluster's mark, by which `localcluster` ends all that belongs to a
cluster; pid and log are in the cluster's folder. A later demo starts it anew, so that it runs the present code.
"""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from localcluster import Cluster
from localcluster.ports import free_ports
from localcluster.processes import is_running, log_tail, marked_environment, start_time, stop_processes
from localcluster.state import LOOPBACK, StartedProcess, load_state, new_state

from .errors import DemoError

NAMESPACE = "batchyard-system"
START_SECONDS = 60.0


@dataclass(frozen=True)
class OperatorProcess:
    """A running operator."""

    process: StartedProcess
    log: Path
    address: str
    """Where it serves /metrics, /healthz and /readyz."""

    @property
    def ended(self) -> bool:
        """Whether it runs no longer."""
        return not is_running(self.process)


def restart(cluster: Cluster) -> OperatorProcess:
    """Start the operator on a cluster, in place of the one of an earlier demo; returns once it acts."""
    stop(cluster)
    if not cluster.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found"):
        cluster.kubectl("create", "namespace", NAMESPACE)
    state = load_state(cluster.name) or new_state(cluster.name, real=False, audit=False)
    state.logs.mkdir(parents=True, exist_ok=True)
    log = state.logs / "operator.log"
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "batchyard", "--kubeconfig", str(cluster.kubeconfig), "--namespace", NAMESPACE]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--host", LOOPBACK, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=state.dir,
            env=marked_environment(state),
            start_new_session=True,
        )
    record = StartedProcess("operator", process.pid, start_time(process.pid) or 0)
    _record(cluster.name).write_text(json.dumps(asdict(record)) + "\n")
    operator = OperatorProcess(record, log, f"http://{LOOPBACK}:{port}")
    deadline = time.monotonic() + START_SECONDS
    while not _leads(operator):
        if operator.ended:
            raise DemoError(f"the operator ended at once: {log_tail(log)}")
        if time.monotonic() > deadline:
            raise DemoError(f"the operator did not get to act within {START_SECONDS:.0f} s: {log_tail(log)}")
        time.sleep(0.1)
    return operator


def stop(cluster: Cluster) -> None:
    """End the operator of an earlier demo, if one runs; it gives its lease up first."""
    record = _record(cluster.name)
    try:
        process = StartedProcess(**json.loads(record.read_text()))
    except (OSError, ValueError, TypeError):
        return
    if is_running(process):
        stop_processes([process], grace=20)
    record.unlink(missing_ok=True)


def _record(cluster: str) -> Path:
    """The file with pid and start time, which tells the process from a later one of that pid."""
    return new_state(cluster, real=False, audit=False).dir / "operator.json"


def _leads(operator: OperatorProcess) -> bool:
    try:
        with urllib.request.urlopen(f"{operator.address}/metrics", timeout=5) as answer:  # noqa: S310 - http, here
            return b"\nbatchyard_leader 1.0\n" in answer.read()
    except (urllib.error.URLError, OSError):
        return False
