"""`batchyard simulate`, as a person runs it."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from batchyard import cli

EXAMPLES = Path(__file__).parents[3] / "examples" / "simulator"


def run(*arguments: object) -> None:
    cli.main(["simulate", *map(str, arguments)])


def test_the_mix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = tmp_path / "chart.svg"
    run(EXAMPLES / "mix.yaml", "--jobs", "600", "--chart", chart)
    printed = capsys.readouterr().out
    assert printed.startswith("600 jobs, makespan ")
    rows = [line.split()[0] for line in printed.splitlines() if line.strip()]
    assert rows[1:11] == [
        "queue", "urgent", "teams", "vision", "language", "night", "environment", "on-premises", "cloud", "all",
    ]  # fmt: skip
    assert "cost of use" in printed
    texts = [element.text for element in ElementTree.parse(chart).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    assert {"mix: utilisation and backlog", "vCPUs in use, percent of 320", "jobs waiting"} <= set(texts)


def test_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    run(EXAMPLES / "trace.yaml", "--jobs", "300", "--hours", "20")
    printed = capsys.readouterr().out
    assert "user1 " in printed
    assert "cost" not in printed
    assert "makespan 20.0 h" in printed
    assert "jobs were still waiting at the end" in printed
    assert "lines of the trace were left out" in printed


def test_licences(capsys: pytest.CaptureFixture[str]) -> None:
    run(EXAMPLES / "licences.yaml", "--jobs", "400")
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert rows[1][-2:] == ["cancelled", "displaced"]
    cancelled, displaced = zip(*([int(each) for each in row[-2:]] for row in rows[2:5]), strict=True)
    assert [row[0] for row in rows[2:5]] == ["interactive", "solver", "background"]
    assert (cancelled[0], cancelled[2], displaced[0]) == (0, 0, 0)
    assert displaced[2] > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.yaml"], "error: none.yaml cannot be read: No such file or directory; name a workload file that exists"),
        (
            [EXAMPLES / "mix.yaml", "--jobs", "20", "--chart", "/none/chart.svg"],
            "error: /none/chart.svg cannot be written: No such file or directory; name another file with --chart",
        ),
    ],
)
def test_mistakes(arguments: list[object], sentence: str) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == sentence


def test_a_number_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(EXAMPLES / "mix.yaml", "--jobs", "0")
    assert 'must be a whole number of at least 1, not "0"' in capsys.readouterr().err
