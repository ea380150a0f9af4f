"""What becomes of an object that makes its reader raise: all that counts is that it exists, and what is wrong with it.

What the models refuse ends in a `refusal` by itself.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from batchyard.core.planner.containment import Fault, Stage, described
from batchyard.core.planner.hiding import Culprit
from batchyard.objects.meta import Object, key_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

R = TypeVar("R", bound="DataclassInstance")

MOST_FAULTS = 100


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
