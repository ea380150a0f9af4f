from batchyard.core.model.array import IndexedJob
from batchyard.core.model.run import Run
from batchyard.runtime.state.pods.livepods import Seat
from batchyard.runtime.state.pods.runpods import RunPods
from unit.samples import JOB_UID, make_run

RUN = make_run()
GONE = RUN._replace(condition="Gone", deleting=True)
ARRAY = make_run(2, indexed=IndexedJob(4, 4))
SEAT = Seat("node-1", (("cpu", 1000),))


def pods_of(*runs: Run) -> RunPods:
    """The pods of these Jobs, one each, which are known."""
    pods = RunPods(lambda _: None)
    for run in runs:
        pods.know(run)
        live = pods.others if run.indexed is None else pods.indexes
        live.put(("media", f"{run.name}-x"), run.uid, "node-1", {"cpu": 1000})
    return pods


def test_a_job_is_kept_until_the_last_of_its_pods_is_gone() -> None:
    pods = pods_of(RUN)
    assert list(pods.take_moved()) == [RUN]
    assert pods.lose(GONE)
    assert (pods.outlived(JOB_UID), pods.seats_of(GONE)) == ([GONE], {SEAT: 1})
    pods.others.remove(("media", "videos-1-x"))
    assert list(pods.take_moved()) == [GONE], "told of once more"
    assert (pods.outlived(JOB_UID), pods.job(("media", RUN.uid)), pods.moved) == ([], None, 0)


def test_a_job_without_pods_is_forgotten_at_once() -> None:
    pods = pods_of(RUN)
    pods.others.remove(("media", "videos-1-x"))
    assert not pods.lose(GONE)
    assert (pods.outlived(JOB_UID), list(pods.take_moved())) == ([], [])


def test_a_job_that_is_there_again_is_not_outlived() -> None:
    pods = pods_of(RUN)
    pods.lose(GONE)
    pods.know(RUN)
    assert pods.outlived(JOB_UID) == []
    pods.others.remove(("media", "videos-1-x"))
    assert list(pods.take_moved()) == [RUN]
    assert pods.job(("media", RUN.uid)) == RUN


def test_pods_of_indexed_jobs_and_of_others_are_apart() -> None:
    pods = pods_of(RUN, ARRAY)
    pods.others.put(("media", "decoy"), ARRAY.uid, "node-1", {})
    assert pods.seats_of(ARRAY) == {SEAT: 1}


def test_the_nodes_that_pods_of_known_jobs_are_on() -> None:
    pods = pods_of(RUN)
    pods.others.put(("media", "waits"), RUN.uid, "", {})
    pods.others.put(("media", "decoy"), "unknown", "node-2", {})
    pods.others.put(("elsewhere", "decoy"), RUN.uid, "node-3", {})
    assert pods.nodes() == {"node-1"}
    pods.know(ARRAY)
    pods.indexes.put(("media", "index"), ARRAY.uid, "node-4", {})
    assert pods.nodes() == {"node-1", "node-4"}
    pods.lose(GONE)
    assert pods.nodes() == {"node-1", "node-4"}, "they go on"
