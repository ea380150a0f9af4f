"""The mixed workload: jobs of four shapes that come in bursts, the nodes for them, and the pods of others on those.

It is drawn from a fixed seed, so that each side gets the same jobs at the same times, in each measurement.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Shape:
    """What a sort of jobs asks for, how long these run, and how many of them come in each burst."""

    name: str
    cpu_milli: int
    memory_mib: int
    seconds: tuple[int, ...]
    """Run times, each for as many jobs."""
    each_burst: int


@dataclass(frozen=True)
class Task:
    """One job."""

    name: str
    shape: Shape
    seconds: int
    at: float
    """Seconds after the beginning at which it is submitted."""


@dataclass(frozen=True)
class NodeSize:
    """So many nodes of one size."""

    count: int
    cpus: int
    memory_gib: int


WHOLE = Shape("whole", 7000, 24 * 1024, (10, 15, 20), 6)
"""Fills a smaller node that has none but its agent on it; a larger node has room for two."""
SHAPES = (
    Shape("one", 1000, 1024, (2, 4, 6), 24),
    Shape("two", 2000, 4 * 1024, (5, 7, 9), 14),
    Shape("memory", 4000, 20 * 1024, (8, 12, 16), 8),
    WHOLE,
)
BURSTS = 5
APART = 6.0
"""Seconds from one burst to the next."""
SEED = 23

SIZES = (NodeSize(8, 8, 32), NodeSize(4, 16, 64))
AGENT_MILLI = 250
"""Of a pod on each node, as a DaemonSet would have it there."""
OTHERS = (
    (0, 2000),
    (1, 1000),
    (1, 500),
    (2, 500),
    (2, 500),
    (3, 1000),
    (4, 2000),
    (4, 500),
    (8, 2000),
    (8, 1000),
    (9, 500),
    (10, 1000),
)
"""Further pods of others: number of the node, smaller nodes first, and mCPU."""


def tasks(seed: int = SEED) -> list[Task]:
    """All jobs in the order in which they are submitted; those of a burst are shuffled."""
    dice = random.Random(seed)  # noqa: S311
    drawn = []
    for burst in range(BURSTS):
        together = [
            Task("", shape, shape.seconds[(number + burst) % len(shape.seconds)], burst * APART)
            for shape in SHAPES
            for number in range(shape.each_burst)
        ]
        dice.shuffle(together)
        drawn += together
    return [replace(task, name=f"{task.shape.name}-{number}") for number, task in enumerate(drawn)]


def free_milli() -> int:
    """MCPU of all nodes together that others leave."""
    there = sum(size.count * size.cpus * 1000 for size in SIZES)
    agents = AGENT_MILLI * sum(size.count for size in SIZES)
    return there - agents - sum(milli for _, milli in OTHERS)


def least_seconds(of: Sequence[Task]) -> float:
    """Return how long the jobs take if all that is free is in use all the time."""
    return sum(task.shape.cpu_milli * task.seconds for task in of) / free_milli()
