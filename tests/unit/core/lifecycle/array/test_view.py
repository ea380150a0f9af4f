"""What follows at once from what is seen of an array."""

from batchyard.core.admission.indexgate import Gate
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.model.array import ArrayDemand, IndexRun
from batchyard.core.model.cluster.leftalone import LeftAlone
from batchyard.core.model.pods.podset import PodSet
from unit.core.lifecycle.array.arrays import alone, ended, indexes, look, main, view
from unit.samples import NOW, make_resolved, make_run

LEFT = LeftAlone(NOW, NOW + 180, "none came")
PODS = make_resolved().pods
AROUND = Surroundings(left_alone={("pool", PODS): LEFT})


def test_the_indexed_job_starts_the_lowest_indexes_first() -> None:
    assert str(view(main=main("0,2", "3", active=3, terminating=1)).of_main) == "1,4-6"
    assert not view(main=ended("0-8", "9")._replace(active=2)).of_main
    assert not view().of_main


def test_where_it_runs_is_what_its_jobs_say() -> None:
    assert view(main=main(environment="other")).environment == "other"
    assert view(alone(4, make_run(2, environment="other"))).environment == "other"
    assert view().environment == "pool"


def test_an_indexed_job_goes_on_until_it_has_ended() -> None:
    assert view(main=main()).going == main()
    gone = view(main=ended("0-9"))
    assert (gone.main, gone.going) == (ended("0-9"), None)
    assert gone.shown == ended("0-9").indexed


def test_without_an_indexed_job_it_is_bound_to_its_environment_as_long_as_nodes_come_there() -> None:
    run = alone(4, make_run(2))
    assert (view(run).bound_to, view().bound_to) == ("pool", "pool")
    assert (view(run, around=AROUND).bound_to, view(around=AROUND).bound_to) == ("", "")
    assert view(around=AROUND, now=NOW + 180).bound_to == "pool", "it may be tried again"
    others = Surroundings(left_alone={("pool", (PodSet(1, {"cpu": 64_000}),)): LEFT, ("other", PODS): LEFT})
    assert view(around=others).bound_to == "pool", "by other pods, and elsewhere"
    assert view(alone(4, make_run(2, environment="other")), around=AROUND).bound_to == "other"


def test_with_one_it_is_bound_until_it_moves() -> None:
    assert view(main=main(), around=AROUND).bound_to == "pool"
    assert view(main=main(parallelism=0), around=AROUND).bound_to == "pool"
    assert view(alone(4, make_run(1)), main=main(parallelism=0)).bound_to == ""


def test_what_is_let_in_one_by_one_goes_elsewhere_then() -> None:
    gate = Gate(indexes("5"), indexes(""), "for its turn", "")
    run = alone(4, make_run(1, active=1))
    assert look(run, gate=gate).demand == ArrayDemand(retries=(IndexRun(5, 1, 1),), environment="pool")
    assert look(run, gate=gate, around=AROUND).demand == ArrayDemand(retries=(IndexRun(5, 1, 1),))
