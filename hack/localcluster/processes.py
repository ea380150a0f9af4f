"""Starts and ends the processes of a cluster so that none is lost and no stranger is ever killed.

Two ways lead to a process: the pid with its start time in the state, and a mark in its environment, which also finds
one started just before a crash could record it.
"""

import contextlib
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .errors import LocalClusterError
from .state import ClusterState, StartedProcess

MARK = "BATCHYARD_LOCAL_CLUSTER"
_PROC = Path("/proc")
_children: list[subprocess.Popen[bytes]] = []
_WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def marked_environment(state: ClusterState, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment every process of the cluster is started with."""
    return {**os.environ, **(extra or {}), MARK: str(state.dir)}


def start_process(
    state: ClusterState,
    name: str,
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
) -> ClusterState:
    """Start a background process that logs to ``<logs>/<name>.log``; the returned state, saved, knows it."""
    state.logs.mkdir(parents=True, exist_ok=True)
    with (state.logs / f"{name}.log").open("ab") as log:
        try:
            child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=state.dir,
                env=marked_environment(state, environment),
                start_new_session=True,
            )
        except OSError as error:
            raise LocalClusterError(f"cannot start {name}: {error}") from error
    _children.append(child)
    return record_process(state, name, child.pid)


def record_process(state: ClusterState, name: str, pid: int) -> ClusterState:
    """Note a running process in the saved state."""
    start = start_time(pid)
    if start is None:
        raise LocalClusterError(f"{name} ended at once: {log_tail(state.logs / f'{name}.log')}")
    return state.with_process(StartedProcess(name, pid, start)).save()


def start_time(pid: int) -> int | None:
    """Start time of a live process in clock ticks since boot; None if it is gone or a zombie."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the command in parentheses may hold blanks
    return None if fields[0] in "ZX" else int(fields[19])


def is_running(process: StartedProcess) -> bool:
    """Whether that very process still lives."""
    return start_time(process.pid) == process.start_time


def marked_processes(state: ClusterState) -> tuple[StartedProcess, ...]:
    """All live processes that carry the cluster's mark, recorded or not."""
    mark = f"{MARK}={state.dir}".encode()
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
            name = (entry / "comm").read_text().strip()
        except OSError:
            continue
        start = start_time(int(entry.name))
        if mark in variables and start is not None:
            found.append(StartedProcess(name, int(entry.name), start))
    return tuple(found)


def stop_processes(processes: Iterable[StartedProcess], *, grace: float = 5.0) -> None:
    """End the processes: ask, kill those still there after the grace period, return when all are gone."""
    waiting = [process for process in processes if is_running(process)]
    if grace > 0:
        _signal(waiting, signal.SIGTERM)
        waiting = _wait_gone(waiting, grace)
    _signal(waiting, signal.SIGKILL)
    stuck = _wait_gone(waiting, 10.0)
    if stuck:
        names = ", ".join(f"{process.name} (pid {process.pid})" for process in stuck)
        raise LocalClusterError(f"{names} cannot be ended, probably stuck in the kernel; run down again")


def stop_process(state: ClusterState, name: str, *, grace: float = 5.0) -> ClusterState:
    """End one process by its name in the state and forget it."""
    process = state.process(name)
    if process is None:
        return state
    stop_processes([process], grace=grace)
    return state.without_process(name).save()


def answers(url: str) -> bool:
    """Whether a process says at that URL that it works."""
    try:
        with _WITHOUT_PROXY.open(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def log_tail(path: Path, lines: int = 3) -> str:
    """The last lines of a log on one line, for an error message."""
    try:
        text = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        text = []
    return f"{' | '.join(line.strip()[:300] for line in text[-lines:]) or 'nothing was logged'} (log: {path})"


def _signal(processes: Iterable[StartedProcess], number: signal.Signals) -> None:
    for process in processes:
        if is_running(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _wait_gone(processes: list[StartedProcess], seconds: float) -> list[StartedProcess]:
    deadline = time.monotonic() + seconds
    while True:
        _reap()
        left = [process for process in processes if is_running(process)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


def _reap() -> None:
    """Collect ended children of this very process, which would otherwise stay zombies."""
    for child in _children:
        child.poll()
