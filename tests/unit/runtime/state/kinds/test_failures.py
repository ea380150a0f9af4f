"""Which environments get no nodes, by what Karpenter has told of claims, NodePools and pods."""

from typing import Any

import pytest

from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.environment import Environment
from batchyard.objects.kinds.computeenvironment import read_environment
from batchyard.objects.kubernetes.karpenter.nodepool import render_nodepool
from batchyard.objects.times import format_time, parse_time
from batchyard.runtime.state.kinds.provisioned import Provisioned
from objects.managed import CREATED, managed_environment, node_claim
from objects.nonodes import (
    NO_CAPACITY,
    NO_OFFERING,
    about_claim,
    about_pod,
    about_pool,
    karpenter_event,
    launched,
    not_launched,
    unschedulable,
)
from unit.samples import make_environment

START = parse_time(CREATED)
SIZE = {"cpu": "4"}


class Known:
    """What is known of Karpenter, with the environments that there are."""

    def __init__(self, *names: str) -> None:
        self.told: list[str] = []
        self.environments: dict[str, Environment] = {}
        for name in names or ("burst",):
            self.environments[name] = read_environment(managed_environment(name))
        self.provisioned = Provisioned(lambda: None, self.environments)
        self.provisioned.on_failure = self.told.append

    def fail(self, claim: str, at: float = 10, reason: str = "InsufficientCapacityError") -> None:
        words = f"NodeClaim {claim} event: {NO_CAPACITY}"
        self.provisioned.put_claim_event(karpenter_event(about_claim(claim), reason, words, format_time(START + at)))

    def claim(self, name: str = "burst-1", environment: str = "burst", **fields: Any) -> None:
        self.provisioned.put_claim(node_claim(name, environment, **fields))

    def launch(self, at: float, name: str = "burst-1", **fields: Any) -> None:
        self.claim(name, capacity=SIZE, conditions=[launched(format_time(START + at))], **fields)

    def failing(self, at: float, name: str = "burst") -> tuple[str, float, float] | None:
        """Reason, beginning and last time of what fails then."""
        found = self.provisioned.failure(name, START + at)
        return None if found is None else (found.reason, found.since - START, found.last - START)


ICE = ("InsufficientCapacityError", 10.0, 10.0)


def test_a_claim_that_nobody_has_seen_is_of_the_environment_that_its_name_tells() -> None:
    known = Known()
    known.fail("burst-mn62f")
    at = START + 10
    assert known.provisioned.failures == {"burst": Failure("InsufficientCapacityError", NO_CAPACITY, at, at)}
    assert known.told == ["burst"]
    known.fail("burst-mn62f")
    known.fail("burst-abcde", 5)
    assert known.told == ["burst"], "nothing later was heard"
    known.fail("burst-abcde", 20)
    assert known.told == ["burst", "burst"]
    assert known.failing(30) == ("InsufficientCapacityError", 5.0, 20.0)


def test_a_claim_that_is_known_is_of_its_own_environment() -> None:
    known = Known("burst", "burst-x")
    known.claim("burst-mn62f", "burst-x")
    known.fail("burst-mn62f")
    assert known.provisioned.failures.keys() == {"burst-x"}


def test_nodepools_of_others_have_no_part_in_it() -> None:
    known = Known()
    known.fail("other-mn62f")
    known.fail("burst-x-mn62f")
    assert known.provisioned.failures == {}
    pool = {**render_nodepool(known.environments["burst"])}
    pool["metadata"] = {**pool["metadata"], "uid": "uid", "labels": {}}
    known.provisioned.put_pool(pool)
    known.fail("burst-mn62f")
    assert (known.provisioned.failures, known.told) == ({}, [])


def test_only_environments_whose_nodes_are_made_and_that_exist_have_failures() -> None:
    known = Known()
    known.environments["mine"] = make_environment(name="mine")
    known.fail("mine-mn62f")
    known.provisioned.put_pod_event(
        karpenter_event(about_pod("job-1-abcde"), "FailedScheduling", unschedulable("")), ""
    )
    known.fail("burst-mn62f")
    known.claim(environment="gone", conditions=[not_launched("no quota")])
    assert known.provisioned.failures.keys() == {"burst"}
    del known.environments["burst"]
    assert (known.provisioned.failures, known.failing(11)) == ({}, None)


def test_one_that_is_made_anew_begins_anew() -> None:
    known = Known()
    known.fail("burst-mn62f", 10)
    known.fail("burst-abcde", 200)
    again = managed_environment()
    again["metadata"]["creationTimestamp"] = format_time(START + 100)
    known.environments["burst"] = read_environment(again)
    assert known.failing(201) == ("InsufficientCapacityError", 200.0, 200.0)
    again["metadata"]["creationTimestamp"] = format_time(START + 300)
    known.environments["burst"] = read_environment(again)
    assert known.provisioned.failures == {}


