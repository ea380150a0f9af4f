from dataclasses import replace

from batchyard.core.model.array import IndexedJob
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.limitusage import LimitUsage
from unit.runtime.state.accounts.seen import occupancy
from unit.samples import make_job, make_resolved, make_run

JOB = replace(make_job(), share="red")
PLACEMENT = Placement(JOB.key, "pool", {"cpu": 1000})


def array(slots: int) -> Run:
    return make_run(indexed=IndexedJob(9, slots), share="blue")


def observe(limit_usage: LimitUsage, run: Run) -> None:
    limit_usage.observe_run(run, None, occupancy(run))


def test_what_is_held_follows_grants_and_runs() -> None:
    limit_usage = LimitUsage()
    limit_usage.grant(JOB, None, PLACEMENT, 2)
    observe(limit_usage, array(5))
    assert limit_usage.amounts == {
        ("queue", "urgent"): 7,
        ("share", "urgent", "red"): 2,
        ("share", "urgent", "blue"): 5,
    }
    observe(limit_usage, array(3))
    limit_usage.withdraw(JOB.key)
    limit_usage.withdraw(JOB.key)
    limit_usage.reset()
    assert limit_usage.amounts == {("queue", "urgent"): 3, ("share", "urgent", "blue"): 3}
    observe(limit_usage, array(3)._replace(condition="Complete"))
    assert limit_usage.amounts == {}


def test_a_run_that_is_gone_holds_on_while_others_of_its_jobs_go_on() -> None:
    limit_usage, main = LimitUsage(), make_run(node=0)
    observe(limit_usage, main)
    limit_usage.forget_run(main, occupancy(main, living=True))
    assert limit_usage.amounts == {("queue", "urgent"): 1}
    limit_usage.forget_run(main, occupancy(main, living=False))
    assert limit_usage.amounts == {}


def test_consumable_resources_are_held_by_the_slot() -> None:
    limit_usage = LimitUsage()
    limit_usage.grant(JOB, replace(make_resolved(), consumables={"licence": 2}), PLACEMENT, 3)
    limit_usage.grant(JOB, replace(make_resolved(), consumables={"licence": 2}), PLACEMENT, 1)
    run = make_run(consumables={"licence": 4})
    observe(limit_usage, run)
    observe(limit_usage, run)
    assert limit_usage.amounts["consumable", "licence"] == 6
