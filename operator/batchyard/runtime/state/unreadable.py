"""Records of objects that cannot be used: all that counts of one is that it exists, and what is wrong with it.

What the models refuse ends in a `refusal` by itself; here is what becomes of an object that makes its reader raise, or
a pass.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from batchyard.core.model.consumable import Consumable
from batchyard.core.model.definition import Definition
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob
from batchyard.core.model.queue import Queue
from batchyard.core.planner.containment import Fault, Stage, described
from batchyard.core.planner.hiding import Culprit
from batchyard.objects.meta import Object, key_of

N = TypeVar("N", Queue, Environment, Consumable)
R = TypeVar("R", BatchJob, Definition, Queue, Environment, Consumable)

MOST_FAULTS = 100


def blank(record: N, why: str) -> N:
    """The same object with nothing of its spec."""
    if isinstance(record, Queue):
        return replace(
            record,
            priority=0,
            environments=(),
            namespaces=None,
            fair_share=None,
            limits=None,
            time_limits={},
            preempts_after=None,
            refusal=why,
        )
    if isinstance(record, Environment):
        return replace(record, node_selector={}, tolerations=(), ceilings={}, refusal=why)
    return replace(record, total=0, refusal=why)


class Reading:
    """Reads objects, none of which can make it raise."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque(maxlen=MOST_FAULTS)
        """What was raised since the loop has looked last, or the latest of that."""

    def read(self, kind: str, reader: Callable[[Object], R], obj: Object) -> R:
        """Return the record of an object; of one that cannot be read a blank one that says so."""
        try:
            return reader(obj)
        except Exception as error:
            self.faults.append(Fault(Stage.READING, error, Culprit(kind, key_of(obj))))
            why = f"the spec cannot be read ({described(error)}); correct what is odd in it"
            return replace(reader({**obj, "spec": {}}), refusal=why)
