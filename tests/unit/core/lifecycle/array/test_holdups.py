"""What keeps indexes with a slot from starting, and which slots an array gives back for it."""

from collections.abc import Callable
from typing import Any

from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.array.holdups import InVain, Overdue, holdups, overdue
from batchyard.core.lifecycle.takeback import PROMPT_SECONDS, NoNodes, Patience, patience
from batchyard.core.model.run import Pod, PodReport, Refusal, Run
from unit.core.lifecycle.array.arrays import alone, ended, main
from unit.samples import NOW, job_runs, make_managed, make_pod, make_run


def borne(_: str) -> Patience:
    return Patience(grace_seconds=30, unschedulable_seconds=300)


HOMELESS = make_pod(created=NOW, unschedulable="0/1 nodes", index=1)
REFUSED = main(active=3, ready=2, started_at=NOW)._replace(refusal=Refusal("exceeded quota", NOW, NOW))
PODLESS = alone(4, make_run(2, attempt=2, started_at=NOW)._replace(active=0))


def test_nothing_holds_up_what_has_its_pods() -> None:
    assert holdups(job_runs([main(active=4, ready=4)]), [], borne) == []
    assert holdups(job_runs([ended("0-9")], report=PodReport(waiting=(HOMELESS,))), [], borne) == []
    assert overdue(job_runs([main(active=4, ready=4)]), [make_pod(index=1)], borne, NOW + 900) is None


def test_what_holds_the_indexed_job_up_comes_first() -> None:
    runs = job_runs([REFUSED, PODLESS], report=PodReport(waiting=(HOMELESS,)))
    found = holdups(runs, [PODLESS], borne)
    assert [each.reason for each in found] == [Reason.CREATE_FAILED, Reason.UNSCHEDULABLE, Reason.CREATE_FAILED]
    assert [each.due for each in found] == [NOW + PROMPT_SECONDS, NOW + 300, NOW + 30]
    assert found[0].message == "videos-1: exceeded quota"


def test_slots_are_given_back_when_their_time_is_over() -> None:
    runs = job_runs([REFUSED, PODLESS])
    assert overdue(runs, [HOMELESS], borne, NOW + PROMPT_SECONDS - 1) is None
    assert overdue(runs, [HOMELESS], borne, NOW + 29) == Overdue("videos-1: exceeded quota", 1)
    assert overdue(runs, [HOMELESS], borne, NOW + 299) == Overdue("videos-1: exceeded quota", 1, (PODLESS,))
    assert overdue(runs, [HOMELESS], borne, NOW + 300) == Overdue("0/1 nodes", 2, (PODLESS,))


def test_all_pods_that_are_missing_count() -> None:
    none = REFUSED._replace(active=0, ready=0)
    assert overdue(job_runs([none]), [], borne, NOW + 29) == Overdue("videos-1: exceeded quota", 4)
    assert overdue(job_runs([none._replace(deleting=True)]), [], borne, NOW + 29) is None


def scaling(pods: int, last: float = NOW + 1, other: NoNodes | None = None) -> Callable[[str], Patience]:
    """Two environments whose nodes are made; the provider of pool has none for so many pods."""
    why = NoNodes(60, "Out: there is none", last, pods)
    here, there = patience(30, make_managed(), why), patience(30, make_managed(name="other"), other)
    return lambda name: here if name == "pool" else there


def asked_for(environment: str, why: str = "Out: there is none") -> str:
    return f"environment {environment} got no node for a pod (nothing), asked for since 00:00:00Z: {why}"


def homeless(index: int, **fields: Any) -> Pod:
    return make_pod(uid=f"uid-pod-{index}", index=index, **{"created": NOW, "unschedulable": "0/1 nodes", **fields})


def waits(index: int, environment: str = "pool", **fields: Any) -> tuple[Run, Pod]:
    """A Job of a single index with its pod."""
    run = alone(index, make_run(1, environment=environment, active=1, started_at=NOW))
    return run, homeless(index, run=run.name, **fields)


FOUR = main(active=4, ready=0, started_at=NOW)


def test_as_many_slots_are_given_back_as_no_node_is_on_its_way_for() -> None:
    pods = [homeless(index) for index in range(4)]
    assert overdue(job_runs([FOUR]), pods, scaling(3), NOW + 59) is None
    told = asked_for("pool")
    assert overdue(job_runs([FOUR]), pods, scaling(3), NOW + 60) == Overdue(
        told, 3, in_vain=(InVain("pool", told),), refused=False
    )


def test_all_are_that_have_waited_too_long_whatever_is_on_its_way() -> None:
    pods = [homeless(0), homeless(1), homeless(2, created=NOW + 1), homeless(3, created=NOW + 240)]
    found = overdue(job_runs([FOUR]), pods, scaling(1), NOW + 300)
    assert found is not None
    assert found.slots == 2
    found = overdue(job_runs([FOUR]), pods, scaling(3, last=NOW + 300), NOW + 300)
    assert found is not None
    assert found.slots == 3


