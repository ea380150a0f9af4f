from typing import Any

import pytest

from batchyard.core.model.array import IndexedJob
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.charges import Charges
from batchyard.runtime.state.noderoom import NodeRoom
from unit.runtime.state.accounts.seen import occupancy
from unit.samples import make_job, make_run

JOB = make_job()
PLACEMENT = Placement(JOB.key, "pool", {"cpu": 1000})


class Freed:
    times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def freed() -> Freed:
    return Freed()


@pytest.fixture
def charges(freed: Freed) -> Charges:
    return Charges(freed, NodeRoom({}))


def observe(charges: Charges, run: Run, **fields: Any) -> None:
    charges.observe_run(run, None, occupancy(run, **fields))


def array(slots: int) -> Run:
    return make_run(indexed=IndexedJob(9, slots))


def test_a_grant_is_charged_by_the_slot_until_it_is_withdrawn(charges: Charges, freed: Freed) -> None:
    charges.grant(JOB, None, PLACEMENT, 3)
    charges.grant(JOB, None, PLACEMENT, 2)
    assert charges.used == {"pool": {"cpu": 2000, "pods": 2}}
    assert [charge.key for charge in charges.charges.values()] == [JOB.key]
    charges.withdraw(JOB.key)
    assert (charges.used, charges.charges) == ({}, {})
    assert freed.times == 2
    charges.withdraw(JOB.key)
    assert freed.times == 2, "nothing was freed"


def test_an_array_is_charged_for_the_slots_that_it_takes_up(charges: Charges, freed: Freed) -> None:
    observe(charges, array(4))
    observe(charges, array(4))
    assert freed.times == 0
    observe(charges, array(1))
    assert charges.used == {"pool": {"cpu": 1000, "pods": 1}}
    assert freed.times == 1


def test_a_multi_node_job_is_charged_once_and_as_long_as_any_of_it_lives(charges: Charges, freed: Freed) -> None:
    main = make_run(node=0, request={"cpu": 2000, "pods": 2})
    child = main._replace(name="videos-1-n1", uid="child", node=1, main_uid=main.uid)
    observe(charges, main)
    observe(charges, child)
    observe(charges, main._replace(condition="Complete"), living=True)
    charges.forget_run(main, occupancy(main, living=True))
    charges.reset()
    assert charges.used == {"pool": {"cpu": 2000, "pods": 2}}
    assert freed.times == 0
    observe(charges, child, living=False)
    assert charges.used == {}
    assert freed.times == 1


def test_a_run_is_charged_anew_when_its_pod_is_bound_or_asks_for_more(charges: Charges, freed: Freed) -> None:
    run, bound = make_run(), {"node-1": {"cpu": 1000, "pods": 1}}
    observe(charges, run)
    observe(charges, run, bound=bound)
    [charge] = charges.charges.values()
    assert (charge.bound, charge.amount) == (bound, {"cpu": 1000, "pods": 1})
    observe(charges, run, bound=bound, excess={"cpu": 500, "gpu": 1})
    assert charges.used == {"pool": {"cpu": 1500, "pods": 1, "gpu": 1}}
    assert freed.times == 2
    observe(charges, run._replace(active=1), bound=bound, excess={"cpu": 500, "gpu": 1})
    assert freed.times == 2
    [charge] = charges.charges.values()
    assert charge.run is not None
    assert charge.run.active == 1, "as it is now"
    observe(charges, run, living=False)
    assert (charges.used, charges.charges) == ({}, {})
