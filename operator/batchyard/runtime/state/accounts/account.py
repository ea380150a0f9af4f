"""What every account is told, in the same words: so one more of them (of money, say) is a file and an entry.

An account knows nothing of the others, nor when a run counts as living: that comes with each event.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple, Protocol

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement


class Occupancy(NamedTuple):
    """What a run takes up at the time of an event, all of its Kubernetes Jobs together."""

    item: Hashable
    """What it counts under: all nodes of a multi-node job under one and the same."""
    slots: int
    """How many slots it takes up: an Indexed Job those that are in use or may be at once, until it has ended; any
    other run one, from its beginning to its end."""
    living: bool
    """Whether anything of it can still run: a multi-node job lives while any of its nodes does, or is being created."""
    counts: bool
    """Whether the Job of the event is to be counted by itself: it is not that of a further node of a multi-node job,
    whose main node stands for all, and was not known to have ended before."""


class Account(Protocol):
    """Something that grants and runs take.

    A slot counts once: a grant is lowered or withdrawn before the Job is observed that it led to. Any event may come
    twice, and be of something that is not known here; a Job may have ended before it is seen for the first time.
    """

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        """Count so many slots of a placement, which have no Job yet; what the job was granted before is replaced."""

    def withdraw(self, key: Key) -> None:
        """Take back what a job was granted: it has a Job now, which is observed next, or will never get one."""

    def observe_run(self, run: Run, before: Run | None, occupancy: Occupancy) -> None:
        """Count a Job as it is now; `before` is how it was, if it was known."""

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        """Count a Job that is gone as over. Others may keep its run alive."""

    def reset(self) -> None:
        """Begin anew as this process begins to act: what it saw while another one did may be behind."""


Existing = Callable[[], Iterable[tuple[Run, Occupancy]]]
"""Returns the Jobs that exist, as if seen for the first time, to an account that begins to count something."""
