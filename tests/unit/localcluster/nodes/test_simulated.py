"""What simulated and virtual nodes are registered as."""

from pathlib import Path

import pytest

from localcluster.cluster import Cluster
from localcluster.errors import LocalClusterError
from localcluster.nodes.simulated import node_manifests, node_resources, virtual_node_manifests


def test_a_simulated_node_has_its_label_and_its_taint() -> None:
    [node] = node_manifests(["sim-0"], cpu="3", gpu=1, labels={"zone": "a"})["items"]
    labels = node["metadata"]["labels"]
    assert (labels["batchyard.dev/node"], labels["zone"]) == ("simulated", "a")
    assert node["spec"]["taints"] == [{"key": "batchyard.dev/simulated", "value": "true", "effect": "NoSchedule"}]
    assert node["status"]["allocatable"]["cpu"] == "3"
    assert node["status"]["capacity"]["nvidia.com/gpu"] == "1"


def test_a_virtual_node_has_those_of_a_virtual_kubelet_only() -> None:
    resources = node_resources(cpu="10k", memory="1Ti", pods=5000)
    [node] = virtual_node_manifests(["virtual-0"], resources, labels={"zone": "a"}, provider="azure")["items"]
    labels = node["metadata"]["labels"]
    assert (labels["type"], labels["kubernetes.io/role"], labels["zone"]) == ("virtual-kubelet", "agent", "a")
    assert "batchyard.dev/node" not in labels
    assert node["spec"]["taints"] == [{"key": "virtual-kubelet.io/provider", "value": "azure", "effect": "NoSchedule"}]
    assert node["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
    assert "nvidia.com/gpu" not in node["status"]["allocatable"]


def test_only_a_local_cluster_has_virtual_nodes(tmp_path: Path) -> None:
    cluster = Cluster("test", "kind", tmp_path / "kubeconfig", tmp_path, has_real_node=True)
    with pytest.raises(LocalClusterError, match="only a local cluster has simulated nodes"):
        cluster.add_virtual_nodes()
