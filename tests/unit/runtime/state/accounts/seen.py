"""What an account is told of a run that has no other Jobs."""

from typing import Any

from batchyard.core.model.job import BatchJob
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.account import Occupancy
from batchyard.runtime.state.accounts.charges import Charges
from unit.samples import make_run


def occupancy(run: Run, **fields: Any) -> Occupancy:
    slots = run.slots_taken if run.indexed is not None else 1
    alone = Occupancy(("run", run.number, run.index), slots, not run.ended, not run.main_uid)
    return alone._replace(**fields)


def seen(run: Run) -> tuple[Run, None, Occupancy]:
    """A run that is seen for the first time."""
    return run, None, occupancy(run)


def started(charges: Charges, job: BatchJob, placement: Placement) -> Run:
    """The run of a single job that was granted and has its Kubernetes Job now, with a pod that has no node yet."""
    charges.grant(job, None, placement, 1)
    charges.withdraw(job.key)
    name = job.key[1]
    run = make_run(name=f"{name}-1", uid=name, owner=job.key, owner_uid=name, request=placement.request)
    charges.observe_run(run, run, occupancy(run, item=run.uid, bound={}))
    return run
