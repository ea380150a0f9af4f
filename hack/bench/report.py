"""Turns the rounds into docs/benchmarks.md and the lines on the terminal."""

import platform
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from . import machine
from .mixed import rounds as mixed
from .mixed.section import section

OPERATOR = "batchyard-operator"


@dataclass(frozen=True)
class Round:
    """One bare and one Batchyard run, one right after the other."""

    jobs: int
    bare_seconds: float
    batchyard_seconds: float
    cpu_seconds: float
    writes: Counter[tuple[str, str, str]]
    bare_writes: Counter[tuple[str, str, str]]

    @property
    def ratio(self) -> float:
        """Batchyard's speed as a part of the bare Job controller's."""
        return self.bare_seconds / self.batchyard_seconds

    @property
    def own_writes(self) -> int:
        """Writes of the operator."""
        return sum(count for (agent, _, _), count in self.writes.items() if agent == OPERATOR)


@dataclass(frozen=True)
class Array:
    """An Indexed Job on its own, and the same as an array."""

    indexes: int
    rounds: Sequence[Round]

    @property
    def ratio(self) -> float:
        """The array's speed as a part of the bare Job's, over all rounds: as many begin with the one as the other."""
        return sum(each.bare_seconds for each in self.rounds) / sum(each.batchyard_seconds for each in self.rounds)

    @property
    def own_writes(self) -> int:
        """Of the operator, in the round with most."""
        return max(each.own_writes for each in self.rounds)


@dataclass(frozen=True)
class Target:
    """A figure to reach."""

    text: str
    reached: str
    met: bool


def targets(
    rounds: Sequence[Round], array: Array, queues: Sequence[Round], mixture: Sequence[mixed.Round], peak_bytes: int
) -> list[Target]:
    """The figures that the project holds itself to."""
    ratio = statistics.median(each.ratio for each in rounds)
    writes = statistics.median(each.own_writes / each.jobs for each in rounds)
    cpu = statistics.median(1000 * each.cpu_seconds / each.jobs for each in rounds)
    megabytes = peak_bytes / 1e6
    spread = _of_one_queue(queues)
    without_node = max(each.batchyard.unschedulable for each in mixture)
    return [
        Target("speed against bare Jobs >= 0.7", f"{ratio:.2f}", ratio >= 0.7),
        Target("own API writes per job <= 4", f"{writes:.2f}", writes <= 4),
        Target("operator CPU per job <= 15 ms", f"{cpu:.1f} ms", cpu <= 15),
        Target("array: speed against its Indexed Job >= 0.95", f"{array.ratio:.2f}", array.ratio >= 0.95),
        Target("array: own API writes < 200", f"{array.own_writes}", array.own_writes < 200),
        Target("30 queues: speed of one queue of the same total, +- 15 %", f"{spread:.2f}", abs(spread - 1) <= 0.15),
        Target("mixed workload: pods for which no node is found = 0", f"{without_node}", without_node == 0),
        Target("operator peak memory < 150 MB", f"{megabytes:.0f} MB", megabytes < 150),
    ]


def _of_one_queue(queues: Sequence[Round]) -> float:
    """The speed of many queues as a part of one queue's: here one queue is on the side of the bare Jobs."""
    return sum(each.bare_seconds for each in queues) / sum(each.batchyard_seconds for each in queues)


def render(
    rounds: Sequence[Round],
    array: Array,
    queues: Sequence[Round],
    mixture: Sequence[mixed.Round],
    peak_bytes: int,
    kubernetes: str,
) -> str:
    """The page."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. The same pods run once as bare Kubernetes Jobs and once as BatchJobs, one right",
        "after the other, on simulated nodes of one local cluster. Machines differ and are noisy: the ratio and the",
        "counts are what to compare, not the seconds. Writes are counted by user agent from the API server's own",
        "audit log (its request metrics do not know who asked); lease renewals and node heartbeats are left out.",
        "",
        *machine.described(),
        f"- Kubernetes {kubernetes}, Python {platform.python_version()}",
        f"- {rounds[0].jobs} jobs of one pod per side and round",
        "",
        "| round | bare Jobs/s | Batchyard jobs/s | ratio | own writes/job | operator CPU ms/job |",
        "|---|---|---|---|---|---|",
    ]
    for number, each in enumerate(rounds, start=1):
        lines.append(
            f"| {number} | {each.jobs / each.bare_seconds:.1f} | {each.jobs / each.batchyard_seconds:.1f} "
            f"| {each.ratio:.2f} | {each.own_writes / each.jobs:.2f} | {1000 * each.cpu_seconds / each.jobs:.1f} |"
        )
    lines += [
        "",
        f"An array of {array.indexes} indexes against the same Indexed Job (same pods, labels and variables), created",
        "without Batchyard; the array runs second in one round, and first in the other. What labels and variables cost",
        "is on both sides, so it is not in the ratio:",
        "",
        "| round | bare indexes/s | Batchyard indexes/s | ratio | own writes | operator CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for number, each in enumerate(array.rounds, start=1):
        speeds = f"{array.indexes / each.bare_seconds:.1f} | {array.indexes / each.batchyard_seconds:.1f}"
        lines.append(f"| {number} | {speeds} | {each.ratio:.2f} | {each.own_writes} | {each.cpu_seconds:.1f} |")
    lines += [
        "",
        f"{queues[0].jobs} BatchJobs of one queue against as many of 30 queues, as few at a time find room; the many",
        "queues are second in one round, and first in the other:",
        "",
        "| round | one queue: jobs/s | 30 queues: jobs/s | ratio |",
        "|---|---|---|---|",
    ]
    for number, each in enumerate(queues, start=1):
        speeds = f"{each.jobs / each.bare_seconds:.1f} | {each.jobs / each.batchyard_seconds:.1f}"
        lines.append(f"| {number} | {speeds} | {each.ratio:.2f} |")
    lines += ["", "| to reach | reached (median) | |", "|---|---|---|"]
    for target in targets(rounds, array, queues, mixture, peak_bytes):
        lines.append(f"| {target.text} | {target.reached} | {'yes' if target.met else '**no**'} |")
    lines += ["", *section(mixture)]
    lines += ["", "## Writes per job, by who wrote what (last round)", ""]
    lines += ["| who | verb | what | Batchyard | bare Jobs |", "|---|---|---|---|---|"]
    last = rounds[-1]
    for key in sorted({*last.writes, *last.bare_writes}):
        if max(last.writes[key], last.bare_writes[key]) >= last.jobs / 100:
            lines.append(
                f"| {key[0]} | {key[1]} | {key[2]} | {last.writes[key] / last.jobs:.2f} "
                f"| {last.bare_writes[key] / last.jobs:.2f} |"
            )
    return "\n".join(lines) + "\n"
