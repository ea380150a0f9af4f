"""What the control plane and the simulated nodes are told, and the ports they get."""

import socket
from pathlib import Path
from typing import Any

import pytest

from localcluster.controlplane import kwokctl_config
from localcluster.errors import LocalClusterError
from localcluster.nodes.simulated import node_manifests, stages
from localcluster.ports import free_ports
from localcluster.state import new_state

PORTS = [20001, 20002, 20003, 20004, 20005]


def config(**changes: Any) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Options, and flags by component."""
    state = new_state("test", real=False, audit=changes.pop("audit", False)).replace(**changes)
    document = kwokctl_config(state, Path("/binaries"), PORTS)[0]
    flags = {
        patch["name"]: {extra["key"]: extra["value"] for extra in patch["extraArgs"]}
        for patch in document["componentsPatches"]
    }
    return document["options"], flags


def test_everything_listens_on_loopback() -> None:
    options, flags = config()
    assert options["bindAddress"] == "127.0.0.1"
    assert "bind-address" not in flags["kube-apiserver"]


def test_the_real_node_finds_the_api_server_at_its_own_address() -> None:
    options, flags = config(host_address="10.213.0.1")
    assert flags["kube-apiserver"]["advertise-address"] == "10.213.0.1"
    assert {"10.213.0.1", "10.96.0.1"} <= set(options["kubeApiserverCertSANs"])


def test_kwok_leaves_real_nodes_alone() -> None:
    _, flags = config()
    assert flags["kwok-controller"] == {
        "manage-nodes-with-annotation-selector": "kwok.x-k8s.io/node=fake",
        "manage-all-nodes": "false",
    }


def test_writes_are_logged_only_on_demand() -> None:
    assert "audit-log-path" not in config()[1]["kube-apiserver"]
    assert config(audit=True)[1]["kube-apiserver"]["audit-log-path"].endswith("test/audit.log")


def test_no_download_is_ever_needed() -> None:
    options, _ = config()
    programs = {key: value for key, value in options.items() if key.endswith("Binary")}
    assert len(programs) == 6
    assert all(value.startswith("/binaries/") for value in programs.values())


def test_stages_are_complete() -> None:
    names = {stage["metadata"]["name"] for stage in stages()}
    assert names == {"node-ready", "pod-start", "pod-finish", "pod-terminate", "pod-delete"}


def test_a_simulated_node_says_what_it_is_and_holds() -> None:
    nodes = node_manifests(["sim-0", "sim-1"], cpu="4", gpu=2, labels={"zone": "a"})["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["sim-0", "sim-1"]
    node = nodes[0]
    assert node["metadata"]["labels"]["batchyard.dev/node"] == "simulated"
    assert node["metadata"]["labels"]["zone"] == "a"
    assert node["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
    taint = {"key": "batchyard.dev/simulated", "value": "true", "effect": "NoSchedule"}
    assert node["spec"]["taints"] == [taint]
    assert node["status"]["allocatable"]["cpu"] == "4"
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "2"


def test_a_port_in_use_is_not_chosen() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        with pytest.raises(LocalClusterError, match="fewer than 1 free ports"):
            free_ports(1, candidates=range(taken, taken + 1))


def test_chosen_ports_differ() -> None:
    assert len(set(free_ports(6))) == 6
