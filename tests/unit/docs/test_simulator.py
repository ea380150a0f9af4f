"""What the page on the simulator shows of nodes comes out of the workload that it names."""

import re
from pathlib import Path

import pytest

from batchyard.simulator.command import main
from unit.docs.tables import DOCS, ROOT

WORKLOAD = ROOT / "examples" / "simulator" / "nodes.yaml"
SECTION = (DOCS / "simulator.md").read_text(encoding="utf-8").partition("\n## What lies on several nodes\n")[2]
SECTION = SECTION.partition("\n## ")[0]
AS_THEY_ARE, CHANGE, AS_ONE = re.findall(r"^```(?:diff)?\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)


def report(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is printed, but for how long it took."""
    main([str(path)])
    return capsys.readouterr().out.rpartition("\nreplayed in ")[0]


def changed(workload: str, diff: str) -> str:
    """A file after a change in one place."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if not line.startswith("+"))
    assert workload.count(before) == 1
    return workload.replace(before, "".join(line[1:] for line in lines if not line.startswith("-")))


def test_nodes_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    command, _, output = AS_THEY_ARE.partition("\n")
    assert command == f"$ batchyard simulate {WORKLOAD.relative_to(ROOT)}"
    assert report(WORKLOAD, capsys) == output


def test_nodes_added_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summed = tmp_path / "summed.yaml"
    summed.write_text(changed(WORKLOAD.read_text(encoding="utf-8"), CHANGE), encoding="utf-8")
    assert report(summed, capsys) == AS_ONE


def test_others_may_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passing = tmp_path / "passing.yaml"
    passing.write_text(WORKLOAD.read_text(encoding="utf-8").replace("policy: Strict", "policy: Bypass"))
    rows = {line.split()[0]: re.split(r"  +", line) for line in report(passing, capsys).splitlines() if line}
    said = re.search(r"large ones wait for (.*) on average and the small ones for (.*), and (.* %) is\s", SECTION)
    assert said is not None
    assert list(said.groups()) == [rows["large"][3], rows["small"][3], rows["cluster"][4]]
