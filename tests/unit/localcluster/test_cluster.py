"""Which backend is taken, what each can do, and what a person reads when it cannot."""

from collections.abc import Callable
from pathlib import Path

import pytest

from localcluster import cluster as cluster_module
from localcluster import kind, local
from localcluster.__main__ import main, split_kubectl
from localcluster.cluster import Cluster, choose_backend, connect, down, up
from localcluster.errors import LocalClusterError
from localcluster.programs.build import KUBERNETES
from localcluster.state import ClusterState, load_state, new_state

MakeProgram = Callable[[str, str], Path]

FAKE_KIND = """
echo "$*" >> "$KIND_CALLS"
case "$1 $2" in
"get clusters") cat "$KIND_CALLS.clusters" 2>/dev/null ;;
"create cluster") echo test > "$KIND_CALLS.clusters" ;;
"get kubeconfig") echo kubeconfig ;;
"load image-archive") case "$3" in */broken.tar) echo "ERROR: no nodes" >&2; exit 1 ;; esac ;;
esac
exit 0
"""


@pytest.fixture
def kind_calls(tmp_path: Path, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch) -> Path:
    """kind and a Docker daemon that answers; the file that gets kind's command lines."""
    calls = tmp_path / "kind-calls"
    monkeypatch.setenv("KIND_CALLS", str(calls))
    make_program("docker", "exit 0")
    make_program("kind", FAKE_KIND)
    archives = {"shell": tmp_path / "images" / "shell.tar"}
    archives["shell"].parent.mkdir()
    archives["shell"].touch()
    monkeypatch.setattr(cluster_module, "base_images", lambda _: archives)
    return calls


@pytest.fixture
def kubectl() -> None:
    """Clients that need no building; kubectl fails when asked to."""
    folder = KUBERNETES.folder
    folder.mkdir(parents=True)
    for name in ("kubectl", "helm"):
        (folder / name).write_text('#!/bin/sh\ncase "$*" in *fail*) echo "no such thing" >&2; exit 1;; esac\n')
        (folder / name).chmod(0o755)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> ClusterState:
    """A local cluster that counts as healthy."""
    state = new_state("test", real=False, audit=False).replace(ready=True).save()
    monkeypatch.setattr(kind, "is_available", lambda: False)
    monkeypatch.setattr(local, "find_healthy", lambda *_: state)
    monkeypatch.setattr(cluster_module, "ensure_binaries", lambda *_, **__: Path("/binaries"))
    return state


