"""What a job waits for in other jobs, what it remembers of them, and when it can never start."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import DependencyType, JobState
from batchyard.core.admission.cycles import find_cycles
from batchyard.core.admission.dependencies import check, remember
from batchyard.core.admission.references import Pending, Unsatisfiable
from batchyard.core.model.job import BatchJob, Dependency, Key
from batchyard.core.model.status import EndedDependency, Status
from batchyard.core.planner.results import Settled
from batchyard.core.planner.settle import settle
from batchyard.core.scheduling.snapshot import Snapshot
from unit.samples import NOW, make_attempt, make_job, make_run, make_snapshot

ANY_END = DependencyType.FINISHED
FAILURE = DependencyType.FAILED
SUCCEEDED = Status(JobState.SUCCEEDED, "Completed", "the container ended with exit code 0", stopped_at=NOW)
FAILED = Status(JobState.FAILED, "NonZeroExit", "container main ended with exit code 3", stopped_at=NOW)
RUNNING = Status(JobState.RUNNING, "ContainerRunning")
PENDING = Status(JobState.PENDING, "WaitingForDependencies")


def needs(name: str, *others: str | tuple[str, DependencyType]) -> BatchJob:
    wanted = tuple(Dependency(each) if isinstance(each, str) else Dependency(*each) for each in others)
    return replace(make_job(name), uid=f"uid-{name}", depends_on=wanted)


def snapshot(*jobs: BatchJob, **statuses: Status) -> Snapshot:
    known = {job.key: statuses.get(job.key[1], Status()) for job in jobs}
    return make_snapshot(jobs=jobs, statuses=known)


class Counted(dict[Key, BatchJob]):
    """Jobs, and how often one was looked at."""

    looks = 0

    def get(self, key: Key, default: Any = None) -> Any:
        self.looks += 1
        return super().get(key, default)

    def __getitem__(self, key: Key) -> BatchJob:
        self.looks += 1
        return super().__getitem__(key)


def judged(job: BatchJob, *others: BatchJob, **statuses: Status) -> tuple[list[str], Pending | Unsatisfiable | None]:
    objects = snapshot(job, *others, **statuses)
    ended, verdict = check(job, objects.statuses[job.key], objects)
    return [each.job for each in ended], verdict


A, B = needs("a"), needs("b")


@pytest.mark.parametrize(
    ("wanted", "state", "met"),
    [
        (DependencyType.SUCCEEDED, SUCCEEDED, True),
        (DependencyType.SUCCEEDED, FAILED, False),
        (ANY_END, SUCCEEDED, True),
        (ANY_END, FAILED, True),
        (FAILURE, SUCCEEDED, False),
        (FAILURE, FAILED, True),
    ],
)
def test_each_type_wants_another_end(wanted: DependencyType, state: Status, met: bool) -> None:
    ended, verdict = judged(needs("c", ("a", wanted)), A, a=state)
    assert ended == ["a"]
    assert (verdict is None) == met
    assert met or (isinstance(verdict, Unsatisfiable) and verdict.reason == "DependencyNotMet")


@pytest.mark.parametrize("status", [Status(), PENDING, RUNNING])
def test_what_has_not_ended_is_waited_for(status: Status) -> None:
    ended, verdict = judged(needs("c", "a"), A, a=status)
    assert ended == []
    assert verdict == Pending("WaitingForDependencies", "waits for BatchJob a to succeed")


def test_what_is_waited_for_is_named() -> None:
    _, verdict = judged(needs("d", "a", ("b", ANY_END), ("c", FAILURE)), A, B, needs("c"), a=SUCCEEDED)
    assert verdict == Pending("WaitingForDependencies", "waits for BatchJob b to end and BatchJob c to fail")


@pytest.mark.parametrize(
    ("wanted", "state"), [(FAILURE, FAILED), (DependencyType.SUCCEEDED, FAILED), (ANY_END, SUCCEEDED)]
)
def test_an_end_counts_once_it_is_stored(wanted: DependencyType, state: Status) -> None:
    """An operator that dies before may come to another one."""
    job = needs("c", ("a", wanted))
    ran = state._replace(attempts=(make_attempt(1, stopped_at=NOW),))
    objects = replace(snapshot(job, A, a=ran), unpersisted_ends={A.key, job.key})
    ended, verdict = check(job, Status(), objects)
    assert ended == ()
    assert isinstance(verdict, Pending)
    ended, verdict = check(job, Status(), replace(objects, unpersisted_ends={job.key}))
    assert [each.job for each in ended] == ["a"]
    assert not isinstance(verdict, Pending)


def test_what_never_ran_fails_its_chain_at_once_but_starts_nothing() -> None:
    job, cleanup = needs("c", "a"), needs("d", ("a", ANY_END))
    objects = replace(snapshot(job, cleanup, A, a=FAILED), unpersisted_ends={A.key})
    assert isinstance(check(job, Status(), objects)[1], Unsatisfiable)
    assert isinstance(check(cleanup, Status(), objects)[1], Pending)


def test_an_array_that_ran_has_no_attempts_and_counts_once_its_end_is_stored() -> None:
    job, ran = needs("c", "a"), FAILED._replace(started_at=NOW)
    objects = replace(snapshot(job, A, a=ran), unpersisted_ends={A.key})
    assert isinstance(check(job, Status(), objects)[1], Pending)
    assert isinstance(check(job, Status(), replace(objects, unpersisted_ends=()))[1], Unsatisfiable)


def test_what_does_not_exist_is_waited_for_and_said_so() -> None:
    _, verdict = judged(needs("d", "a", "b", "c"), A)
    assert isinstance(verdict, Pending)
    assert verdict.reason == "DependencyNotFound"
    assert verdict.message.endswith("; b and c do not exist in namespace media yet")


def test_a_job_that_is_being_deleted_before_its_end_is_as_good_as_gone() -> None:
    _, verdict = judged(needs("c", "a"), replace(A, deleting=True), a=RUNNING)
    assert isinstance(verdict, Pending)
    assert verdict.reason == "DependencyNotFound"
    assert judged(needs("c", "a"), replace(A, deleting=True), a=SUCCEEDED)[1] is None


def test_a_long_list_is_cut_short() -> None:
    _, verdict = judged(needs("z", *(f"job-{number}" for number in range(20))))
    assert isinstance(verdict, Pending)
    assert "BatchJob job-7 to succeed and 12 more; job-0" in verdict.message


def test_a_job_of_another_namespace_is_another_job() -> None:
    elsewhere = replace(A, key=("audio", "a"))
    objects = make_snapshot(jobs=[elsewhere, needs("c", "a")], statuses={elsewhere.key: SUCCEEDED})
    assert isinstance(check(needs("c", "a"), Status(), objects)[1], Pending)


def test_an_end_once_seen_counts_for_good() -> None:
    seen = Status(JobState.PENDING, dependencies=(EndedDependency("a", JobState.SUCCEEDED),))
    job = needs("c", "a", "b")
    for others in ([], [A]):  # deleted; submitted anew under the same name
        ended, verdict = judged(job, *others, B, c=seen, b=SUCCEEDED, a=FAILED)
        assert (ended, verdict) == (["a", "b"], None)


@pytest.mark.parametrize("others", [[], [A]])
def test_an_end_that_does_not_do_counts_for_good_too(others: list[BatchJob]) -> None:
    """It was remembered when the other job went, before this one was looked at."""
    job = needs("c", "a", "b")
    seen = remember(job, remember(job, PENDING, "a", FAILED), "b", SUCCEEDED)
    ended, verdict = judged(needs("c", "a", "b"), *others, c=seen, a=SUCCEEDED)
    assert ended == ["b", "a"], "the culprit is the last"
    assert verdict == Unsatisfiable("DependencyNotMet", "BatchJob a had to succeed but failed")


def test_what_had_not_ended_and_what_is_known_is_not_remembered() -> None:
    job = needs("c", "a")
    assert remember(job, PENDING, "a", RUNNING) is PENDING
    seen = remember(job, PENDING, "a", SUCCEEDED)
    assert remember(job, seen, "a", FAILED) is seen
    link = FAILED._replace(reason="DependencyNotMet", dependencies=(EndedDependency("root", JobState.FAILED),))
    assert remember(job, PENDING, "a", link).dependencies == (EndedDependency("a", JobState.FAILED, "root"),)


def test_the_culprit_is_named_with_its_own_words() -> None:
    ended, verdict = judged(needs("c", "b", "a"), A, B, a=FAILED)
    assert ended == ["a"], "b has not ended"
    assert verdict == Unsatisfiable(
        "DependencyNotMet",
        "BatchJob a had to succeed but failed: NonZeroExit: container main ended with exit code 3",
    )
    _, verdict = judged(needs("c", ("a", FAILURE)), A, a=SUCCEEDED)
    assert isinstance(verdict, Unsatisfiable)
    assert verdict.message.startswith("BatchJob a had to fail but succeeded: Completed")


def passes(objects: Snapshot, *keys: Key) -> dict[str, Status]:
    """What the loop does: settles, enters, and goes on with those that wait for what has ended."""
    statuses: dict[Key, Status] = dict(objects.statuses)
    cycles = find_cycles(keys or objects.jobs, objects)
    due = set(keys or objects.jobs) | cycles.keys()
    while due:
        result: Settled = settle(replace(objects, statuses=statuses), due, NOW, cycles)
        statuses |= result.statuses
        due = {
            dependent
            for key, status in result.statuses.items()
            if status.stopped_at is not None
            for dependent in objects.dependents.get(key, ())
            if statuses[dependent].state in (JobState.SUBMITTED, JobState.PENDING)
        }
    return {key[1]: status for key, status in statuses.items()}


def states(found: Mapping[str, Status]) -> dict[str, str]:
    return {name: status.state.value for name, status in found.items()}


def test_a_failure_goes_down_the_chain_and_the_root_is_named_in_every_link() -> None:
    links = [needs(f"job-{number}", f"job-{number - 1}") for number in range(1, 200)]
    found = passes(snapshot(needs("job-0"), *links, **{"job-0": FAILED}))
    assert set(states(found).values()) == {"Failed"}
    assert found["job-2"].message == (
        "BatchJob job-1 had to succeed but failed, because of BatchJob job-0 "
        "(NonZeroExit: container main ended with exit code 3)"
    )
    assert found["job-199"].message == found["job-2"].message.replace("job-1 ", "job-198 ")
    assert found["job-199"].dependencies == (EndedDependency("job-198", JobState.FAILED, "job-0"),)


def test_the_root_is_named_when_it_is_gone() -> None:
    link = Status(
        JobState.FAILED, "DependencyNotMet", "", dependencies=(EndedDependency("a", JobState.FAILED, "root"),)
    )
    plain = Unsatisfiable("DependencyNotMet", "BatchJob b had to succeed but failed, because of BatchJob root")
    assert judged(needs("c", "b"), B, b=link)[1] == plain
    another = replace(needs("root"), created=NOW + 60)
    link = link._replace(stopped_at=NOW)
    assert judged(needs("c", "b"), B, another, b=link, root=SUCCEEDED)[1] == plain, "its words are of another job"


def test_the_revision_is_resolved_at_submission_and_not_when_the_wait_is_over() -> None:
    found = passes(snapshot(A, needs("c", "a")))
    assert (found["c"].state, found["c"].revision) == (JobState.PENDING, 3)


def test_a_mistake_comes_before_the_wait_and_the_wait_before_what_is_missing() -> None:
    wrong = replace(needs("c", "a"), refusal="spec is wrong")
    assert passes(snapshot(A, wrong, a=FAILED))["c"].reason == "InvalidSpec"
    objects = replace(snapshot(A, needs("c", "a"), a=FAILED), queues={})
    assert passes(objects)["c"].reason == "DependencyNotMet"
    objects = replace(snapshot(A, needs("c", "a"), a=SUCCEEDED), queues={})
    status = passes(objects)["c"]
    assert status.reason == "JobQueueNotFound"
    assert [each.job for each in status.dependencies] == ["a"], "remembered although something else is missing"


def test_a_job_that_ran_before_waits_no_more() -> None:
    """Its status was not written before the operator died, and what it waited for is gone."""
    job = needs("c", "a")
    run = make_run(name="c-1", owner=job.key, owner_uid=job.uid)
    objects = make_snapshot(jobs=[job], runs=[run])
    assert settle(objects, [job.key], NOW).statuses[job.key].state is JobState.STARTING
    tried = Status(JobState.PENDING, attempts=(make_attempt(1, stopped_at=NOW, reason="Interrupted"),), revision=3)
    objects = make_snapshot(jobs=[job], statuses={job.key: tried})
    assert settle(objects, [job.key], NOW).statuses[job.key].state is JobState.RUNNABLE


RING = [needs("a", "c"), needs("b", "a"), needs("c", "b")]


def test_every_job_of_a_circle_fails_and_names_it_from_where_it_stands() -> None:
    found = passes(snapshot(*RING))
    assert {status.reason for status in found.values()} == {"DependencyCycle"}
    assert "can ever start: a -> c -> b -> a; delete them" in found["a"].message
    assert "can ever start: b -> a -> c -> b; delete them" in found["b"].message


def test_the_job_that_closes_a_circle_takes_the_others_along() -> None:
    objects = snapshot(*RING, b=PENDING, c=PENDING)
    assert set(states(passes(objects, ("media", "a"))).values()) == {"Failed"}


@pytest.mark.parametrize("wanted", DependencyType.__members__.values())
def test_a_circle_is_one_whatever_its_jobs_wait_for(wanted: DependencyType) -> None:
    """Also after an operator that died when one of them had failed: that end does not meet a dependency."""
    ring = [needs("a", ("b", wanted)), needs("b", ("a", wanted))]
    found = passes(snapshot(*ring))
    assert {status.reason for status in found.values()} == {"DependencyCycle"}
    again = passes(snapshot(*ring, a=found["a"], b=PENDING))
    assert again["b"].reason == "DependencyCycle"


def test_a_job_may_not_wait_for_itself_nor_be_taken_for_a_circle_when_others_do() -> None:
    found = passes(snapshot(needs("a", "a"), *RING[1:2], needs("outside", ("a", ANY_END)), needs("free")))
    assert found["a"].reason == "DependencyCycle"
    assert "a -> a;" in found["a"].message
    assert found["b"].reason == "DependencyNotMet"
    assert found["b"].message.startswith("BatchJob a had to succeed but failed: DependencyCycle: ")
    assert states({name: found[name] for name in ("outside", "free")}) == {"outside": "Runnable", "free": "Runnable"}


def test_a_dependency_that_was_met_closes_no_circle() -> None:
    """`a` ended well and was deleted; another `a` waits for the job that waited for the first."""
    met = PENDING._replace(dependencies=(EndedDependency("a", JobState.SUCCEEDED),))
    found = passes(snapshot(needs("a", "b"), needs("b", "a", "later"), b=met))
    assert states(found) == {"a": "Pending", "b": "Pending"}


def test_a_circle_that_is_broken_by_deletion_is_none() -> None:
    found = passes(snapshot(replace(RING[0], deleting=True), *RING[1:]))
    assert states(found) == {"a": "Submitted", "b": "Pending", "c": "Pending"}


def test_a_wide_circle_is_cut_short_in_words_only() -> None:
    ring = [needs(f"job-{number}", f"job-{(number + 1) % 2000}") for number in range(2000)]
    found = find_cycles([job.key for job in ring], snapshot(*ring))
    assert len(found) == 2000
    assert (
        "job-0 -> job-1 -> job-2 -> job-3 -> job-4 -> job-5 -> job-6 -> job-7 -> (1992 more) -> job-0"
        in (found["media", "job-0"])
    )


def test_many_circles_in_one_tangle_are_found_without_going_through_it_for_each() -> None:
    """Every leaf of a tree leads back to the root: each circle is short, but there are thousands."""
    tree = [
        needs(f"job-{number}", *(f"job-{20 * number + child}" for child in range(1, 21)))
        if 20 * number + 20 < 7981
        else needs(f"job-{number}", "job-0")
        for number in range(7981)
    ]
    jobs = Counted((job.key, job) for job in tree)
    found = find_cycles([job.key for job in tree], replace(snapshot(*tree), jobs=jobs))
    assert jobs.looks <= 3 * len(jobs)
    assert len(found) == 7981
    assert sum("one circle of several" in sentence for sentence in found.values()) > 7000


def test_a_stack_of_small_circles_is_gone_through_once() -> None:
    """Below each job of a long chain are two that wait for each other."""
    chain = [needs(f"job-{number}", f"job-{number + 1}", f"left-{number}") for number in range(5000)]
    pairs = [
        needs(f"{side}-{number}", f"{other}-{number}")
        for number in range(5000)
        for side, other in (("left", "right"), ("right", "left"))
    ]
    jobs = Counted((job.key, job) for job in (*chain, *pairs))
    found = find_cycles([job.key for job in chain], replace(snapshot(*chain, *pairs), jobs=jobs))
    assert jobs.looks <= 3 * len(jobs)
    assert len(found) == 2 * 4999, "nobody waits for the first, so it is not searched from there"


def test_a_long_chain_is_not_searched_deeper_than_python_can() -> None:
    chain = [needs(f"job-{number}", f"job-{number + 1}") for number in range(20_000)]
    assert find_cycles([job.key for job in chain], snapshot(*chain)) == {}
