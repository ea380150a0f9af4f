"""Which environments are left alone since no node came, and who finds out whether nodes come again."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.batchjob import JobState
from batchyard.api.reasons import Reason
from batchyard.core.model.array import ArrayGrant, IndexedJob
from batchyard.core.model.cluster.leftalone import LeftAlone
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.pods.withoutspot import without_spot
from batchyard.core.model.run import Run
from batchyard.core.model.status import NO_NODE_CAME, Status
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.marks import Marks
from batchyard.runtime.state.runs import Runs
from batchyard.runtime.state.transitions import nodewaits
from batchyard.runtime.state.transitions.nodewaits import NodeWaits
from unit.samples import (
    NOW,
    exited,
    job_runs,
    make_attempt,
    make_environment,
    make_job,
    make_managed,
    make_resolved,
    make_run,
    make_serverless,
)

FIRST, SECOND, LARGE = (replace(make_job(name), uid=name) for name in ("first", "second", "large"))
SMALL = make_resolved()
WIDE = replace(make_resolved(), request={"cpu": 64_000})
PODS = SMALL.pods
SECONDS = 100
"""For how long it is left alone."""
PATIENCE = 300
"""For how long a pod may wait for a node at most."""


class Scene:
    """Two jobs that ask for the same and one that does not, and three environments, of which two have nodes made."""

    def __init__(self) -> None:
        self.now = NOW
        self.jobs = {each.key: each for each in (FIRST, SECOND, LARGE)}
        self.resolved: dict[Key, Resolved] = {FIRST.key: SMALL, SECOND.key: SMALL, LARGE.key: WIDE}
        self.environments: dict[str, Environment] = {
            "pool": make_managed(leave_alone_seconds=SECONDS, unschedulable_seconds=PATIENCE),
            "other": make_managed(name="other"),
            "there": make_environment(name="there"),
        }
        self.granted: set[Key] = set()
        """Grants of which no Kubernetes Job is there yet."""
        self.runs = Runs(Marks(), lambda *_: True, lambda *_: None, lambda _: None)
        self.waits = NodeWaits(self.jobs, self.resolved, self.environments, self.runs, self.granted, lambda: self.now)

    def give_up(self, job: BatchJob = FIRST, why: str = "there is none", environment: str = "pool") -> None:
        self.waits.give_up(job.key, environment, why, on_demand=False)

    def find_out(self, job: BatchJob, environment: str = "pool", **fields: Any) -> None:
        """Have it wait for a node where none came."""
        self.granted.add(job.key)
        self.waits.granted(Placement(job.key, environment, {}, **{"finds_out": True, **fields}))

    def have(self, job: BatchJob, *runs: Run) -> None:
        self.runs.by_job[job.uid] = job_runs(runs)

    def leave(self, job: BatchJob, environment: str = "pool") -> None:
        """None of its pods lacks a node there any more."""
        self.granted.discard(job.key)
        self.waits.take({(job.key, environment): 1})
        self.waits.take({})

    def come(self, job: BatchJob, environment: str = "pool") -> None:
        """A node is on its way for a job that had none."""
        self.have(job, make_run(environment=environment))
        self.leave(job, environment)

    @property
    def left(self) -> dict[Any, LeftAlone]:
        return self.waits.left_alone


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def probing(scene: Scene) -> Scene:
    """The first of them gave up, and finds out a while later."""
    scene.give_up()
    scene.now = NOW + SECONDS
    scene.find_out(FIRST)
    return scene


def test_it_is_left_alone_by_pods_alike(scene: Scene) -> None:
    scene.give_up()
    assert scene.left == {("pool", PODS): LeftAlone(NOW, NOW + SECONDS, "there is none")}


@pytest.mark.parametrize("environment", ["there", "gone"])
def test_only_where_nodes_are_made(scene: Scene, environment: str) -> None:
    scene.give_up(environment=environment)
    scene.waits.give_up(("media", "gone"), "pool", "there is none", on_demand=False)
    assert scene.left == {}


def test_so_is_one_whose_pods_need_no_nodes_for_as_long_as_it_says(scene: Scene) -> None:
    scene.environments["pool"] = make_serverless(leave_alone_seconds=50, unschedulable_seconds=PATIENCE)
    scene.give_up()
    assert scene.left == {("pool", PODS): LeftAlone(NOW, NOW + 50, "there is none")}
    scene.now = NOW + 50
    scene.find_out(FIRST)
    assert scene.left["pool", PODS].until == NOW + 50 + PATIENCE
    scene.come(FIRST)
    assert scene.left == {}


def test_of_many_that_are_given_up_together_one_says_why(scene: Scene) -> None:
    scene.give_up(why="there is none")
    scene.now = NOW + 9
    scene.give_up(SECOND, "there is still none")
    assert scene.left["pool", PODS] == LeftAlone(NOW + 9, NOW + 9 + SECONDS, "there is none")
    scene.now = NOW + 9 + SECONDS
    scene.give_up(SECOND, "the zone is full")
    assert scene.left["pool", PODS].message == "the zone is full"


def test_who_finds_out_keeps_the_others_away_until_a_node_has_come(scene: Scene) -> None:
    scene.give_up()
    scene.now = NOW + SECONDS
    scene.find_out(SECOND)
    assert scene.left["pool", PODS] == LeftAlone(NOW, scene.now + PATIENCE, "there is none")
    scene.come(FIRST)
    assert scene.left, "that was another one"
    scene.come(SECOND)
    assert scene.left == {}


@pytest.mark.parametrize(("patience", "seconds"), [(SECONDS - 1, SECONDS), (SECONDS + 1, SECONDS + 1)])
def test_it_does_so_as_long_as_it_may_wait_and_no_less_than_the_while(
    scene: Scene, patience: int, seconds: int
) -> None:
    scene.environments["pool"] = replace(scene.environments["pool"], unschedulable_seconds=patience)
    scene.give_up()
    scene.now = NOW + 500
    scene.find_out(SECOND)
    assert scene.left["pool", PODS].until == NOW + 500 + seconds


def test_who_finds_out_in_vain_leaves_it_alone_for_another_while(scene: Scene) -> None:
    scene.give_up()
    scene.now = NOW + SECONDS
    scene.find_out(SECOND)
    scene.now += 60
    scene.give_up(SECOND)
    assert scene.left["pool", PODS] == LeftAlone(scene.now, scene.now + SECONDS, "there is none")
    scene.come(SECOND)
    assert scene.left, "it finds nothing out any more"


def test_what_it_was_told_is_what_is_said_from_then_on(probing: Scene) -> None:
    probing.now += 60
    probing.give_up(why="the zone is full")
    assert probing.left["pool", PODS].message == "the zone is full"


def test_who_was_given_up_meanwhile_says_nothing_new(probing: Scene) -> None:
    probing.now += 60
    probing.give_up(SECOND, "the zone is full")
    assert probing.left["pool", PODS].message == "there is none"


def test_a_grant_of_other_pods_or_elsewhere_finds_nothing_out(scene: Scene) -> None:
    scene.give_up()
    before, scene.now = dict(scene.left), NOW + SECONDS
    scene.find_out(LARGE)
    scene.find_out(SECOND, "other")
    scene.find_out(SECOND, "there")
    scene.find_out(SECOND, "gone")
    scene.waits.granted(Placement(("media", "gone"), "pool", {}, finds_out=True))
    assert scene.left == before
    for job, environment in ((LARGE, "pool"), (SECOND, "other"), (SECOND, "pool")):
        scene.come(job, environment)
    assert scene.left == before


@pytest.mark.parametrize("nodes", [(("node-1", {}),), (("+claim", {}),), (("++0", {}),)])
def test_who_is_not_said_to_find_out_does_not(scene: Scene, nodes: Any) -> None:
    """Neither meanwhile nor afterwards."""
    scene.give_up()
    before = dict(scene.left)
    scene.find_out(SECOND, finds_out=False, nodes=nodes)
    scene.now = NOW + SECONDS
    scene.find_out(SECOND, finds_out=False, nodes=nodes)
    assert scene.left == before
    scene.come(SECOND)
    assert scene.left == before


def test_work_that_is_not_on_spot_is_another_kind(scene: Scene) -> None:
    scene.waits.give_up(FIRST.key, "pool", "there is none", on_demand=True)
    scene.now = NOW + SECONDS
    assert list(scene.left) == [("pool", without_spot(PODS))]
    scene.find_out(SECOND)
    scene.come(SECOND)
    assert scene.left
    scene.find_out(SECOND, on_demand=True)
    scene.come(SECOND)
    assert not scene.left


@pytest.mark.parametrize(
    "runs",
    [
        (),
        (exited(),),
        (make_run(deleting=True),),
        (make_run(environment="other"),),
        (exited(), make_run(2, environment="other")),
    ],
    ids=["none", "ended", "is being deleted", "elsewhere", "goes on elsewhere"],
)
def test_who_waits_no_more_as_it_does_not_run_there_has_got_no_node(probing: Scene, runs: tuple[Run, ...]) -> None:
    """A job that is cancelled, or loses its run, tells nothing of nodes: another one is to find out, at once."""
    probing.have(FIRST, *runs)
    (what, before), *_ = probing.left.items()
    probing.leave(FIRST)
    assert probing.left == {what: replace(before, until=probing.now)}


@pytest.mark.parametrize(
    "run",
    [make_run(2), make_run(indexed=IndexedJob(10, 4), active=4), make_run(2, index=7, name="first-2-i7")],
    ids=["single", "Indexed Job", "single index"],
)
def test_any_run_there_may_have_got_one(probing: Scene, run: Run) -> None:
    probing.have(FIRST, exited(), run)
    probing.leave(FIRST)
    assert probing.left == {}


def test_a_job_that_is_gone_or_was_made_anew_has_got_no_node(probing: Scene) -> None:
    probing.have(FIRST, make_run())
    probing.jobs[FIRST.key] = replace(FIRST, uid="another")
    probing.leave(FIRST)
    assert probing.left
    del probing.jobs[FIRST.key]
    probing.leave(FIRST)
    assert probing.left


OPEN = Status(JobState.STARTING, attempts=(make_attempt(1),))
NOT_COME = make_attempt(1, stopped_at=NOW, reason=NO_NODE_CAME, message="there is none")
BACK = Status(JobState.RUNNABLE, NO_NODE_CAME, attempts=(NOT_COME,))


@pytest.mark.parametrize("before", [OPEN, Status(JobState.RUNNABLE)], ids=["started", "never seen to start"])
def test_a_job_that_gave_its_slot_back_tells_that_no_node_came(scene: Scene, before: Status) -> None:
    scene.waits.observe_transition(FIRST, before, BACK)
    assert scene.left["pool", PODS].message == "there is none"


def test_it_tells_that_once(scene: Scene) -> None:
    scene.waits.observe_transition(FIRST, BACK, BACK._replace(queue_position=3))
    assert scene.left == {}
    again = BACK._replace(attempts=(NOT_COME, make_attempt(2)))
    scene.waits.observe_transition(FIRST, BACK, again)
    assert scene.left == {}


@pytest.mark.parametrize("reason", [Reason.UNSCHEDULABLE, Reason.CREATE_FAILED, Reason.INTERRUPTED])
def test_other_ends_leave_nothing_alone(scene: Scene, reason: str) -> None:
    scene.waits.observe_transition(FIRST, OPEN, BACK._replace(attempts=(NOT_COME._replace(reason=reason),)))
    assert scene.left == {}


def test_an_array_finds_out_as_a_whole(scene: Scene) -> None:
    """Some of its slots may be on nodes that are there."""
    scene.give_up()
    scene.now = NOW + SECONDS
    scene.find_out(SECOND, array=ArrayGrant(slots=2, parallelism=2), nodes=(("node-1", {}),))
    assert scene.left["pool", PODS].until == scene.now + PATIENCE
    scene.come(SECOND)
    assert scene.left == {}


def test_as_long_as_a_pod_has_no_node_on_its_way_nothing_is_found_out(probing: Scene) -> None:
    """The array has had three pods without one, and has two; elsewhere it has none any more."""
    here, there = (FIRST.key, "pool"), (FIRST.key, "other")
    probing.granted.clear()
    probing.have(FIRST, make_run(), make_run(2, environment="other"))
    probing.waits.take({here: 3, there: 1})
    probing.waits.take({here: 2, (SECOND.key, "pool"): 1})
    probing.waits.take({here: 2})
    assert probing.left
    probing.waits.take({there: 1})
    assert not probing.left, "there it waits anew, which says nothing of here"


def test_what_is_new_of_those_that_wait(scene: Scene) -> None:
    first, second, elsewhere = (FIRST.key, "pool"), (SECOND.key, "pool"), (FIRST.key, "other")
    assert scene.waits.take({first: 1}) == [FIRST.key]
    assert scene.waits.take({first: 2, second: 1}) == [SECOND.key]
    assert scene.waits.unmet == {first: 2, second: 1}
    assert scene.waits.take({first: 2, second: 1, elsewhere: 1}) == [FIRST.key], "its run there is another one"
    assert scene.waits.take({}) == []
    assert scene.waits.take({first: 1}) == [FIRST.key]


@pytest.mark.parametrize(("passed", "kept"), [(0, False), (-1, True)])
def test_what_may_be_tried_again_since_long_ago_is_forgotten(scene: Scene, passed: float, *, kept: bool) -> None:
    scene.give_up()
    scene.now = NOW + SECONDS + nodewaits._KEPT_SECONDS + passed
    scene.waits.take({})
    assert (("pool", PODS) in scene.left) is kept


def test_who_was_to_find_out_for_what_is_forgotten_finds_nothing_out(probing: Scene) -> None:
    probing.now += PATIENCE + nodewaits._KEPT_SECONDS
    probing.waits.take({})
    assert not probing.left
    probing.give_up(SECOND)
    probing.come(FIRST)
    assert set(probing.left) == {("pool", PODS)}


def test_what_its_prober_gives_up_late_is_remembered_with_its_own_words(probing: Scene) -> None:
    probing.now += PATIENCE + nodewaits._KEPT_SECONDS
    probing.give_up(why="the zone is full")
    assert probing.left == {("pool", PODS): LeftAlone(probing.now, probing.now + SECONDS, "the zone is full")}