def test_an_explicit_kubeconfig_comes_first(kind_calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kind_calls
    monkeypatch.setenv("E2E_KUBECONFIG", "/some/where")
    assert choose_backend() == "existing"


@pytest.mark.usefixtures("kind_calls")
def test_kind_comes_second() -> None:
    assert choose_backend() == "kind"


@pytest.mark.usefixtures("kind_calls")
def test_a_docker_client_without_daemon_does_not_count(make_program: MakeProgram) -> None:
    make_program("docker", "exit 1")
    assert choose_backend() == "local"


@pytest.mark.usefixtures("make_program")
def test_without_docker_it_is_processes() -> None:
    assert choose_backend() == "local"


@pytest.mark.usefixtures("kubectl")
def test_an_existing_cluster_is_used_and_never_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("")
    monkeypatch.setenv("E2E_KUBECONFIG", str(kubeconfig))
    cluster = up("test", progress=lambda _: None)
    assert (cluster.backend, cluster.kubeconfig) == ("existing", kubeconfig)
    down("test", lambda _: None)
    assert kubeconfig.exists()


def test_a_kubeconfig_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E_KUBECONFIG", "/nonexistent/config")
    with pytest.raises(LocalClusterError, match=r"E2E_KUBECONFIG is /nonexistent/config.*correct"):
        up("test", progress=lambda _: None)


@pytest.mark.usefixtures("kubectl")
def test_a_kind_cluster_is_made_reused_and_deleted(kind_calls: Path) -> None:
    cluster = up("test", progress=lambda _: None)
    assert (cluster.backend, cluster.has_real_node) == ("kind", True)
    up("test", progress=lambda _: None)
    calls = kind_calls.read_text().splitlines()
    assert sum(call.startswith("create cluster --name test") for call in calls) == 1
    assert any(call.endswith("images/shell.tar --name test") for call in calls)
    down("test", lambda _: None)
    assert kind_calls.read_text().splitlines()[-1] == "delete cluster --name test"
    assert load_state("test") is None


@pytest.mark.usefixtures("kubectl", "kind_calls")
def test_what_kind_says_is_passed_on(tmp_path: Path) -> None:
    archive = tmp_path / "broken.tar"
    archive.touch()
    cluster = up("test", progress=lambda _: None)
    with pytest.raises(LocalClusterError, match="kind load image-archive failed: ERROR: no nodes"):
        cluster.load_image(archive)
    with pytest.raises(LocalClusterError, match="only a local cluster has simulated nodes"):
        cluster.add_nodes(1)


@pytest.mark.usefixtures("kubectl")
def test_kubectl_failures_name_the_command() -> None:
    cluster = Cluster("test", "local", Path("/k"), KUBERNETES.folder, has_real_node=False)
    with pytest.raises(LocalClusterError, match="kubectl fail now: no such thing"):
        cluster.kubectl("fail", "now")
    assert cluster.kubectl("fail", check=False) == ""


def test_images_need_a_real_node_and_an_archive(tmp_path: Path) -> None:
    cluster = Cluster("test", "local", Path("/k"), tmp_path, has_real_node=False)
    with pytest.raises(LocalClusterError, match="build it first"):
        cluster.load_image(tmp_path / "none.tar")
    (tmp_path / "some.tar").touch()
    with pytest.raises(LocalClusterError, match=r"no real node to load some\.tar into"):
        cluster.load_image(tmp_path / "some.tar")


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("wishes", "sentence"),
    [
        ({"audit": True}, "runs already, but without an audit log; take it down first"),
        ({"real_node": True}, "runs already, but without a real node; take it down first"),
    ],
)
def test_a_running_cluster_is_never_replaced_by_another_kind(wishes: dict[str, bool], sentence: str) -> None:
    with pytest.raises(LocalClusterError, match=sentence):
        up("test", progress=lambda _: None, **wishes)


def test_a_real_node_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "is_available", lambda: False)
    monkeypatch.setattr(cluster_module, "ensure_binaries", lambda *_, **__: Path("/binaries"))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(LocalClusterError, match="needs root on Linux"):
        up("test", real_node=True, progress=lambda _: None)


def test_a_half_started_cluster_is_not_connected_to() -> None:
    new_state("test", real=False, audit=False).save()
    with pytest.raises(LocalClusterError, match="cluster test is not running; start it with up"):
        connect("test")


def test_down_of_nothing_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["down", "--name", "nothing"]) == 0
    assert "there is no cluster nothing" in capsys.readouterr().err


def test_the_command_line_answers_with_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kubeconfig", "--name", "nothing"]) == 1
    assert capsys.readouterr().err == "error: cluster nothing is not running; start it with up\n"
    assert main(["fargate", "--name", "nothing", "--namespace", "etl"]) == 1
    assert capsys.readouterr().err == "error: cluster nothing is not running; start it with up\n"
    assert main(["up", "--name", "Not A Name"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_status_tells_running_from_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 0
    assert capsys.readouterr().out == "no clusters\n"
    new_state("half", real=False, audit=False).save()
    new_state("whole", real=False, audit=False).replace(ready=True).save()
    assert main(["status"]) == 0
    half, whole = capsys.readouterr().out.splitlines()
    assert half.startswith("half: broken or starting")
    assert whole.startswith("whole: running (local, simulated nodes only)")


@pytest.mark.parametrize(
    ("arguments", "own", "kubectls"),
    [
        (["kubectl", "-n", "x", "get", "pods"], ["kubectl"], ["-n", "x", "get", "pods"]),
        (["kubectl", "--name", "a", "exec", "p", "--", "sh"], ["kubectl", "--name", "a"], ["exec", "p", "--", "sh"]),
        (["up", "--name", "a"], ["up", "--name", "a"], []),
        (["kubectl"], ["kubectl"], []),
    ],
)
def test_kubectl_gets_its_arguments_untouched(arguments: list[str], own: list[str], kubectls: list[str]) -> None:
    assert split_kubectl(arguments) == (own, kubectls)
