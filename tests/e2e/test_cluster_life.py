"""Clusters live side by side, survive what happens to them half-way, and leave nothing behind."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import localcluster
from localcluster import Cluster
from localcluster.cluster import choose_backend
from localcluster.nodes.network import host_interface
from localcluster.processes import is_running, marked_processes, stop_processes
from localcluster.state import ClusterState, load_state

pytestmark = pytest.mark.e2e

NAME = "batchyard-test-life"


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    if choose_backend() != "local":
        pytest.skip("only a cluster of our own processes can be broken")
    yield
    localcluster.down(NAME)


def state_of(name: str) -> ClusterState:
    state = load_state(name)
    assert state is not None
    return state


def interfaces() -> set[str]:
    return {entry.name for entry in Path("/sys/class/net").iterdir() if entry.name.startswith(host_interface(NAME))}


def test_two_clusters_do_not_see_each_other(cluster: Cluster) -> None:
    second = localcluster.up(NAME, real_node=False)
    assert state_of(NAME).apiserver_port != state_of(cluster.name).apiserver_port
    second.kubectl("create", "configmap", "only-here")
    assert "only-here" not in cluster.kubectl("get", "configmaps", "-o", "name")
    localcluster.down(NAME)
    assert cluster.kubectl("get", "--raw", "/readyz") == "ok"


def test_a_start_killed_half_way_is_cleaned_by_the_next_stop() -> None:
    starting = subprocess.Popen([sys.executable, "-m", "localcluster", "up", "--name", NAME], cwd=_hack())
    try:
        while (state := load_state(NAME)) is None or len(state.processes) < 5:
            assert starting.poll() is None
            time.sleep(0.05)
    finally:
        starting.kill()
        starting.wait()
    assert any(is_running(process) for process in state.processes)
    assert bool(interfaces()) == state.real

    localcluster.down(NAME)
    assert marked_processes(state) == ()
    assert not state.dir.exists()
    assert not any(str(state.dir) in line for line in Path("/proc/self/mounts").read_text().splitlines())
    assert interfaces() == set()
    assert list(Path("/sys/fs/cgroup").glob(f"**/by-{NAME}")) == []


def test_a_cluster_that_lost_a_process_is_started_anew_and_an_intact_one_is_kept() -> None:
    localcluster.up(NAME, real_node=False, audit=True)
    first = state_of(NAME)
    localcluster.up(NAME, real_node=False, audit=True)
    assert state_of(NAME) == first

    controllers = first.process("kube-controller-manager")
    assert controllers is not None
    stop_processes([controllers], grace=0)
    cluster = localcluster.up(NAME, real_node=False, audit=True)
    assert state_of(NAME).process("kube-controller-manager") != controllers
    assert len(cluster.simulated_nodes()) == 2


def test_the_audit_log_holds_every_write_and_no_read() -> None:
    cluster = localcluster.up(NAME, real_node=False, audit=True)
    cluster.kubectl("create", "configmap", "written")
    cluster.kubectl("get", "configmap", "written")
    assert cluster.audit_log is not None
    events = [json.loads(line) for line in cluster.audit_log.read_text().splitlines()]
    assert {event["verb"] for event in events} <= {"create", "update", "patch", "delete", "deletecollection"}
    written = [event for event in events if event["objectRef"].get("name") == "written"]
    assert [event["verb"] for event in written] == ["create"]
    assert written[0]["userAgent"].startswith("kubectl")


def _hack() -> Path:
    return Path(localcluster.__file__).parent.parent
