from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.model.array import IndexedJob
from batchyard.core.model.resources import Resources, times
from batchyard.core.model.run import Run
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.charges import Charges
from batchyard.runtime.state.noderoom import NodeRoom
from unit.runtime.state.accounts.seen import occupancy
from unit.samples import make_job, make_node, make_pool, make_run

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
    observe(charges, run._replace(active=1), bound=bound, excess={"cpu": 500, "gpu": 1})
    assert freed.times == 0, "nothing is freed by any of it"
    [charge] = charges.charges.values()
    assert charge.run is not None
    assert charge.run.active == 1, "as it is now"
    observe(charges, run, bound={"node-2": bound["node-1"]}, excess={"cpu": 500, "gpu": 1})
    assert freed.times == 1, "room of a node"
    observe(charges, run, bound=bound)
    observe(charges, run, living=False)
    assert (charges.used, charges.charges) == ({}, {})
    assert freed.times == 3


ONE: Resources = {"cpu": 1000, "pods": 1}
NODES = (("a", ONE), ("a", ONE), ("b", ONE))


def expected(charges: Charges) -> str:
    """The nodes on which pods are expected, of all charges."""
    return "".join(node for charge in charges.charges.values() for node, _ in charge.expected)


def test_a_pod_is_expected_where_it_was_placed_until_it_is_bound(charges: Charges) -> None:
    charges.grant(JOB, None, PLACEMENT._replace(nodes=NODES[:1]), 1)
    assert expected(charges) == "a"
    charges.withdraw(JOB.key)
    run = make_run()
    observe(charges, run)
    assert (expected(charges), charges.homeless) == ("a", set())
    observe(charges, run, bound={"b": ONE})
    assert expected(charges) == ""
    assert [charge.assigned for charge in charges.charges.values()] == [(("b", ONE),)]


def test_slots_of_an_array_are_expected_where_they_were_placed(charges: Charges) -> None:
    charges.grant(JOB, None, PLACEMENT._replace(nodes=NODES), 3)
    charges.grant(JOB, None, PLACEMENT, 1)  # two are in a Job by now
    assert expected(charges) == "b"
    observe(charges, array(2))
    assert sorted(expected(charges)) == ["a", "a", "b"]
    charges.withdraw(JOB.key)
    observe(charges, array(3), bound={"a": ONE})
    assert sorted(expected(charges)) == ["a", "b"]
    observe(charges, array(3), bound={"a": ONE, "c": times(ONE, 2)})
    assert expected(charges) == ""


def test_what_has_no_node_is_homeless_until_it_is_expected_somewhere(charges: Charges, freed: Freed) -> None:
    run = make_run()
    observe(charges, run)
    (item,) = charges.homeless
    charges.expect(item, NODES[:1])
    assert (expected(charges), charges.homeless, freed.times) == ("a", set(), 0)
    charges.expect("unknown", NODES[:1])
    assert set(charges.charges) == {item}


def test_what_was_refused_is_expected_nowhere(charges: Charges) -> None:
    charges.grant(JOB, None, PLACEMENT._replace(nodes=NODES[:1]), 1)
    charges.withdraw(JOB.key)
    charges.grant(JOB, None, PLACEMENT._replace(nodes=NODES[2:]), 1)
    charges.withdraw(JOB.key)
    observe(charges, make_run())
    assert expected(charges) == "b"


def test_nodes_that_change_have_all_of_them_expected_anew() -> None:
    room = NodeRoom({})
    charges = Charges(Freed(), room)
    charges.grant(JOB, None, PLACEMENT._replace(nodes=NODES[:1]), 1)
    pools = {"pool": make_pool(make_node("a"))}
    assert room.space(pools).of("pool", "a")["cpu"] == 4000
    assert (expected(charges), charges.homeless) == ("", {JOB.key})
    charges.expect(JOB.key, NODES[:1])
    assert room.space(pools).of("pool", "a")["cpu"] == 3000


def test_pods_are_expected_elsewhere_where_another_was_faster() -> None:
    """Two slots on each node; the one that was expected on b runs on a, so one that was expected there goes to b."""
    others: dict[str, dict[str, int]] = {}
    room = NodeRoom(others)
    charges = Charges(Freed(), room)
    pools = {"pool": make_pool(make_node("a", cpu="2"), make_node("b", cpu="2"))}
    room.space(pools)
    charges.grant(JOB, None, PLACEMENT._replace(nodes=NODES[:2]), 2)
    late = make_run(owner=("media", "late"), owner_uid="late", name="late-1", uid="late")
    charges.grant(
        replace(JOB, key=late.owner, uid="late"), None, PLACEMENT._replace(key=late.owner, nodes=NODES[2:]), 1
    )
    charges.withdraw(late.owner)
    observe(charges, late)
    assert (sorted(expected(charges)), charges.homeless) == (["a", "a", "b"], set())
    observe(charges, late, bound={"a": ONE})
    assert (expected(charges), charges.homeless) == ("", {JOB.key})
    charges.expect(JOB.key, (("a", ONE), ("b", ONE)))
    others["b"] = {"cpu": 1500, "pods": 1}
    room.others_changed("b")
    assert charges.homeless == {JOB.key}, "a pod of others was faster"
