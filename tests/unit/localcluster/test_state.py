"""The record of a cluster on disk, and the processes it names."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from localcluster.errors import LocalClusterError
from localcluster.processes import (
    is_running,
    log_tail,
    marked_environment,
    marked_processes,
    start_process,
    start_time,
    stop_process,
    stop_processes,
)
from localcluster.state import ClusterState, StartedProcess, load_state, new_state


@pytest.fixture
def state() -> ClusterState:
    return new_state("test", real=False, audit=True).save()


def test_a_saved_record_reads_the_same(state: ClusterState) -> None:
    state = state.replace(apiserver_port=20001, host_address="10.213.0.1", ready=True)
    state = state.with_process(StartedProcess("etcd", 12, 345)).save()
    assert load_state("test") == state


def test_a_process_started_again_replaces_its_record(state: ClusterState) -> None:
    state = state.with_process(StartedProcess("etcd", 1, 1)).with_process(StartedProcess("etcd", 2, 2))
    assert state.processes == (StartedProcess("etcd", 2, 2),)
    assert state.without_process("etcd").processes == ()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "test"}', '{"processes": [], "unknown": 1}'])
def test_an_unreadable_record_is_no_record(state: ClusterState, content: str) -> None:
    (state.dir / "state.json").write_text(content)
    assert load_state("test") is None


def test_no_record_at_all() -> None:
    assert load_state("never-made") is None


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "-a", "a" * 31, "a b"])
def test_names_that_cannot_be_used_are_refused(name: str) -> None:
    with pytest.raises(LocalClusterError, match="not usable"):
        load_state(name)


def test_only_a_cluster_with_audit_has_an_audit_log(state: ClusterState) -> None:
    assert state.audit_log == state.dir / "audit.log"
    assert new_state("test", real=False, audit=False).audit_log is None


def test_a_started_process_is_recorded_logged_and_ended(state: ClusterState) -> None:
    state = start_process(state, "talker", ["sh", "-c", "echo hello; exec sleep 60"])
    process = state.process("talker")
    assert process is not None
    assert is_running(process)
    assert load_state("test") == state
    while "hello" not in log_tail(state.logs / "talker.log"):
        time.sleep(0.01)
    state = stop_process(state, "talker")
    assert not is_running(process)
    assert load_state("test") == state
    assert state.processes == ()


def test_a_process_deaf_to_sigterm_is_killed(state: ClusterState) -> None:
    state = start_process(state, "deaf", ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
    process = state.process("deaf")
    assert process is not None
    stop_processes([process], grace=0.2)
    assert not is_running(process)


def test_a_reused_pid_is_never_ended(state: ClusterState) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        ticks = start_time(stranger.pid)
        assert ticks is not None
        stop_processes([StartedProcess("etcd", stranger.pid, ticks - 1)], grace=0)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_an_unrecorded_process_is_found_by_its_mark(state: ClusterState) -> None:
    other = new_state("test-2", real=False, audit=False).save()
    children = [subprocess.Popen(["sleep", "60"], env=marked_environment(owner)) for owner in (state, other)]
    try:
        assert [found.pid for found in marked_processes(state)] == [children[0].pid]
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_a_zombie_and_a_stranger_are_not_running() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert start_time(child.pid) is None
    child.wait()
    assert start_time(child.pid) is None


def test_a_program_that_is_missing_is_named(state: ClusterState) -> None:
    with pytest.raises(LocalClusterError, match="cannot start ghost"):
        start_process(state, "ghost", ["/nonexistent/ghost"])


def test_a_missing_log_has_a_tail_too(tmp_path: Path) -> None:
    assert "nothing was logged" in log_tail(tmp_path / "none.log")
