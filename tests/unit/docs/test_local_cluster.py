"""The page of the local cluster names every command and every module, and no others."""

import re

import pytest

from localcluster.__main__ import main
from unit.docs.tables import ROOT, code, rows

PAGE = "local-cluster.md"
FOLDER = ROOT / "hack" / "localcluster"


def test_every_command_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    found = re.search(r"\{([a-z,-]+)\}", capsys.readouterr().out)
    assert found
    assert sorted(code(command) for command, _ in rows(PAGE, "command")) == sorted(found[1].split(","))


def test_every_module_is_listed() -> None:
    modules = [path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.py") if path.stem != "__init__"]
    assert sorted(code(module) for module, _ in rows(PAGE, "module")) == sorted(modules)


def test_what_pods_on_simulated_nodes_may_say_is_listed() -> None:
    stages = "".join(path.read_text(encoding="utf-8") for path in (FOLDER / "nodes" / "stages").glob("*.yaml"))
    listed = {code(annotation) for annotation, _ in rows(PAGE, "annotation")}
    assert listed == set(re.findall(r"# +(sim\.batchyard\.dev/[a-z-]+):", stages))
