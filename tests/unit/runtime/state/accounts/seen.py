"""What an account is told of a run that has no other Jobs."""

from typing import Any

from batchyard.core.model.run import Run
from batchyard.runtime.state.accounts.account import Occupancy


def occupancy(run: Run, **fields: Any) -> Occupancy:
    slots = run.slots_taken if run.indexed is not None else 1
    alone = Occupancy(("run", run.number, run.index), slots, not run.ended, not run.main_uid)
    return alone._replace(**fields)


def seen(run: Run) -> tuple[Run, None, Occupancy]:
    """A run that is seen for the first time."""
    return run, None, occupancy(run)
