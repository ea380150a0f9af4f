"""What counts as on its way out once a Kubernetes Job is gone, or has ended, while pods of it are not."""

import pytest

from batchyard.core.model.array import IndexedJob
from batchyard.core.model.run import Run
from batchyard.core.scheduling.capacity.ledger import Charge, amount_of
from batchyard.core.scheduling.departures import is_leaving, parted
from unit.samples import make_pod, make_run, make_snapshot


def charge(run: Run, slots: int = 1) -> Charge:
    return Charge("pool", amount_of(run.request, slots), run.owner, run)


@pytest.mark.parametrize(("condition", "goes"), [("", False), ("Complete", True), ("Gone", True)])
def test_a_run_whose_job_has_ended_is_leaving_while_its_pod_is_not_gone(condition: str, goes: bool) -> None:
    run = make_run(condition=condition)
    snapshot = make_snapshot(pods=[make_pod(phase="Running")])
    assert is_leaving(snapshot, snapshot.runs_of(run.owner_uid), run) is goes
    assert parted(snapshot, charge(run))[0].amount == (amount_of(run.request, 1) if goes else {})


@pytest.mark.parametrize(("condition", "slots"), [("", 1), ("Failed", 3), ("Gone", 3)])
def test_all_pods_of_an_indexed_job_that_has_ended_are_leaving(condition: str, slots: int) -> None:
    run = make_run(indexed=IndexedJob(9, 2), condition=condition)
    assert parted(make_snapshot(), charge(run, 3))[0].amount == amount_of(run.request, slots)
