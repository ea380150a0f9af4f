"""What an array asks for next: slots of its Indexed Job, and runs of single indexes, which go first."""

from collections.abc import Sequence

from batchyard.core.lifecycle.array.indexruns import RETRIES_AT_ONCE
from batchyard.core.lifecycle.array.view import ArrayView
from batchyard.core.model.array import ArrayDemand, IndexRun


def demand(view: ArrayView, live: int, due: Sequence[IndexRun]) -> ArrayDemand:
    """Return what may start beside the `live` Jobs of single indexes. `due` are the runs that may start now."""
    if view.lack is not None:
        return ArrayDemand(environment=view.bound_to)
    main, shown = view.going, view.shown
    at_once = view.shape.at_once - live
    slots = held = 0
    if main is not None and shown is not None and not main.deleting:
        held = main.slots
    if main is not None and shown is not None and not main.deleting and not view.moved:
        slots = max(min(shown.unfinished, at_once) - shown.parallelism, 0)
    retries = tuple(due[: max(min(at_once - held, RETRIES_AT_ONCE), 0)])
    slots = max(min(slots, at_once - held - len(retries)), 0)
    return ArrayDemand(slots, retries, view.bound_to)
