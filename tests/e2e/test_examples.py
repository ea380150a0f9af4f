"""The examples do what their READMEs say, command by command."""

import math
import os
import re
import runpy
import shutil
import statistics
import subprocess
from collections.abc import Generator, Iterator
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import until
from e2e.harness import WAIT_SECONDS, Harness

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"


class Reader:
    """Somebody who follows a README: runs its commands, one block after the other."""

    def __init__(self, harness: Harness, kubeconfig: Path) -> None:
        self._followed: list[Generator[str, None, None]] = []
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "LOCAL_CLUSTER": harness.cluster.name,
            "PATH": f"{harness.cluster.binaries}:{os.environ['PATH']}",
        }

    def follow(self, example: str, changed: Path | None = None) -> Iterator[str]:
        """Run the next block, and return what it printed. The last block, which cleans up, is run in any case.

        `changed` is a folder with a changed copy of the example, to be used in its place.
        """
        steps = self._steps(example, changed or EXAMPLES / example)
        self._followed.append(steps)
        return steps

    def close(self) -> None:
        """Clean up after what a failed test has left half way."""
        for steps in self._followed:
            steps.close()

    def _steps(self, example: str, folder: Path) -> Generator[str, None, None]:
        readme = (folder / "README.md").read_text().replace(f"examples/{example}", str(folder))
        *blocks, removal = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
        try:
            for block in blocks:
                yield self._run(block)
        finally:
            self._run(removal)

    def _run(self, commands: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def reader(harness: Harness, tmp_path: Path) -> Iterator[Reader]:
    """A reader whose kubectl works in the test's namespace."""
    if not harness.cluster.has_real_node:
        pytest.skip("this cluster has no real node")
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(harness.cluster.kubeconfig.read_bytes())
    kubeconfig.chmod(0o600)
    reader = Reader(harness, kubeconfig)
    reader._run(f"kubectl config set-context --current --namespace={harness.namespace}")
    yield reader
    reader.close()


def test_hello(reader: Reader) -> None:
    (output,) = reader.follow("01-hello")
    assert "Succeeded" in output
    assert output.endswith("Hello, batchyard!\n")


def test_etl(reader: Reader) -> None:
    log, in_fahrenheit = reader.follow("02-etl")
    table = log[log.index("station,month") :]
    assert "363 readings, 8 of them unusable\n" in log
    assert _parsed(table) == _expected(Fraction(1), 0)
    assert _parsed(in_fahrenheit) == _expected(Fraction(9, 5), 32)


Row = tuple[str, str, int, float, float, float, float, int]


def _parsed(table: str) -> list[Row]:
    _, *lines = table.splitlines()
    rows = [line.split(",") for line in lines]
    return [
        (station, month, int(days), float(mean), float(low), float(high), float(rain), int(frost))
        for station, month, days, mean, low, high, rain, frost in rows
    ]


def _expected(factor: Fraction, offset: int) -> list[Row]:
    """The same figures, worked out another way: month by month, from the text, in exact arithmetic."""
    _, *lines = (EXAMPLES / "02-etl" / "readings.csv").read_text().splitlines()
    expected: list[Row] = []
    for station in ("harbour", "summit", "valley"):
        for month in ("2024-01", "2024-02", "2024-03", "2024-04"):
            days = [line.split(",")[2:5] for line in lines if line.startswith(month) and f",{station}," in line]
            good = [
                [Fraction(text) for text in day]
                for day in days
                if "" not in day and "-99.9" not in day and Fraction(day[0]) <= Fraction(day[1])
            ]
            lows, highs, rains = ([day[column] for day in good] for column in range(3))
            temperatures = [
                round(float(celsius * factor + offset), 1)
                for celsius in (statistics.mean(lows + highs), min(lows), max(highs))
            ]
            mean, low, high = temperatures
            frost = len([value for value in lows if value < 0])
            expected.append((station, month, len(good), mean, low, high, float(sum(rains)), frost))
    return expected


def test_flaky_download(harness: Harness, reader: Reader) -> None:
    steps = reader.follow("05-flaky-download")
    log, attempts, given_up = (next(steps) for _ in range(3))
    assert "stations.csv: 104 bytes, 4 lines, SHA-256 as expected\n" in log
    jobs = harness.batchjobs()
    assert not list(steps)
    *failed, succeeded = jobs["stations"]["status"]["attempts"]
    assert ([each["exitCode"] for each in failed], succeeded["exitCode"]) == ([75] * len(failed), 0)
    *_, refused, broken_off, done = attempts.splitlines()
    assert "ended with exit code 75: the server says 503 Service Unavailable" in refused
    assert "ended with exit code 75: no complete answer: IncompleteRead(" in broken_off
    assert "exit code 0" in done
    # Each wait is at least as long as asked for; a second is lost to times in whole seconds.
    moments = [datetime.fromisoformat(line.split()[1]).timestamp() for line in attempts.splitlines()]
    for number, (before, after) in enumerate(pairwise(moments)):
        assert after - before >= min(2**number, 10) - 1
    *_, last = jobs["typo"]["status"]["attempts"]
    assert last["exitCode"] == 66
    assert "the server says 404 Not Found; attempt" in given_up
    assert given_up.endswith("not retried: retryStrategy.evaluateOnExit[1] says Exit\n")


def test_pipeline(reader: Reader) -> None:
    states, report, why = reader.follow("04-pipeline")
    waits = dict(re.findall(r"^(\S+) +Pending +(\S.*?)$", states, re.MULTILINE))
    assert waits["report"].startswith("waits for BatchJob analyse to succeed")
    assert waits["cleanup"].startswith("waits for BatchJob report to end")
    pages = {page: (int(requests), int(failed)) for page, requests, failed in _rows(report, r"/\S*")}
    hours = {hour: (int(requests), int(failed)) for hour, requests, failed in _rows(report, r"\d\d")}
    whole = re.compile(r'T(\d\d):.*"GET (\S+)" (\d{3}) \d+ \d+ms "(?!ExampleBot).*"$')
    log = (EXAMPLES / "04-pipeline" / "access.log").read_text().splitlines()
    seen = [found.groups() for found in map(whole.search, log) if found]
    for table, column in ((hours, 0), (pages, 1)):
        assert table == {
            key: (
                sum(line[column] == key for line in seen),
                sum(line[column] == key and line[2] in ("500", "503") for line in seen),
            )
            for key in {line[column] for line in seen}
        }
    assert report.endswith("Look into /checkout: 3 of 23 requests failed.\n")
    assert why.splitlines()[-1].startswith(
        "BatchJob strict-analyse had to succeed but failed, because of BatchJob strict-preprocess (NonZeroExit: "
    )


def _rows(report: str, first: str) -> list[tuple[str, str, str]]:
    return re.findall(rf"^({first}) +(\d+) +(\d+) +[\d.]+$", report, re.MULTILINE)


def test_mpi(harness: Harness, reader: Reader) -> None:
    if harness.cluster.backend == "existing":
        pytest.skip("nothing can be loaded into this cluster")
    _, output = reader.follow("07-mpi")
    *_, waited, token, nodes, pi, token_of_four, nodes_of_four, pi_of_four = output.splitlines()
    assert "condition met" in waited
    assert (token, token_of_four) == ("token: 0 1 2", "token: 0 1 2 3")
    assert (nodes, nodes_of_four) == ("nodes: node-0 node-1 node-2", "nodes: node-0 node-1 node-2 node-3")
    assert pi == pi_of_four == f"pi: {math.pi:.10f}"


def test_two_queues(harness: Harness, reader: Reader) -> None:
    steps = reader.follow("03-two-queues")
    next(steps)
    jobs = harness.batchjobs()
    _, *lines = next(steps).splitlines()
    order = [line.split()[0] for line in lines]
    assert sorted(order) == ["background-1", "background-2", "background-3", "urgent-1", "urgent-2"]
    # What had started before the urgent jobs came is not theirs to overtake: usually the first background job alone.
    came = jobs["urgent-2"]["metadata"]["creationTimestamp"]
    late = [name for name in order if jobs[name]["status"]["startedAt"] > came]
    assert late[:2] == ["urgent-1", "urgent-2"]
    assert late[2:] == ["background-2", "background-3"][-len(late[2:]) :]
    assert "background-3" in late, "the urgent jobs came too late to overtake anything"
    assert not list(steps)


def test_fair_share(harness: Harness, reader: Reader) -> None:
    steps = reader.follow("06-fair-share")
    next(steps)
    jobs = harness.batchjobs()
    _, *lines = next(steps).splitlines()
    order = [line.split()[0] for line in lines]
    assert sorted(order) == sorted([f"physics-{n}" for n in range(1, 10)] + [f"biology-{n}" for n in range(1, 7)])
    # Of what started after biology had come, its six jobs take two places of three until they are through.
    came = jobs["biology-6"]["metadata"]["creationTimestamp"]
    late = [name for name in order if jobs[name]["status"]["startedAt"] > came]
    assert len([name for name in late[:6] if name.startswith("biology")]) >= 4
    assert order[-1].startswith("physics")
    # The queue counts at its own pace: what it shows may be up to half a minute old, from when physics had just begun.
    lab = f"/apis/{names.API_VERSION}/jobqueues/lab"
    until(lambda: _used(harness.api.get(lab)).get("physics"), WAIT_SECONDS, lambda: str(harness.api.get(lab)))
    used = dict(line.split("\t") for line in next(steps).splitlines())
    assert set(used) <= {"physics", "biology"}
    assert float(used["physics"]) > 0
    assert not list(steps)


def test_monte_carlo(harness: Harness, reader: Reader) -> None:
    steps = reader.follow("08-monte-carlo")
    _, line = next(steps).splitlines()[-2:]
    assert line.split() == ["pi", "Succeeded", "20/20", "0-19"]
    assert len(harness.jobs_of("pi")) == 1
    assert next(steps) == "3.1416\n"
    assert not list(steps)


def test_sharded_etl(reader: Reader) -> None:
    steps = reader.follow("09-sharded-etl")
    _, *lines = next(steps).splitlines()[-4:]
    jobs = {name: rest for name, *rest in map(str.split, lines)}
    assert [jobs[name][:2] for name in ("clean", "sum")] == [["Succeeded", "6/6"]] * 2
    assert jobs["sum"][2] < jobs["clean"][3]
    assert next(steps).splitlines() == [
        "harbour       1708 min",
        "university    1641 min",
        "museum        1367 min",
        "station       1063 min",
    ]
    assert not list(steps)


def test_hyperparameters(reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = "10-hyperparameters"
    smaller = shutil.copytree(EXAMPLES / example, tmp_path / example)
    monkeypatch.syspath_prepend(str(shutil.copytree(EXAMPLES / "handover", tmp_path / "handover")))
    jobs = (smaller / "search.yaml").read_text()
    assert "size: 100," in jobs
    (smaller / "search.yaml").write_text(jobs.replace("size: 100,", "size: 20,"))
    steps = reader.follow(example, smaller)
    *_, best, search = next(steps).splitlines()
    assert (best.split()[:2], search.split()) == (["best", "Succeeded"], ["search", "Succeeded", "20/20"])
    program = runpy.run_path(str(smaller / "search.py"))
    points = program["measurements"]()
    tried = [(degree, penalty) for penalty in (1.0, 0.1) for degree in range(1, 11)]
    found = sorted((program["error"](points, degree, penalty), degree, penalty) for degree, penalty in tried)
    assert next(steps).splitlines() == [
        "20 combinations, the best of them:",
        *(f"degree {degree}, penalty {penalty:g}: error {error:.4f}" for error, degree, penalty in found[:3]),
    ]
    assert not list(steps)


def _used(queue: dict[str, Any]) -> dict[str, float]:
    shares = queue.get("status", {}).get("fairShare", {}).get("shares", ())
    return {each["shareIdentifier"]: float(each["usedVcpuSeconds"]) for each in shares}
