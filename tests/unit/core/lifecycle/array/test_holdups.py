"""What keeps indexes with a slot from starting, and which slots an array gives back for it."""

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.array.holdups import Overdue, holdups, overdue
from batchyard.core.lifecycle.takeback import PROMPT_SECONDS, Patience
from batchyard.core.model.run import PodReport, Refusal
from unit.core.lifecycle.array.arrays import alone, ended, main
from unit.samples import NOW, job_runs, make_pod, make_run

PATIENCE = Patience(grace_seconds=30, unschedulable_seconds=300)
HOMELESS = make_pod(created=NOW, unschedulable="0/1 nodes", index=1)
REFUSED = main(active=3, ready=3, started_at=NOW)._replace(refusal=Refusal("exceeded quota", NOW, NOW))
PODLESS = alone(4, make_run(2, attempt=2, started_at=NOW)._replace(active=0))


def test_nothing_holds_up_what_has_its_pods() -> None:
    assert holdups(job_runs([main(active=4, ready=4)]), [], PATIENCE) == []
    assert holdups(job_runs([ended("0-9")], report=PodReport(waiting=(HOMELESS,))), [], PATIENCE) == []
    assert overdue(job_runs([main(active=4, ready=4)]), [make_pod(index=1)], PATIENCE, NOW + 900) is None


def test_what_holds_the_indexed_job_up_comes_first() -> None:
    runs = job_runs([REFUSED, PODLESS], report=PodReport(waiting=(HOMELESS,)))
    found = holdups(runs, [PODLESS], PATIENCE)
    assert [each.reason for each in found] == [Reason.CREATE_FAILED, Reason.UNSCHEDULABLE, Reason.CREATE_FAILED]
    assert [each.due for each in found] == [NOW + PROMPT_SECONDS, NOW + 300, NOW + 30]
    assert found[0].message == "videos-1: exceeded quota"


def test_slots_are_given_back_when_their_time_is_over() -> None:
    runs = job_runs([REFUSED, PODLESS])
    assert overdue(runs, [HOMELESS], PATIENCE, NOW + PROMPT_SECONDS - 1) is None
    assert overdue(runs, [HOMELESS], PATIENCE, NOW + 29) == Overdue("videos-1: exceeded quota", 1)
    assert overdue(runs, [HOMELESS], PATIENCE, NOW + 299) == Overdue("videos-1: exceeded quota", 1, (PODLESS,))
    assert overdue(runs, [HOMELESS], PATIENCE, NOW + 300) == Overdue("0/1 nodes", 2, (PODLESS,))


def test_all_pods_that_are_missing_count() -> None:
    none = REFUSED._replace(active=0, ready=0)
    assert overdue(job_runs([none]), [], PATIENCE, NOW + 29) == Overdue("videos-1: exceeded quota", 4)
    assert overdue(job_runs([none._replace(deleting=True)]), [], PATIENCE, NOW + 29) is None
