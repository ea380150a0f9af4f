"""What Events of Karpenter tell of nodes that do not come; the samples are those of versions 1.12.1 and 0.37."""

from typing import Any

import pytest

from batchyard.core.model.cluster.nodeclaim import Mishap
from batchyard.objects.kubernetes.karpenter.mishap import (
    MOST_BYTES,
    mishap,
    mishap_of_claim,
    mishap_of_pod,
    mishap_of_pool,
    pool_of,
)
from objects.nonodes import (
    NO_CAPACITY,
    NO_OFFERING,
    about_claim,
    about_pod,
    about_pool,
    karpenter_event,
    unschedulable,
)

AT, LATER = "2026-11-30T13:36:14Z", "2026-11-30T13:41:14Z"
SECONDS = 1_796_045_774.0
OLD = (
    'incompatible with nodepool "burst", daemonset overhead={"cpu":"180m","memory":"504Mi","pods":"4"}, no instance'
    ' type satisfied resources {"cpu":"280m","memory":"760Mi","pods":"5"} and requirements karpenter.sh/capacity-type'
    " In [on-demand spot], karpenter.sh/nodepool In [burst], kubernetes.io/os In [linux] (no instance type has the"
    " required offering)"
)


def of_claim(reason: str, message: str = NO_CAPACITY, **fields: Any) -> Mishap | None:
    event = karpenter_event(about_claim("burst-mn62f"), reason, f"NodeClaim burst-mn62f event: {message}", AT)
    return mishap_of_claim({**event, **fields})


def of_pod(message: str, environment: str = "burst") -> Mishap | None:
    return mishap_of_pod(karpenter_event(about_pod("job-1-abcde"), "FailedScheduling", message, AT), environment)


def test_a_claim_without_capacity_is_one_in_the_providers_words() -> None:
    assert of_claim("InsufficientCapacityError") == Mishap("InsufficientCapacityError", NO_CAPACITY, SECONDS)


def test_repeated_it_is_as_old_as_the_last_time() -> None:
    found = of_claim("InsufficientCapacityError", lastTimestamp=LATER, count=2)
    assert found is not None
    assert found.at == SECONDS + 300


@pytest.mark.parametrize(
    "reason",
    [
        "UnregisteredTaintMissing",
        "FailedConsistencyCheck",
        "TerminationGracePeriodExpiring",
        "SpotInterrupted",
        "TerminatingOnInterruption",
        "DisruptionBlocked",
        "",
    ],
)
def test_what_is_told_of_machines_that_are_there_is_none(reason: str) -> None:
    assert of_claim(reason) is None


def test_a_nodepool_for_which_nothing_is_to_be_had_is_one() -> None:
    words = "NodePool requirements filtered out all compatible available instance types"
    event = karpenter_event(about_pool("burst"), "NoCompatibleInstanceTypes", words, AT)
    assert mishap_of_pool(event) == Mishap("NoCompatibleInstanceTypes", words, SECONDS)
    assert mishap_of_pool({**event, "reason": "DisruptionBlocked"}) is None


def test_of_what_is_told_of_a_pod_the_part_about_its_environment_counts() -> None:
    assert of_pod(unschedulable()) == Mishap("FailedScheduling", NO_OFFERING, SECONDS)
    assert of_pod(unschedulable("other")) is None
    assert of_pod(unschedulable("burst-x")) is None


def test_versions_that_put_it_otherwise_are_understood() -> None:
    other = (
        'incompatible with nodepool "burst-x", daemonset overhead={"pods":"4"}, did not tolerate arch=arm64:NoSchedule'
    )
    found = of_pod(f"Failed to schedule pod, {other}; {OLD}")
    assert found == Mishap("FailedScheduling", "no instance type has the required offering", SECONDS)
    assert of_pod(f"Failed to schedule pod, {OLD.replace('burst', 'other')}; {other}") is None
    wrapped = "Failed to schedule pod, no instance type has the required offering (NodePool=burst, pods=1)"
    assert of_pod(wrapped) is not None


@pytest.mark.parametrize(
    "words",
    [
        "all available instance types exceed limits for nodepool (NodePool=burst)",
        "node limits have been exhausted for nodepool (NodePool=burst)",
        'all available instance types exceed limits for nodepool: "burst"',
        "no instance type has enough resources, requirements=karpenter.sh/nodepool In [burst]",
        "no instance type met all requirements, requirements=karpenter.sh/nodepool In [burst]",
        "did not tolerate taint (taint=team=x:NoSchedule)",
        "nodepool requirements filtered out all available instance types",
        'persistentvolumeclaim "data" not found',
        "",
    ],
)
def test_ceilings_and_what_does_not_fit_are_no_failure_of_the_provider(words: str) -> None:
    assert of_pod(f"Failed to schedule pod, {words}") is None


def test_what_a_scheduler_says_is_none() -> None:
    assert of_pod("0/3 nodes are available: 3 Insufficient cpu. nodepool (NodePool=burst) offering") is None


@pytest.mark.parametrize(
    ("reason", "kept"),
    [("VcpuLimitExceeded", "VcpuLimitExceeded"), ("no capacity!", "LaunchFailed"), ("", "LaunchFailed")],
)
def test_a_reason_that_a_condition_could_not_bear_is_another(reason: str, kept: str) -> None:
    assert mishap(reason, "words", 1.0) == Mishap(kept, "words", 1.0)
    assert mishap(reason, "", 1.0).message == kept


def test_many_words_are_cut_and_made_legible() -> None:
    found = mishap("LaunchFailed", "a\nb" + "x" * 5000, 1.0)
    assert len(found.message.encode()) <= MOST_BYTES
    assert found.message.startswith("a ↵ bxxx")


LONG = "a" * 60


@pytest.mark.parametrize(
    ("claim", "pools", "pool"),
    [
        ("burst-mn62f", {"burst"}, "burst"),
        ("burst-x-mn62f", {"burst"}, ""),
        ("burst-x-mn62f", {"burst", "burst-x"}, "burst-x"),
        ("burst-mn62f", {"burst-mn62f"}, ""),
        ("burst", {"burst"}, ""),
        ("", {"burst", ""}, ""),
        ("a" * 57 + "-mn62f", {"a" * 57, LONG}, "a" * 57),
        ("a" * 58 + "mn62f", {"a" * 57, LONG}, LONG),
        ("a" * 58 + "mn62f", {LONG, LONG + "b"}, ""),
    ],
)
def test_whose_a_claim_was_is_read_from_the_right_of_its_name(claim: str, pools: set[str], pool: str) -> None:
    assert pool_of(claim, pools) == pool
