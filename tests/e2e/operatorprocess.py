"""The operator as a process of its own, started as a user would start it; killed and restarted by tests."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from e2e.clusterapi import until
from localcluster import Cluster
from objects.exposition import samples

START_SECONDS = 60.0
LEASE = "e2e"


class OperatorProcess:
    """`python -m batchyard` on a cluster, with a lease of its own."""

    def __init__(self, cluster: Cluster, namespace: str, log: Path) -> None:
        self.log = log
        self._cluster = cluster
        self._namespace = namespace
        self._command = [sys.executable, "-m", "batchyard", "--kubeconfig", str(cluster.kubeconfig)]
        self._command += ["--namespace", namespace, "--lease", LEASE, "--host", "127.0.0.1", "--port", "0"]
        self._command += ["--resync-seconds", "20"]
        # Started dozens of times: compiled once, also where PYTHONDONTWRITEBYTECODE is set.
        self._environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(log.parents[1] / "compiled")}
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it, with another identity each time, as a new pod would have; wait until it acts.

        `options` are those of this start, beside the ones that all have.
        """
        self._expect_no_end()
        self._starts += 1
        already_logged = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._command, "--identity", f"e2e-{os.getpid()}-{self._starts}", *options],
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

        def acts() -> bool:
            assert self.alive, f"the operator ended:\n{self.tail()}"
            with self.log.open("rb") as output:
                output.seek(already_logged)
                return b"Acting on" in output.read()

        until(acts, START_SECONDS, self.tail)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "the operator was not started"
        return self._process.pid

    @property
    def memory_mib(self) -> float:
        """The most memory that it has had at a time."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        peak = next(line for line in lines if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024

    def metrics(self) -> dict[tuple[str, str], float]:
        """What /metrics shows: samples by name and by the values of their labels."""
        port = re.findall(r"readyz on port (\d+)", self.log.read_text(errors="replace"))[-1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return samples(answer.read().decode())

    def kill(self) -> None:
        """SIGKILL: no chance to finish anything, and the lease stays taken."""
        self._end(signal.SIGKILL)

    def replace(self) -> None:
        """SIGKILL, and another one that takes over at once, as if the lease had run out."""
        self.kill()
        self._cluster.kubectl("--namespace", self._namespace, "delete", "lease", LEASE)
        self.start()

    def stop(self) -> None:
        """SIGTERM, as Kubernetes stops a pod: gives the lease up."""
        self._end(signal.SIGTERM)

    def restart(self, *options: str) -> None:
        """Stop and start again."""
        self.stop()
        self.start(*options)

    def tail(self, lines: int = 60) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _end(self, how: signal.Signals) -> None:
        self._expect_no_end()
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the operator did not stop within 20 s:\n{self.tail()}") from None

    def _expect_no_end(self) -> None:
        """Only what a test asked for may have ended it; whoever finds that out is not who caused it."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
            raise AssertionError(f"the operator has ended by itself:\n{self.tail()}")
