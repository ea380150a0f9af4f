"""What a replay counts, in memory that does not grow with the number of jobs.

Waiting times go into a histogram that is exact up to 255 s and keeps 1 part in 128 beyond; what happens over time goes
into a fixed number of equal slices, which double in length whenever the workload has outlasted them.
"""

from collections import Counter
from dataclasses import dataclass, field

from batchyard.core.model.resources import Resources

SLICES = 480
"""An even number, as two become one."""

_SHORTEST_SLICE_SECONDS = 60.0
_EXACT_BITS = 8


class Waits:
    """Waiting times in whole seconds. Mean and maximum are exact, quantiles at most 0.8 percent too high."""

    def __init__(self) -> None:
        self.count = 0
        self.max = 0
        self._sum = 0
        self._counts: Counter[int] = Counter()
        """By the longest wait that falls into the same class."""

    def add(self, seconds: int) -> None:
        """Count one job."""
        dropped = (1 << max(seconds.bit_length() - _EXACT_BITS, 0)) - 1
        self._counts[seconds | dropped] += 1
        self.count += 1
        self._sum += seconds
        self.max = max(self.max, seconds)

    @property
    def mean(self) -> float:
        """Seconds on average; 0 for no job."""
        return self._sum / self.count if self.count else 0.0

    def quantile(self, part: float) -> int:
        """Seconds that this part of the jobs waited no longer than; 0 for no job."""
        wanted, seen = part * self.count, 0
        for seconds in sorted(self._counts):
            seen += self._counts[seconds]
            if seen >= wanted:
                return min(seconds, self.max)
        return 0


@dataclass(slots=True)
class Tally:
    """The jobs of one queue, or of one share of it."""

    submitted: int = 0
    rejected: int = 0
    """Jobs that no environment of their queue could ever hold, or that ask for more of a resource than there is."""
    cancelled: int = 0
    """Jobs that a time limit of their queue has ended while they waited."""
    displaced: int = 0
    """How often one of its jobs had to make room for others."""
    given_up: int = 0
    """Jobs that were displaced more often than they may be interrupted."""
    vcpu_seconds: float = 0.0
    """What its jobs have used."""
    lost_vcpu_seconds: float = 0.0
    """What of that came to nothing, as the job was displaced."""
    waits: Waits = field(default_factory=Waits)


@dataclass(slots=True)
class Idle:
    """What was free on the nodes of one environment, in seconds times thousandths of a vCPU, or times devices."""

    free: int = 0
    """vCPUs; ceilings do not count."""
    in_pieces: int = 0
    """The part of them on nodes on which something ran."""
    stranded: Counter[str] = field(default_factory=Counter)
    """vCPUs (`cpu`) and devices that were free while somebody waited for whom no node had enough of them, but all nodes
    together."""

    def advance(self, seconds: int, free: int, in_pieces: int, stranded: Resources) -> None:
        """Enter what has held for so long."""
        self.free += seconds * free
        self.in_pieces += seconds * in_pieces
        for name, amount in stranded.items():
            self.stranded[name] += seconds * amount


class Timeline:
    """Averages over slices of time of two figures that change in steps: vCPUs in use, and jobs that wait."""

    def __init__(self) -> None:
        self.slice_seconds = _SHORTEST_SLICE_SECONDS
        self.end = 0.0
        self._vcpu_seconds = [0.0] * SLICES
        self._waiting_seconds = [0.0] * SLICES

    def advance(self, until: float, vcpus: float, waiting: int) -> None:
        """Enter what held from the last call up to now; times count from the start of the replay."""
        while until > self.slice_seconds * SLICES:
            self._vcpu_seconds = _halved(self._vcpu_seconds)
            self._waiting_seconds = _halved(self._waiting_seconds)
            self.slice_seconds *= 2
        while self.end < until:
            number = int(self.end // self.slice_seconds)
            stop = min(until, (number + 1) * self.slice_seconds)
            self._vcpu_seconds[number] += vcpus * (stop - self.end)
            self._waiting_seconds[number] += waiting * (stop - self.end)
            self.end = stop

    def vcpus(self) -> list[float]:
        """Mean number of vCPUs in use per slice, up to the end."""
        return self._means(self._vcpu_seconds)

    def waiting(self) -> list[float]:
        """Mean number of jobs that waited per slice, up to the end."""
        return self._means(self._waiting_seconds)

    def _means(self, sums: list[float]) -> list[float]:
        means = []
        for number, total in enumerate(sums):
            seconds = min(self.end - number * self.slice_seconds, self.slice_seconds)
            if seconds <= 0:
                break
            means.append(total / seconds)
        return means


def _halved(sums: list[float]) -> list[float]:
    return [sums[at] + sums[at + 1] for at in range(0, SLICES, 2)] + [0.0] * (SLICES // 2)
