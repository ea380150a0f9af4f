"""What a replay comes to, counted as it goes on: by queue, by share, by environment and over time."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from batchyard.simulator.measures import Idle, Tally, Timeline
from batchyard.simulator.submission import Submission


@dataclass(slots=True)
class Results:
    """What came out."""

    queues: dict[str, Tally]
    shares: defaultdict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By queue and share."""
    environments: dict[str, float] = field(default_factory=dict)
    """vCPU seconds that jobs have used, by environment."""
    idle: dict[str, Idle] = field(default_factory=dict)
    """What was free, by environment."""
    timeline: Timeline = field(default_factory=Timeline)
    began_at: int = 0
    ended_at: int = 0
    passes: int = 0
    most_waiting: int = 0
    still_waiting: int = 0
    rejection: str = ""
    """Why the first job that can never start was set aside."""

    @property
    def makespan(self) -> int:
        """Seconds from the first submission to the last end."""
        return self.ended_at - self.began_at

    @property
    def rejected(self) -> int:
        """How many jobs can never start."""
        return sum(tally.rejected for tally in self.queues.values())

    @property
    def cancelled(self) -> int:
        """How many jobs have waited for longer than their queue allows."""
        return sum(tally.cancelled for tally in self.queues.values())

    @property
    def displaced(self) -> int:
        """How often a job had to make room for others."""
        return sum(tally.displaced for tally in self.queues.values())

    @property
    def given_up(self) -> int:
        """How many jobs were displaced more often than they may be interrupted."""
        return sum(tally.given_up for tally in self.queues.values())

    @property
    def lost_vcpu_seconds(self) -> float:
        """What displaced jobs had used in vain."""
        return sum(tally.lost_vcpu_seconds for tally in self.queues.values())

    @property
    def stranded(self) -> Counter[str]:
        """What was stranded in all environments together; only what is more than nothing."""
        return sum((idle.stranded for idle in self.idle.values()), Counter())

    def tallies(self, submission: Submission) -> Iterable[Tally]:
        """Return the tallies that a job counts for: that of its queue, and that of its share if it has one."""
        yield self.queues[submission.queue]
        if submission.share:
            yield self.shares[submission.queue, submission.share]