def test_nodepools_and_pods_tell_of_it_too() -> None:
    known = Known("burst", "other")
    at = format_time(START + 10)
    known.provisioned.put_pool_event(karpenter_event(about_pool("burst"), "NoCompatibleInstanceTypes", "none", at))
    text = unschedulable("other")
    known.provisioned.put_pod_event(karpenter_event(about_pod("job-1-abcde"), "FailedScheduling", text, at), "other")
    known.provisioned.put_pod_event(karpenter_event(about_pod("job-2-abcde"), "FailedScheduling", text, at), "burst")
    assert known.provisioned.failures == {
        "burst": Failure("NoCompatibleInstanceTypes", "none", START + 10, START + 10),
        "other": Failure("FailedScheduling", NO_OFFERING, START + 10, START + 10),
    }


def test_a_launch_after_it_ends_it_also_when_that_node_is_gone() -> None:
    known = Known()
    known.fail("burst-mn62f", 10)
    known.launch(10)
    assert known.failing(20) == ICE, "in the same second nobody knows what came first"
    known.launch(11, "burst-2")
    assert known.failing(20) is None
    known.provisioned.remove_claim("burst-2")
    assert known.failing(20) is None
    known.fail("burst-abcde", 30)
    assert known.failing(31) == ("InsufficientCapacityError", 30.0, 30.0)


def test_what_was_not_heard_of_for_ten_minutes_is_over() -> None:
    known = Known()
    known.fail("burst-mn62f")
    assert (known.failing(609), known.failing(611)) == (ICE, None)
    assert known.failing(5) == ICE, "Karpenter's clock may be ahead"
    assert known.failing(-5000) is None, "a clock was set back"


def test_a_claim_says_itself_why_it_is_not_launched() -> None:
    known = Known()
    known.claim(conditions=[not_launched("more than the quota", "VcpuLimitExceeded")])
    assert known.failing(1) == ("VcpuLimitExceeded", 0.0, 0.0)
    assert known.told == ["burst"]
    known.launch(5)
    assert known.failing(6) is None


def test_claims_may_be_seen_before_their_environment() -> None:
    known = Known("other")
    known.claim("burst-1", conditions=[not_launched("no quota")])
    for number in range(50):
        known.claim(f"gone-{number}", f"gone-{number}", conditions=[not_launched("no quota")])
        known.provisioned.remove_claim(f"gone-{number}")
    known.environments["burst"] = read_environment(managed_environment())
    assert known.failing(1) == ("LaunchFailed", 0.0, 0.0)
    known.fail("other-mn62f")
    assert set(known.provisioned._failures.heard_of) == {"burst", "other"}, "nothing is kept for nobody"


def test_a_machine_of_which_no_node_comes_is_told_once_it_is_overdue() -> None:
    known = Known()
    known.launch(10)
    assert known.failing(309) is None
    assert known.failing(310) == ("NodeNotRegistered", 310.0, 310.0)
    known.launch(50, "burst-2")
    assert known.failing(360) == ("NodeNotRegistered", 310.0, 350.0)
    found = known.provisioned.failure("burst", START + 360)
    assert found is not None
    assert found.message == "2 machines were launched and have not joined the cluster within 300 s"
    known.launch(30, "burst-3", node="made-3")
    assert known.failing(360) == ("NodeNotRegistered", 350.0, 350.0), "the first is an exception"
    known.fail("burst-mn62f", 355)
    assert known.failing(360) == ("InsufficientCapacityError", 355.0, 355.0), "it was heard later"
    known.launch(356, "burst-4", node="made-4")
    assert known.failing(700) is None


@pytest.mark.parametrize("deleting", [False, True])
def test_one_that_goes_is_not_waited_for(deleting: bool) -> None:
    known = Known()
    known.launch(10)
    if deleting:
        known.launch(10, deleting=True)
    else:
        known.provisioned.remove_claim("burst-1")
    assert known.failing(400) is None


def test_events_are_followed_only_where_nodes_are_made() -> None:
    class Kind:
        missing = ""

    kind, known = Kind(), Known()
    known.provisioned.sources = [kind]
    assert known.provisioned.needed
    kind.missing = "install its CRD"
    assert not known.provisioned.needed
    kind.missing = ""
    known.environments.clear()
    known.environments["mine"] = make_environment(name="mine")
    assert not known.provisioned.needed
