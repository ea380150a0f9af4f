"""What every account is told, in the same words: so one more of them (of money, say) is a file and an entry.

An account knows nothing of the others, nor when a run counts as living: that comes with each event.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.resources import Resources
from batchyard.core.model.run import NOTHING, Run
from batchyard.core.scheduling.decisions import Placement


class Occupancy(NamedTuple):
    """What a run takes up at the time of an event, all of its Kubernetes Jobs and pods together."""

    item: Hashable
    """What it counts under: all nodes of a multi-node job under one and the same."""
    slots: int
    """How many slots it takes up: an Indexed Job those that are in use or may be at once, until it has ended, and as
    many as pods of it have not ended; any other run one, from its beginning to its end."""
    living: bool
    """Whether anything of it can still run: a Kubernetes Job that has not ended and whose pod has not succeeded, or a
    pod, which may outlive its Job. A multi-node job lives while any of its nodes does, or is being created."""
    counts: bool
    """Whether the Job of the event is to be counted by itself: it is not that of a further node of a multi-node job,
    whose main node stands for all, and was not known to have ended before; and the event is not of a pod."""
    bound: Mapping[str, Resources] = MappingProxyType({})
    """What its pods take on the nodes that they are bound to, by node, pod slots included."""
    excess: Resources = NOTHING
    """What its pods ask for beyond what it was granted: what admission has added to them."""


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
        """Count a Job as it is now, or as its pods are; `before` is how it was, if it was known.

        One that is gone while pods of it are not is shown as ended.
        """

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        """Count a Job that is gone as over. Pods of it, or others of its run, may keep that alive."""

    def reset(self) -> None:
        """Begin anew as this process begins to act: what it saw while another one did may be behind."""


Existing = Callable[[], Iterable[tuple[Run, Occupancy]]]
"""Returns the Jobs that exist, as if seen for the first time, to an account that begins to count something."""
