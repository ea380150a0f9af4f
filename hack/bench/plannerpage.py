"""The page docs/planner-benchmarks.md."""

import platform
from dataclasses import dataclass, field

from . import machine
from .passes import JOB_SECONDS, ON_ONE_NODE, Growth, Row, Throughput

LEAST_RATIO = 0.85
"""Of the speed with one queue that there is to be with many."""
MOST_SECONDS, MOST_BYTES = 600, 200e6
"""Of a million jobs in the simulator."""


@dataclass(frozen=True)
class Replayed:
    """One run of the simulator."""

    workload: str
    jobs: int
    cpu_seconds: float
    peak_bytes: int

    @property
    def met(self) -> bool:
        """Whether a million jobs take no more time and memory than they may."""
        return self.jobs < 1_000_000 or (self.cpu_seconds < MOST_SECONDS and self.peak_bytes < MOST_BYTES)


@dataclass
class Figures:
    """All that was measured."""

    rows: list[Row] = field(default_factory=list)
    throughputs: list[Throughput] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    replays: list[Replayed] = field(default_factory=list)

    @property
    def met(self) -> bool:
        """Whether all is as fast as it is to be."""
        verdicts = [*(row.met for row in self.rows), *(each.met for each in self.growth)]
        return all([*verdicts, *(each.met for each in self.replays), self.ratio(self.throughputs[1]) >= LEAST_RATIO])

    def ratio(self, throughput: Throughput) -> float:
        """Against one queue."""
        return throughput.per_second / self.throughputs[0].per_second


def render(figures: Figures) -> str:
    """The whole page."""
    lines = [
        "# Planner benchmarks",
        "",
        "Written by `make bench-planner`, without a cluster. The planner's functions get the records that the",
        "operator's cache would hold. Times are CPU time of one thread; of whole passes, the best of five.",
        "",
        *machine.described(),
        f"- Python {platform.python_version()}",
        "",
        "| pass | jobs in, or on | took | to reach | |",
        "|---|---|---|---|---|",
    ]
    for row in figures.rows:
        limit = "" if row.limit is None else f"< {row.limit:,.0f} ms"
        verdict = "" if row.limit is None else _verdict(met=row.met)
        lines.append(f"| {row.text} | {row.shape} | {row.figures} | {limit} | {verdict} |")
    lines += [
        "",
        "Where it is queues and shares that count, there is one node; elsewhere there is one queue. Jobs of 6 sizes",
        "take 1 to 8 vCPUs and 1 to 16 GiB, and the largest of their nodes have six times as much as the smallest.",
        "",
        f"How fast 10,000 waiting jobs go through {ON_ONE_NODE[0].slots} slots if each runs for {JOB_SECONDS:.0f} s,",
        "and only the planner takes time on top. With 30 queues that is to be at least",
        f"{LEAST_RATIO} of one queue's speed:",
        "",
        "| jobs in | jobs per second | against one queue |",
        "|---|---|---|",
        *(f"| {each.shape} | {each.per_second:.1f} | {figures.ratio(each):.2f} |" for each in figures.throughputs),
        "",
        "What a pass in which 100,000 jobs start takes for each of them. It is to grow no faster than the logarithm",
        "of the number of nodes:",
        "",
        "| nodes | microseconds per job | against 100 nodes | to reach | |",
        "|---|---|---|---|---|",
    ]
    for each in figures.growth:
        limit = "" if each.limit is None else f"at most {each.limit:.2f}"
        verdict = "" if each.limit is None else _verdict(met=each.met)
        lines.append(f"| {each.nodes:,} | {each.microseconds:.1f} | {each.ratio:.2f} | {limit} | {verdict} |")
    lines += [
        "",
        "The simulator replays [workloads](../examples/simulator) through the same planner: `mix`, in which hundreds",
        "of jobs wait at times, and `large`, a cluster of 1,000 nodes in which dozens do. There a million jobs are to",
        f"take less than {MOST_SECONDS // 60} minutes and {MOST_BYTES / 1e6:.0f} MB:",
        "",
        "| workload | jobs | CPU seconds | microseconds per job | peak memory | |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.workload} | {each.jobs:,} | {each.cpu_seconds:,.1f} | {1e6 * each.cpu_seconds / each.jobs:,.0f} "
        f"| {each.peak_bytes / 1e6:,.0f} MB | {_verdict(met=each.met) if each.jobs >= 1_000_000 else ''} |"
        for each in figures.replays
    ]
    return "\n".join(lines) + "\n"


def _verdict(*, met: bool) -> str:
    return "yes" if met else "**no**"
