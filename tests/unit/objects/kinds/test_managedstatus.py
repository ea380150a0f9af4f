"""What the status of a managed environment says of its nodes."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.api.models.computeenvironment import MOST_KINDS, ComputeEnvironmentStatus
from batchyard.core.insight.interruptions import Interruptions, NodeHistory
from batchyard.core.insight.madenodes import MadeNodes, NodeKind, Vcpus
from batchyard.core.insight.nodesview import Free, NodesView
from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.environment import Environment
from batchyard.core.scheduling.capacity.coming.trouble import Trouble
from batchyard.objects.kinds.computeenvironment import read_environment, read_history, render_environment_status
from objects.managed import managed_environment
from unit.objects.conftest import Golden
from unit.samples import NOW, make_environment

GI = 2**30
BURST = read_environment(managed_environment())
SPOT = NodeKind("zone-a", "c-4x", "spot")
SOME = MadeNodes(
    claims=4,
    coming=3,
    coming_since=NOW - 90,
    provisioned={"cpu": 8000, "memory": 32 * GI, "pods": 220},
    kinds=((NodeKind("", "", ""), 2), (SPOT, 2)),
    vcpus=Vcpus(desired=12500, provisioned=8000, in_use=3000, idle=1000),
    history=NodeHistory(17, Interruptions(3, NOW - 90, 1.23456)),
)
NO_ARM = {"operator": "In", "values": ["arm64"]}
BEFORE = "2025-12-31T23:00:00Z"


def status(
    made: MadeNodes | None = None,
    trouble: Trouble | None = None,
    *,
    nodes: int = 0,
    environment: Environment = BURST,
    previous: dict[str, Any] | None = None,
    **view: Any,
) -> dict[str, Any]:
    return render_environment_status(
        environment,
        nodes=nodes,
        view=NodesView({}, made=made or MadeNodes(), trouble=trouble, **view),
        capacity={"cpu": 16000},
        used={},
        free=Free({}, {}),
        previous=previous or {},
        now=NOW,
    )


def condition(found: dict[str, Any], kind: str = "Ready") -> tuple[str, str, str]:
    one = next((each for each in found["conditions"] if each["type"] == kind), None)
    return (one["status"], one["reason"], one["message"]) if one else ("", "", "")


def test_the_status_of_a_managed_environment(golden: Golden) -> None:
    found = status(SOME, nodes=1)
    ComputeEnvironmentStatus.model_validate(found)
    golden("managed-environment", found)


def test_without_nodes_it_is_ready_all_the_same() -> None:
    found = status()
    assert condition(found) == ("True", "ScaledToZero", "it has no nodes now; they are made when jobs need them")
    assert condition(found, "Scaling") == ("", "", "")
    assert (found["nodesComing"], found["provisioned"], found["madeNodes"]) == (0, {}, [])


def test_with_nodes_it_says_how_many() -> None:
    assert condition(status(MadeNodes(claims=2), nodes=2)) == ("True", "NodesAvailable", "2 nodes can take jobs")


@pytest.mark.parametrize(
    ("coming", "words"),
    [
        (1, "1 node is on its way since 2026-01-01T00:00:00Z"),
        (3, "3 nodes are on their way since 2026-01-01T00:00:00Z"),
    ],
)
def test_nodes_on_their_way_are_a_condition_of_their_own(coming: int, words: str) -> None:
    found = status(MadeNodes(claims=coming, coming=coming, coming_since=NOW))
    assert condition(found, "Scaling") == ("True", "NodesComing", words)
    assert condition(found)[:2] == ("True", "ScaledToZero")


@pytest.mark.parametrize("nodes", [0, 2])
def test_what_keeps_nodes_from_being_made_goes_first(nodes: int) -> None:
    found = status(SOME, Trouble("NodePoolRefused", "the API server does not take it"), nodes=nodes)
    assert condition(found) == ("False", "NodePoolRefused", "the API server does not take it")
    assert condition(found, "Scaling")[0] == "True"


def test_a_disabled_or_refused_environment_says_that_first() -> None:
    trouble = Trouble("NodePoolRefused", "no")
    disabled = read_environment(managed_environment(fields={"state": "Disabled"}))
    assert condition(status(trouble=trouble, environment=disabled))[:2] == ("True", "Disabled")
    refused = read_environment(managed_environment(minVcpus=1))
    assert condition(status(trouble=trouble, environment=refused))[:2] == ("False", "InvalidSpec")


def test_since_when_there_is_no_node_is_kept_from_status_to_status() -> None:
    first = status()
    assert first["atZeroSince"] == "2026-01-01T00:00:00Z"
    assert status(previous={"atZeroSince": BEFORE})["atZeroSince"] == BEFORE
    there = status(SOME, previous={"atZeroSince": BEFORE})
    assert "atZeroSince" not in there
    assert status(previous=there)["atZeroSince"] == "2026-01-01T00:00:00Z"


def test_of_very_many_kinds_those_with_the_most_nodes_are_shown() -> None:
    kinds = tuple((NodeKind("z", f"type-{number:03}", "spot"), 1 + number % 2) for number in range(2 * MOST_KINDS + 10))
    found = status(MadeNodes(claims=len(kinds), kinds=kinds))
    ComputeEnvironmentStatus.model_validate(found)
    assert [each["nodes"] for each in found["madeNodes"]] == [2] * MOST_KINDS
    assert [each["instanceType"] for each in found["madeNodes"]][:2] == ["type-001", "type-003"]


def test_what_a_ceiling_leaves_is_free_whether_its_node_is_there_or_not() -> None:
    """Of what has no ceiling, that is what nodes have."""

    def free(environment: Environment, used: dict[str, int]) -> dict[str, str]:
        rendered = render_environment_status(
            environment,
            nodes=1,
            view=NodesView({}, made=MadeNodes()),
            capacity={"cpu": 16000, "memory": 2**30},
            used=used,
            free=Free({"cpu": 500, "memory": 2**20}, {"cpu": 500, "memory": 2**20}),
            previous={},
            now=NOW,
        )
        found: dict[str, str] = rendered["free"]
        return found

    assert free(BURST, {"cpu": 4000}) == {"cpu": "12", "memory": "1Mi"}
    assert free(BURST, {"cpu": 20000})["cpu"] == "0"
    assert free(make_environment(ceilings={"cpu": 16000}), {"cpu": 4000})["cpu"] == "500m"


def test_history_goes_on_from_what_was_written() -> None:
    assert read_history({}) == read_history(status()) == NodeHistory()
    written = status(SOME)
    assert read_history(written) == NodeHistory(17, Interruptions(3, NOW - 90, 1.235))
    again = status(replace(SOME, history=read_history(written)), previous=written)
    assert again == written


def test_a_rate_that_fades_changes_nothing_of_the_status() -> None:
    fraction = replace(SOME, history=NodeHistory(17, Interruptions(3, NOW - 89.5, 1.23456)))
    assert status(fraction)["interruptions"] == {"nodes": 3, "lastAt": "2025-12-31T23:58:30Z", "perHour": 1.235}


def test_counts_are_kept_while_an_environment_cannot_be_used() -> None:
    refused = read_environment(managed_environment(minVcpus=1))

    def render(environment: Environment) -> dict[str, Any]:
        values: dict[str, Any] = {
            "nodes": 0,
            "view": NodesView({}),
            "capacity": {},
            "used": {},
            "free": Free({}, {}),
            "now": NOW,
        }
        return render_environment_status(environment, previous=status(SOME), **values)

    assert read_history(render(refused)) == read_history(status(SOME))
    assert not {"scaleUps", "interruptions"} & render(make_environment()).keys(), "its nodes are not made any more"


def test_nodes_that_do_not_come_are_a_condition_of_their_own_and_others_may_come() -> None:
    found = status(failure=Failure("InsufficientCapacityError", "no capacity", NOW - 90, NOW))
    assert condition(found, "Degraded") == (
        "True",
        "InsufficientCapacityError",
        "no node has come since 23:58:30Z: no capacity",
    )
    assert condition(found)[:2] == ("True", "ScaledToZero")
    assert condition(status(), "Degraded") == ("", "", "")


@pytest.mark.parametrize(
    ("trouble", "fault", "said"),
    [
        (None, "", ("True", "Accepted", "nothing is wrong with spec")),
        (Trouble("ProvisionerMissing", "words"), "", ("True", "Accepted", "nothing is wrong with spec")),
        (Trouble("ProvisionerNotReady", "words"), "", ("True", "Accepted", "nothing is wrong with spec")),
        (Trouble("ProvisionerNotReady", "words"), "NodeClassNotFound", ("False", "NodeClassNotFound", "words")),
        (Trouble("NodePoolRefused", "words"), "", ("False", "NodePoolRefused", "words")),
        (Trouble("NodePoolNotOurs", "words"), "", ("False", "NodePoolNotOurs", "words")),
    ],
)
def test_what_is_wrong_with_what_the_user_wrote_is_told_apart(
    trouble: Trouble | None, fault: str, said: tuple[str, str, str]
) -> None:
    found = status(trouble=trouble, fault=fault)
    assert condition(found, "Valid") == said
    assert condition(found)[0] == ("True" if trouble is None else "False")


def test_a_refused_spec_is_not_valid_and_one_without_made_nodes_says_nothing_of_it() -> None:
    refused = read_environment(managed_environment(minVcpus=1))
    assert condition(status(environment=refused), "Valid") == ("False", "InvalidSpec", refused.refusal)
    contradictory = read_environment(managed_environment(requirements=[{"key": "kubernetes.io/arch", **NO_ARM}]))
    assert condition(status(environment=contradictory), "Valid")[:2] == ("False", "InvalidSpec")
    assert condition(status(environment=make_environment()), "Valid") == ("", "", "")
