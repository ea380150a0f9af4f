"""What Karpenter is told, which machines it may make, and how a cluster gets it."""

from pathlib import Path

import pytest

from localcluster import cluster as cluster_module
from localcluster import karpenter, kind, kinds, local
from localcluster.__main__ import main
from localcluster.cluster import Cluster, up
from localcluster.errors import LocalClusterError
from localcluster.nodes.instance_types import INSTANCE_TYPES, ZONES, instance_type_list
from localcluster.state import ClusterState, StartedProcess, load_state, new_state

NO_PROCESS = StartedProcess("karpenter", 2**30, 1)


@pytest.fixture
def state() -> ClusterState:
    return new_state("test", real=False, audit=False).replace(ready=True).save()


@pytest.fixture
def given(state: ClusterState, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A running local cluster without Karpenter; the names of the programs it is given."""
    started: list[str] = []

    def start_process(state: ClusterState, name: str, *_: object) -> ClusterState:
        started.append(name)
        return state.with_process(NO_PROCESS).save()

    monkeypatch.setattr(kind, "is_available", lambda: False)
    monkeypatch.setattr(local, "find_healthy", lambda *_: load_state(state.name))
    monkeypatch.setattr(cluster_module, "ensure_binaries", lambda *_, **__: Path("/binaries"))
    monkeypatch.setattr(Cluster, "simulated_nodes", lambda _: [])
    monkeypatch.setattr(karpenter, "ensure_binaries", lambda *_, **__: Path("/programs"))
    monkeypatch.setattr(kinds, "install", lambda *_: None)
    monkeypatch.setattr(karpenter, "start_process", start_process)
    monkeypatch.setattr(karpenter, "answers", lambda _: True)
    return started


def test_karpenter_is_given_to_a_running_cluster_once(given: list[str]) -> None:
    assert not up("test", simulated_nodes=0, progress=lambda _: None).karpenter
    for _ in range(2):
        assert up("test", simulated_nodes=0, karpenter=True, progress=lambda _: None).karpenter
    assert up("test", simulated_nodes=0, progress=lambda _: None).karpenter
    assert given == ["karpenter"]


def test_karpenter_that_does_not_start_leaves_the_cluster_as_it_was(
    state: ClusterState, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(karpenter, "answers", lambda _: False)
    monkeypatch.setattr(karpenter, "is_running", lambda _: False)
    with pytest.raises(LocalClusterError, match="Karpenter did not become ready: nothing was logged"):
        up("test", simulated_nodes=0, karpenter=True, progress=lambda _: None)
    assert given == ["karpenter"]
    assert load_state("test") == state


def test_only_a_local_cluster_has_karpenter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E_KUBECONFIG", str(tmp_path / "config"))
    (tmp_path / "config").touch()
    with pytest.raises(LocalClusterError, match="only local clusters offer an audit log and Karpenter; unset E2E"):
        up("test", audit=True, karpenter=True, progress=lambda _: None)


def test_status_names_karpenter(state: ClusterState, capsys: pytest.CaptureFixture[str]) -> None:
    state.with_process(NO_PROCESS).save()
    main(["status"])
    assert "simulated nodes only, Karpenter)" in capsys.readouterr().out


def test_karpenter_is_told_where_it_is_and_all_its_gates(state: ClusterState) -> None:
    settings = karpenter.environment(state, Path("/types.json"), metrics=20001, health=20002)
    assert settings["KUBECONFIG"] == str(state.kubeconfig)
    assert (settings["METRICS_PORT"], settings["HEALTH_PROBE_PORT"]) == ("20001", "20002")
    assert settings["INSTANCE_TYPES_FILE_PATH"] == "/types.json"
    assert dict(gate.split("=") for gate in settings["FEATURE_GATES"].split(",")) == {
        "NodeRepair": "false",
        "ReservedCapacity": "true",
        "SpotToSpotConsolidation": "false",
        "NodeOverlay": "false",
        "StaticCapacity": "true",
    }


def test_every_machine_is_offered_in_every_zone_and_cheaper_as_spot() -> None:
    for entry, machine in zip(instance_type_list(), INSTANCE_TYPES, strict=True):
        prices = {}
        for offering in entry["offerings"]:
            wanted = {each["key"]: each["values"][0] for each in offering["Requirements"]}
            prices[wanted["topology.kubernetes.io/zone"], wanted["karpenter.sh/capacity-type"]] = offering["Price"]
        assert len(prices) == len(entry["offerings"]) == 2 * len(ZONES)
        for zone in ZONES:
            assert prices[zone, "on-demand"] == machine.price
            assert prices[zone, "spot"] == pytest.approx(0.3 * machine.price, rel=0.01)


def test_a_machine_says_what_it_holds() -> None:
    holds = {entry["name"]: entry["resources"] for entry in instance_type_list()}
    assert holds["m5.large"] == {"cpu": "2", "memory": "8Gi", "ephemeral-storage": "100Gi", "pods": "110"}
    assert holds["g4dn.xlarge"]["nvidia.com/gpu"] == "1"
