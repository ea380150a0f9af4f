"""`make bench-planner`: how long the planner thinks, without a cluster, and how its simulator scales.

Seconds are CPU seconds: the planner never waits for anything, and so other processes of the machine do not count.
"""

import argparse
import gc
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import machine
from .backlog import Operator

ROOT = Path(__file__).parents[2]
SLOTS = 200
HANDFUL = 5
PASSES = 500
MIX = ROOT / "examples" / "simulator" / "mix.yaml"


@dataclass(frozen=True)
class Shape:
    """How the jobs are spread."""

    name: str
    queues: int = 1
    shares: int = 0


SHAPES = (Shape("1 queue"), Shape("30 queues", queues=30), Shape("1 queue, 100 shares", shares=100))


@dataclass(frozen=True)
class Row:
    """What was measured, in milliseconds, and what it is to stay below."""

    text: str
    shape: str
    figures: str
    milliseconds: float
    limit: float | None = None


JOB_SECONDS = 1.0
"""Of the jobs whose throughput is worked out: short ones, so that the planner's time shows."""


@dataclass(frozen=True)
class Throughput:
    """Jobs per second of all places together, as a handful ends at a time and the planner's pass comes on top."""

    shape: str
    per_second: float


@dataclass(frozen=True)
class Replayed:
    """One run of the simulator."""

    jobs: int
    cpu_seconds: float
    peak_bytes: int


def main() -> None:
    """Measure, print, write the page."""
    parser = argparse.ArgumentParser(prog="make bench-planner", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "planner-benchmarks.md", help="page to write")
    parser.add_argument(
        "--replays", type=int, nargs="*", default=[10_000, 100_000, 1_000_000], help="jobs per run of the simulator"
    )
    options = parser.parse_args()
    rows: list[Row] = []
    throughputs: list[Throughput] = []
    for shape in SHAPES:
        few, throughput = _few_changes(shape)
        throughputs.append(throughput)
        for row in (few, *_full(shape)):
            print(f"{row.text}, {row.shape}: {row.figures}", flush=True)
            rows.append(row)
    page = _render(rows, throughputs, [_replay(jobs) for jobs in options.replays])
    options.output.write_text(page)
    print(page)
    slow = any(row.limit is not None and row.milliseconds >= row.limit for row in rows)
    sys.exit(slow or _ratio(throughputs[1], throughputs) < LEAST_RATIO)


LEAST_RATIO = 0.85


def _ratio(throughput: Throughput, all_of_them: list[Throughput]) -> float:
    """Against one queue."""
    return throughput.per_second / all_of_them[0].per_second


def _few_changes(shape: Shape) -> tuple[Row, Throughput]:
    """A pass in which a handful of jobs ended, as many came, and as many start, while 10,000 wait."""
    operator = Operator(SLOTS, shape.queues, shape.shares)
    operator.start(operator.place(operator.settle(operator.submit(SLOTS + 10_000))))
    gc.collect()
    times = []
    for _ in range(PASSES):
        operator.now += 1
        changed = [*operator.finish(HANDFUL), *operator.submit(HANDFUL)]
        began = time.process_time()
        placed = operator.place(operator.settle(changed))
        times.append(1000 * (time.process_time() - began))
        started = operator.start(placed)
        assert len(started) == HANDFUL
        operator.settle(started)
    assert len(operator.backlog) == 10_000
    p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    row = Row("10,000 wait, 5 end, 5 come, 5 start", shape.name, f"p50 {p50:.1f} ms, p99 {p99:.1f} ms", p99, 50)
    apart = HANDFUL * JOB_SECONDS / SLOTS + statistics.mean(times) / 1000
    return row, Throughput(shape.name, HANDFUL / apart)


def _full(shape: Shape) -> list[Row]:
    """Passes that look at each of 100,000 jobs: all start at once, or all are told their position behind the others."""
    roomy = Operator(100_000, shape.queues, shape.shares)
    reading = _milliseconds(lambda: roomy.settle(roomy.submit(100_000)), times_each=1)
    starting = _milliseconds(lambda: roomy.place([]))
    assert len(roomy.place([]).placements) == 100_000
    full = Operator(1, shape.queues, shape.shares)
    keys = full.settle(full.submit(100_001))
    telling = _milliseconds(lambda: full.place(keys))
    assert len(full.place(keys).statuses) == 100_000
    return [
        Row("100,000 wait, all start", shape.name, f"{starting:,.0f} ms", starting, 1000),
        Row("100,000 wait, all are told their position", shape.name, f"{telling:,.0f} ms", telling, 1000),
        Row("100,000 come (references, templates)", shape.name, f"{reading:,.0f} ms", reading),
    ]


def _milliseconds(call: Callable[[], object], times_each: int = 5) -> float:
    times = []
    for _ in range(times_each):
        gc.collect()
        began = time.process_time()
        call()
        times.append(1000 * (time.process_time() - began))
    return min(times)


_REPLAY = """
import sys
from pathlib import Path
from batchyard.simulator.command import main
main([sys.argv[1], "--jobs", sys.argv[2]])
import time
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(time.process_time(), 1024 * int(peak))
"""


def _replay(jobs: int) -> Replayed:
    """In a process of its own, so that its memory can be told."""
    done = subprocess.run(
        [sys.executable, "-c", _REPLAY, str(MIX), str(jobs)], check=True, capture_output=True, text=True
    )
    seconds, peak = done.stdout.split()[-2:]
    print(f"simulator: {jobs:,} jobs in {float(seconds):.1f} CPU seconds", flush=True)
    return Replayed(jobs, float(seconds), int(peak))


def _render(rows: list[Row], throughputs: list[Throughput], replays: list[Replayed]) -> str:
    lines = [
        "# Planner benchmarks",
        "",
        "Written by `make bench-planner`, without a cluster. The planner's functions get the records that the",
        "operator's cache would hold. Times are CPU time of one thread; of whole passes, the best of five.",
        "",
        *machine.described(),
        f"- Python {platform.python_version()}",
        "",
        "| pass | jobs in | took | to reach | |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        limit = "" if row.limit is None else f"< {row.limit:,.0f} ms"
        verdict = "" if row.limit is None else "yes" if row.milliseconds < row.limit else "**no**"
        lines.append(f"| {row.text} | {row.shape} | {row.figures} | {limit} | {verdict} |")
    lines += [
        "",
        f"How fast 10,000 waiting jobs go through {SLOTS} places if each runs for {JOB_SECONDS:.0f} s, and only the",
        f"planner takes time on top. With 30 queues that is to be at least {LEAST_RATIO} of one queue's speed:",
        "",
        "| jobs in | jobs per second | against one queue |",
        "|---|---|---|",
        *(f"| {each.shape} | {each.per_second:.1f} | {_ratio(each, throughputs):.2f} |" for each in throughputs),
        "",
        "The simulator replays the mix of [examples/simulator](../examples/simulator/mix.yaml), which submits more the",
        "longer it goes on, through the same planner:",
        "",
        "| jobs | CPU seconds | microseconds per job | peak memory |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {each.jobs:,} | {each.cpu_seconds:,.1f} | {1e6 * each.cpu_seconds / each.jobs:,.0f} "
        f"| {each.peak_bytes / 1e6:,.0f} MB |"
        for each in replays
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
