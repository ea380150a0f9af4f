"""What the pods of a run take, worked out of what each of them asks for: by node, and beyond what the run was granted.

Admission may add to a pod what its template does not say, such as the overhead of a RuntimeClass.
"""

from collections.abc import Iterable, Mapping

from batchyard.core.model.resources import Resources, add, subtract, times
from batchyard.core.model.run import Run
from batchyard.core.scheduling.capacity.ledger import with_pods
from batchyard.runtime.state.pods.livepods import Seat

Seats = Mapping[Seat, int]
"""How many pods have which seat."""


def bound(run: Run, seats: Seats) -> dict[str, Resources]:
    """What the pods take on the nodes that they are bound to, by node, pod slots included.

    A pod whose request is not known counts with that of the run; of a multi-node job, whose request is that of all
    nodes together, with its pod slot alone.
    """
    unknown: Resources = run.request if run.node is None else {}
    found: dict[str, Resources] = {}
    for seat, count in seats.items():
        if seat.node:
            amount = times(with_pods(dict(seat.request) or unknown), count)
            found[seat.node] = add(found[seat.node], amount) if seat.node in found else amount
    return found


def excess(run: Run, seats: Seats) -> Resources:
    """What the pods ask for beyond what was granted: of an array to each of them, else to all together."""
    if run.indexed is not None:
        return _total(times(_beyond(dict(seat.request), run.request), count) for seat, count in seats.items())
    granted = with_pods(run.request)
    if len(seats) == 1:
        ((seat, count),) = seats.items()
        asked = with_pods(dict(seat.request))
        if count == 1 and asked == granted:
            return {}  # so it is of most runs, which have one pod
    asked = _total(times(with_pods(dict(seat.request)), count) for seat, count in seats.items())
    return _beyond(asked, granted)


def _beyond(asked: Resources, granted: Resources) -> Resources:
    return {name: amount for name, amount in subtract(asked, granted).items() if amount > 0}


def _total(amounts: Iterable[Resources]) -> Resources:
    total: Resources = {}
    for amount in amounts:
        total = add(total, amount)
    return total
