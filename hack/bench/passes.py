"""How long single passes of the planner take, whatever the jobs are spread over: queues, shares, nodes, sizes.

Seconds are CPU seconds: the planner never waits for anything, and so other processes of the machine do not count.
"""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import log

from .backlog import ALIKE, MIXED, Operator, Sizes

HANDFUL = 5
PASSES = 500
MANY = 100_000
_BASE = 100
"""Nodes that growth is measured against."""
JOB_SECONDS = 1.0
"""Of the jobs whose throughput is worked out: short ones, so that the planner's time shows."""


@dataclass(frozen=True)
class Shape:
    """How the jobs are spread, and what passes are to stay below, in milliseconds."""

    name: str
    few: float | None
    """A pass in which a handful ends, comes and starts."""
    full: float
    """A pass that looks at all of them."""
    queues: int = 1
    shares: int = 0
    slots: int = 200
    """How many run while a handful changes."""
    nodes: int = 1
    sizes: Sizes = ALIKE


ON_ONE_NODE = (
    Shape("1 queue", 50, 1000),
    Shape("30 queues", 50, 1000, queues=30),
    Shape("1 queue, 100 shares", 50, 1000, shares=100),
)
ON_NODES = (
    Shape("1,000 nodes", 10, 1500, slots=4000, nodes=1000),
    Shape("1,000 nodes of 4 sizes, jobs of 6", 10, 1500, slots=4000, nodes=1000, sizes=MIXED),
    Shape("5,000 nodes", None, 3000, slots=20_000, nodes=5000),
    Shape("5,000 nodes of 4 sizes, jobs of 6", None, 3000, slots=20_000, nodes=5000, sizes=MIXED),
)


@dataclass(frozen=True)
class Row:
    """What was measured, in milliseconds, and what it is to stay below."""

    text: str
    shape: str
    figures: str
    milliseconds: float
    limit: float | None = None

    @property
    def met(self) -> bool:
        """Whether it did."""
        return self.limit is None or self.milliseconds < self.limit


@dataclass(frozen=True)
class Throughput:
    """Jobs per second of all slots together, as a handful ends at a time and the planner's pass comes on top."""

    shape: str
    per_second: float


@dataclass(frozen=True)
class Growth:
    """What a full pass takes for each job on so many nodes, against 100 nodes: it may grow as their logarithm does."""

    nodes: int
    microseconds: float
    ratio: float
    limit: float | None

    @property
    def met(self) -> bool:
        """Whether it grows no faster."""
        return self.limit is None or self.ratio <= self.limit


def few_changes(shape: Shape) -> tuple[Row, Throughput]:
    """A pass in which a handful of jobs ended, as many came, and as many start, while 10,000 wait.

    Where jobs are not alike, as many start in the end, but not in each pass.
    """
    operator = Operator(shape.slots, shape.queues, shape.shares, shape.nodes, shape.sizes)
    operator.start(operator.place(operator.settle(operator.submit(shape.slots + 10_000))))
    operator.settle(operator.submit(10_000 - len(operator.backlog)))
    gc.collect()
    times, starts = [], []
    for _ in range(PASSES):
        operator.now += 1
        changed = [*operator.finish(HANDFUL), *operator.submit(HANDFUL)]
        began = time.process_time()
        placed = operator.place(operator.settle(changed))
        times.append(1000 * (time.process_time() - began))
        started = operator.start(placed)
        starts.append(len(started))
        operator.settle(started)
    assert starts == [HANDFUL] * PASSES or (shape.sizes != ALIKE and abs(statistics.mean(starts) - HANDFUL) < 1), starts
    p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    figures = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    row = Row("10,000 wait, 5 end, 5 come, 5 start", shape.name, figures, p99, shape.few)
    apart = HANDFUL * JOB_SECONDS / shape.slots + statistics.mean(times) / 1000
    return row, Throughput(shape.name, HANDFUL / apart)


def all_start(shape: Shape) -> Row:
    """A pass in which each of 100,000 jobs starts."""
    took = _starting(shape)
    return Row("100,000 wait, all start", shape.name, f"{took:,.0f} ms", took, shape.full)


def all_told(shape: Shape) -> Row:
    """A pass in which one of them starts, and all others are told their position."""
    full = Operator(1, shape.queues, shape.shares)
    keys = full.settle(full.submit(MANY + 1))
    telling = _milliseconds(lambda: full.place(keys))
    assert len(full.place(keys).statuses) == MANY
    return Row("100,000 wait, all are told their position", shape.name, f"{telling:,.0f} ms", telling, shape.full)


def all_come(shape: Shape) -> Row:
    """What precedes: each is read, and its references and template."""
    operator = Operator(MANY, shape.queues, shape.shares)
    reading = _milliseconds(lambda: operator.settle(operator.submit(MANY)), times_each=1)
    return Row("100,000 come (references, templates)", shape.name, f"{reading:,.0f} ms", reading)


def growth() -> list[Growth]:
    """Full passes of jobs that are alike, on more and more nodes."""
    times = {nodes: _starting(Shape("", None, 0, nodes=nodes)) for nodes in (1, _BASE, 1000, 5000)}
    return [
        Growth(nodes, 1000 * took / MANY, took / times[_BASE], log(nodes) / log(_BASE) if nodes > _BASE else None)
        for nodes, took in times.items()
    ]


def _starting(shape: Shape) -> float:
    operator = Operator(MANY, shape.queues, shape.shares, shape.nodes, shape.sizes)
    operator.settle(operator.submit(MANY))
    took = _milliseconds(lambda: operator.place([]))
    assert len(operator.place([]).placements) == MANY
    return took


def _milliseconds(call: Callable[[], object], times_each: int = 5) -> float:
    times = []
    for _ in range(times_each):
        gc.collect()
        began = time.process_time()
        call()
        times.append(1000 * (time.process_time() - began))
    return min(times)
