"""The cluster, the operator and the namespaces that all end-to-end tests share.

The cluster is that of E2E_KUBECONFIG, else one of kind where Docker answers (through pytest-kind), else a local one.
One that the session started is taken down at its end unless KEEP_CLUSTER=1; one that ran before stays, except in CI.
Where tests run side by side, each group of `sidebyside` has a cluster of its own.
"""

import os
import re
import secrets
import shutil
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

import localcluster
from e2e.clusterapi import ClusterApi, proxied
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess
from e2e.ownnodes import watch_unschedulable
from e2e.sidebyside import group_of
from e2e.tenants import Tenant, editor, roles_of_the_chart
from localcluster import Cluster, LocalClusterError, kinds
from localcluster.cluster import choose_backend, connect
from localcluster.programs.build import ensure_binaries

REPOSITORY = Path(__file__).parents[2]
CLUSTER = os.environ.get("E2E_CLUSTER", "batchyard-test")
OPERATOR_NAMESPACE = "batchyard-e2e"
_OPERATOR: pytest.StashKey[OperatorProcess] = pytest.StashKey()
_GROUP: pytest.StashKey[str | None] = pytest.StashKey()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note the group of the test, after which a worker names its cluster."""
    item.config.stash[_GROUP] = group_of(item.nodeid)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster."""
    side_by_side = "PYTEST_XDIST_WORKER" in os.environ
    name = f"{CLUSTER}-{request.config.stash[_GROUP]}" if side_by_side else CLUSTER
    keep = os.environ.get("KEEP_CLUSTER") == "1" or (_is_running(name) and not os.environ.get("CI"))
    if choose_backend() == "kind":
        _create_with_kind(request, name, keep)
    yield localcluster.up(name, audit=choose_backend() == "local")
    if not keep:
        localcluster.down(name)


def _is_running(name: str) -> bool:
    try:
        connect(name).kubectl("get", "--raw", "/readyz", "--request-timeout=5s")
    except LocalClusterError:
        return False
    return True


def _create_with_kind(request: pytest.FixtureRequest, name: str, keep: bool) -> None:
    """Let pytest-kind create the cluster, with the programs that are there instead of some that it would download."""
    options = request.config.option
    options.cluster_name, options.keep_cluster = name, keep
    options.kind_bin = shutil.which("kind")
    options.kind_kubectl_bin = str(ensure_binaries(names=["kubectl"]) / "kubectl")
    request.getfixturevalue("kind_cluster")


@pytest.fixture(scope="session")
def crds(cluster: Cluster) -> None:
    """Batchyard's five kinds."""
    kinds.install(cluster, REPOSITORY / "crds")


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[ClusterApi]:
    """The cluster's API as JSON."""
    with proxied(cluster) as api:
        yield api


@pytest.fixture(scope="session")
def operator_process(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The operator that all tests of a cluster share, not started yet; its start takes longer than many a test."""
    if f"namespace/{OPERATOR_NAMESPACE}" not in cluster.kubectl("get", "namespaces", "-o", "name").split():
        cluster.kubectl("create", "namespace", OPERATOR_NAMESPACE)
    operator = OperatorProcess(cluster, OPERATOR_NAMESPACE, tmp_path_factory.mktemp("operator") / "operator.log")
    yield operator
    operator.stop()


@pytest.fixture(scope="module")
def operator(operator_process: OperatorProcess, crds: None, request: pytest.FixtureRequest) -> OperatorProcess:
    """The operator, running, as the modules before this one have left it."""
    if not operator_process.alive:
        operator_process.start()
    request.node.stash[_OPERATOR] = operator_process
    return operator_process


@pytest.fixture(scope="module")
def no_operator(operator_process: OperatorProcess) -> None:
    """Nothing acts on what the module makes, unless it installs an operator itself."""
    operator_process.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the operator's log beside the failure of a test that used it."""
    report = yield
    if report.failed:
        module = item.getparent(pytest.Module)
        if module is not None and (operator := module.stash.get(_OPERATOR, None)):
            report.sections.append(("operator", operator.tail()))
    return report


@pytest.fixture
def harness(
    cluster: Cluster, api: ClusterApi, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[Harness]:
    """A namespace of the test's own, with the operator running."""
    if not operator.alive:
        operator.start()
    yield from _harness(cluster, api, request.node.name.removeprefix("test_"))


@pytest.fixture
def unschedulable(harness: Harness) -> dict[str, str]:
    """What the scheduler says of pods of jobs for which it finds no node: nothing where room is counted right."""
    return watch_unschedulable(harness)


@pytest.fixture(scope="module")
def shared(
    cluster: Cluster, api: ClusterApi, operator: OperatorProcess, request: pytest.FixtureRequest
) -> Iterator[Harness]:
    """A namespace that the tests of a module share: jobs that have nothing to do with each other run at once."""
    yield from _harness(cluster, api, Path(request.node.name).stem.removeprefix("test_"))


@pytest.fixture(scope="module")
def tenant(shared: Harness, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """Who may edit the namespace that the tests of a module share, by the chart's roles."""
    with roles_of_the_chart(cluster):
        yield editor(shared, tmp_path_factory.mktemp("editor"))


def _harness(cluster: Cluster, api: ClusterApi, name: str) -> Iterator[Harness]:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:24].strip("-")
    harness = Harness(cluster, api, f"e2e-{slug}-{secrets.token_hex(2)}")
    harness.begin()
    yield harness
    harness.end()
