"""What the programs of the real node are told: settings that were hard to find out must not get lost."""

import ipaddress
import tomllib
from pathlib import Path

import pytest

from localcluster.errors import LocalClusterError
from localcluster.images import PAUSE
from localcluster.nodes import containerd, kubelet, network, nodespace, service_network
from localcluster.nodes.cgroups import cgroup_name
from localcluster.state import ClusterState


@pytest.fixture
def state(tmp_path: Path) -> ClusterState:
    folder = tmp_path / "one"
    return ClusterState(name="one", dir=folder, host_address="10.213.0.1", node_address="10.213.0.2")


def test_containerd_config_is_toml_with_the_settings_a_restricted_machine_needs() -> None:
    config = tomllib.loads(containerd.containerd_config(Path('/odd "root"'), Path("/cni")))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert config["root"] == '/odd "root"'
    assert cri["sandbox_image"] == PAUSE
    assert cri["restrict_oom_score_adj"] is True
    assert cri["cni"]["conf_dir"] == "/cni"


def test_pod_network_hands_out_the_pod_addresses(state: ClusterState) -> None:
    plugin = containerd.pod_network(state)["plugins"][0]  # type: ignore[index]
    [pool] = plugin["ipam"]["ranges"][0]
    assert pool == {"subnet": state.pod_cidr, "gateway": state.dns_address}


def test_kubelet_runs_pods_below_the_cluster_s_own_cgroup(state: ClusterState) -> None:
    config = kubelet.kubelet_config(state)
    assert config["cgroupRoot"] == cgroup_name(state)
    assert config["cgroupsPerQOS"] is True
    assert config["failCgroupV1"] is False


def test_kubelet_listens_on_the_node_address_and_trusts_no_stranger(state: ClusterState) -> None:
    config = kubelet.kubelet_config(state)
    assert config["address"] == state.node_address
    assert config["authentication"]["anonymous"] == {"enabled": False}  # type: ignore[index]


def test_kubelet_never_deletes_images_that_cannot_be_pulled(state: ClusterState) -> None:
    config = kubelet.kubelet_config(state)
    assert config["imageGCHighThresholdPercent"] == 100


def test_names_outside_the_cluster_do_not_exist(state: ClusterState) -> None:
    config = service_network.dns_config(state, Path("/kubeconfig"))
    cluster_block, other_block = config.split("\n.:53")
    assert "kubernetes cluster.local" in cluster_block
    assert "NXDOMAIN" not in cluster_block
    assert "NXDOMAIN" in other_block


def test_init_script_quotes_folders_with_blanks() -> None:
    script = nodespace.init_script(Path("/a folder/log"), Path("/a folder/ready"))
    assert "mount --bind '/a folder/log' /var/log" in script
    assert "touch '/a folder/ready'" in script


def test_a_command_for_a_missing_node_says_how_to_get_one(state: ClusterState) -> None:
    with pytest.raises(LocalClusterError, match="cluster one has no real node"):
        nodespace.inside(state)


def test_free_network_avoids_everything_in_use() -> None:
    in_use = [ipaddress.IPv4Network("10.213.0.0/29"), ipaddress.IPv4Network("192.0.2.0/24")]
    assert network.free_network(in_use) == ipaddress.IPv4Network("10.213.0.8/30")


def test_free_network_says_when_there_is_none() -> None:
    with pytest.raises(LocalClusterError, match="take a local cluster down"):
        network.free_network([network.ADDRESS_POOL])


def test_interfaces_of_two_clusters_differ_and_fit_the_kernel_s_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a"))
    names = {network.host_interface("one"), network.host_interface("two")}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    names.add(network.host_interface("one"))
    assert len(names) == 3
    assert all(len(name) + len("n") <= 15 for name in names)