def test_pods_that_have_a_node_do_not_count_as_having_waited() -> None:
    """Their images may take long."""
    started = [homeless(index, unschedulable="", node_name="node-1", bound_at=NOW + 5) for index in (0, 1)]
    pods = [*started, homeless(2, created=NOW + 200), homeless(3, created=NOW + 200)]
    found = overdue(job_runs([FOUR]), pods, scaling(1, last=NOW + 250), NOW + 300)
    assert found is not None
    assert found.slots == 1


def test_nor_do_those_of_single_indexes() -> None:
    run, pod = waits(4)
    both = [waits(5, created=NOW + 200), waits(6, created=NOW + 200)]
    seen = job_runs(
        [run, *(run for run, _ in both)],
        [pod._replace(node_name="node-1", bound_at=NOW + 5), *(pod for _, pod in both)],
    )
    found = overdue(seen, [], scaling(1, last=NOW + 250), NOW + 300)
    assert found is not None
    assert len(found.runs) == 1


def test_what_is_refused_leaves_no_environment_alone() -> None:
    assert overdue(job_runs([REFUSED]), [], scaling(1), NOW + 60) == Overdue("videos-1: exceeded quota", 1)
    assert Overdue("").refused, "it is tried again after a while"


def test_what_lacks_a_node_and_what_is_refused_are_told_together() -> None:
    """The environment is that in which pods have waited, not where the API server takes none."""
    run, pod = waits(5)
    refused = PODLESS._replace(environment="other")
    told = asked_for("pool")
    found = overdue(job_runs([refused, run], [pod]), [], scaling(1), NOW + 60)
    assert found == Overdue(told, 0, (refused, run), (InVain("pool", told),), refused=True)


def test_jobs_of_single_indexes_are_given_up_no_further_either() -> None:
    both = [waits(5), waits(6)]
    seen = job_runs([run for run, _ in both], [pod for _, pod in both])
    assert overdue(seen, [], scaling(1), NOW + 59) is None
    found = overdue(seen, [], scaling(1), NOW + 60)
    assert found is not None
    assert (len(found.runs), found.refused) == (1, False)
    found = overdue(seen, [], scaling(2), NOW + 60)
    assert found is not None
    assert found.runs == (both[0][0], both[1][0])


def test_all_of_them_are_that_have_waited_too_long() -> None:
    several = [waits(5), waits(6), waits(7, created=NOW + 240)]
    seen = job_runs([run for run, _ in several], [pod for _, pod in several])
    found = overdue(seen, [], scaling(1), NOW + 300)
    assert found is not None
    assert found.runs == (several[0][0], several[1][0])


def test_what_is_refused_counts_beside_those_that_wait_in_vain() -> None:
    """As many nodes as are on their way are for pods, and there is none of that one."""
    pod, other = waits(5), waits(6)
    seen = job_runs([PODLESS, pod[0], other[0]], [pod[1], other[1]])
    found = overdue(seen, [], scaling(1), NOW + 60)
    assert found is not None
    assert PODLESS in found.runs
    assert len(found.runs) == 2


def test_each_is_borne_as_long_as_its_own_environment_allows() -> None:
    both = [waits(5), waits(6, "other")]
    seen = job_runs([run for run, _ in both], [pod for _, pod in both])
    assert [each.due for each in holdups(seen, [run for run, _ in both], scaling(2))] == [NOW + 60, NOW + 300]
    told = asked_for("pool")
    assert overdue(seen, [], scaling(2), NOW + 60) == Overdue(
        told, 0, (both[0][0],), (InVain("pool", told),), refused=False
    )


def test_every_environment_in_which_some_have_waited_in_vain_is_named() -> None:
    """Each once, with words of its own, and the part on demand apart from what may be on spot."""
    several = [waits(5), waits(6, "other"), waits(7, "other"), waits(8)]
    several[3] = several[3][0]._replace(on_demand=True), several[3][1]
    seen = job_runs([FOUR, *(run for run, _ in several)], [pod for _, pod in several])
    full = NoNodes(60, "the zone is full", NOW + 1, 2)
    found = overdue(seen, [homeless(0)], scaling(3, other=full), NOW + 60)
    assert found is not None
    assert (found.slots, found.runs, found.refused) == (
        1,
        tuple(run for run, _ in (several[0], several[3], several[1], several[2])),
        False,
    )
    assert found.message == asked_for("pool")
    assert sorted(found.in_vain) == [
        InVain("other", asked_for("other", "the zone is full")),
        InVain("pool", asked_for("pool")),
        InVain("pool", asked_for("pool"), on_demand=True),
    ]


def test_nodes_on_their_way_to_one_environment_are_none_for_another() -> None:
    several = [waits(5), waits(6), waits(7, "other"), waits(8, "other")]
    seen = job_runs([run for run, _ in several], [pod for _, pod in several])
    found = overdue(seen, [], scaling(1, other=NoNodes(60, "the zone is full", NOW + 1, 1)), NOW + 60)
    assert found is not None
    assert sorted(run.environment for run in found.runs) == ["other", "pool"]
