"""The commands of `batchyard`: each does its own, and loads nothing that only another one needs."""

import subprocess
import sys

import pytest

from batchyard import __version__, app, cli

LOADED = "import sys; from batchyard.cli import main\ntry: main(sys.argv[1:])\nfinally: print(*sys.modules)"
HEAVY = {"kopf", "aiohttp", "kubernetes", "pydantic", "yaml", "batchyard.app", "batchyard.simulator", "batchyard.core"}


def loaded_by(*arguments: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=False)
    return set(done.stdout.splitlines()[-1].split())


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["version"])
    assert capsys.readouterr().out == f"batchyard {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], []),
        (["operator"], []),
        (["--port", "0"], ["--port", "0"]),
        (["operator", "--port", "0"], ["--port", "0"]),
    ],
)
def test_without_a_command_it_is_the_operator(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], options: list[str]
) -> None:
    told: list[list[str]] = []
    monkeypatch.setattr(app, "main", told.append)
    cli.main(arguments)
    monkeypatch.setattr(sys, "argv", ["batchyard", *arguments])
    cli.main()
    assert told == [options, options]


def test_an_unknown_command() -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["simulator"])
    assert ended.value.code == "error: batchyard has no command 'simulator'; use one of operator, simulate, version"


def test_each_command_loads_what_it_needs_alone() -> None:
    assert loaded_by("version") & HEAVY == set()
    assert loaded_by("simulate", "--help") & HEAVY == {"pydantic", "yaml", "batchyard.simulator", "batchyard.core"}
    operator = loaded_by("operator", "--help")
    assert "batchyard.app" in operator
    assert "batchyard.simulator" not in operator
