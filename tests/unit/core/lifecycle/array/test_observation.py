"""Arrays: what their Jobs show becomes a status, and what they ask for next."""

from dataclasses import replace
from typing import Any

from batchyard.api.models.batchjob import JobState, StopMode
from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.stopping import stop_applied_to_array
from batchyard.core.model.array import (
    ArrayDemand,
    ArrayShape,
    ArrayStatus,
)
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.job import Stop
from batchyard.core.model.run import Pod
from batchyard.core.model.status import Status
from unit.core.lifecycle.array.arrays import (
    STARTED,
    alone,
    look,
    main,
)
from unit.samples import NOW, make_job, make_pod, make_run


def test_one_that_has_not_started_asks_for_all_at_once() -> None:
    assert look(status=Status(JobState.RUNNABLE)).demand == ArrayDemand(slots=10)
    observed = look(status=Status(JobState.RUNNABLE), shape=ArrayShape(10, max_concurrency=3))
    assert (observed.demand, observed.status.array) == (ArrayDemand(slots=3), ArrayStatus(10))


def test_counts_and_sets_follow_from_the_job() -> None:
    observed = look(main=main("0-2", active=4, ready=3))
    array = observed.status.array
    assert array is not None
    assert (str(array.succeeded), str(array.active), array.running, array.waiting) == ("0-2", "3-6", 3, 3)
    assert observed.status.message == "3 of 10 indexes run, 1 start, 3 succeeded, 0 failed"
    assert observed.status.state is JobState.RUNNING


def test_the_rest_is_asked_for_as_long_as_indexes_are_left() -> None:
    assert look(main=main("0-2")).demand == ArrayDemand(slots=3, environment="pool")
    assert look(main=main("0-6")).demand.total == 0
    assert look(main=main(), shape=ArrayShape(10, max_concurrency=5)).demand.slots == 1
    assert look(main=main(deleting=True)).demand.total == 0


def test_refusals_are_forgotten_once_all_that_was_asked_for_runs() -> None:
    known = STARTED._replace(refusals=2)
    assert look(main=main("0-5", active=4, ready=4), status=known).status.refusals == 0
    assert look(main=main("0-4", active=4, ready=4), status=known).status.refusals == 2, "it asks for one more"
    assert look(main=main("0-5", active=4, ready=3), status=known).status.refusals == 2, "one starts"
    homeless = make_pod(unschedulable="0/1 nodes", index=9)
    seen = look(main=main("0-5", active=4, ready=4), status=known, waiting=(homeless,))
    assert seen.status.refusals == 0, "that was read before it had started"


def test_pods_that_do_not_start_are_looked_at() -> None:
    waits = main(active=4, ready=1, created=NOW)
    assert look(main=waits, looked_at=0.0, now=NOW + 4).wake_at == NOW + 5
    assert look(main=waits, looked_at=0.0, now=NOW + 5).reads_pods
    assert not look(main=waits, looked_at=NOW + 5, now=NOW + 6).reads_pods
    hopeless = make_pod(waiting_reason="InvalidImageName", waiting_message="no: such", index=2)
    assert look(main=waits, waiting=(hopeless,)).abandoned == [hopeless]
    none = main(active=4, ready=0, created=NOW)
    fresh = STARTED._replace(started_at=None)
    assert look(main=none, status=fresh, waiting=(hopeless,)).status.reason == Reason.CANNOT_START


LOST = {"n1": Node("n1", {}, {}, lost=True, lost_since=NOW)}


def going(index: int, **fields: Any) -> Pod:
    """The pod of an index that was asked to stop on a lost node."""
    shown = {"index": index, "node_name": "n1", "asked_to_stop_at": NOW + 1, "started_at": NOW}
    return make_pod(**{**shown, **fields})


def test_pods_that_do_not_end_are_looked_at_now_and_then() -> None:
    first = look(main=main("0", active=4, ready=4), leaving=[2], looked_at=NOW)
    assert first.reads_pods
    again = look(main=main("0", active=4, ready=4), leaving=[2], looked_at=NOW + 50)
    assert (again.reads_pods, again.wake_at) == (False, NOW + 70)
    assert not look(main=main("0,2", active=4, ready=4), leaving=[2], looked_at=NOW).reads_pods, "it has ended"


def test_an_index_on_a_lost_node_is_named_and_its_forced_deletion_believed() -> None:
    seen: dict[str, Any] = {"main": main("0", active=4), "leaving": [2, 3], "nodes": LOST}
    observed = look(leaving_pods=(going(2), going(3)), **seen)
    assert observed.status.reason == Reason.NODE_LOST
    assert "; index 2 (and 1 more) does not end: node n1 has not been heard from" in observed.status.message
    assert not observed.forced
    assert [pod.index for pod in look(leaving_pods=(going(2), going(3, forced=True)), **seen).forced] == [3]
    assert look(leaving_pods=(going(2),), **{**seen, "nodes": {}}).status.reason == Reason.INDEXES_RUNNING


def test_so_is_one_that_has_a_job_of_its_own() -> None:
    run = alone(4, make_run(2, attempt=2))
    observed = look(run, main=main(failed="4"), pods={run.name: going(4, forced=True)}, nodes=LOST)
    assert [pod.index for pod in observed.forced] == [4]
    assert "index 4 does not end" in observed.status.message


def test_the_termination_of_an_array_says_that_its_node_is_lost() -> None:
    observed = look(main=main("0", active=4, deleting=True), leaving_pods=(going(2),), nodes=LOST)
    job = replace(make_job(), stop=Stop(StopMode.TERMINATE, "enough"))
    status = stop_applied_to_array(job, observed.status, idle=False)
    assert isinstance(status, Status)
    assert status.message.startswith("to be terminated once its pods have ended: enough. index 2 does not end: node n1")
