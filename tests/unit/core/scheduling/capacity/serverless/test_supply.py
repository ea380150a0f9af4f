"""What can run where no nodes of the environment are needed, and what room a pass finds there."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.environment import Environment, Toleration
from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints, Requirement, Term
from batchyard.core.model.pods.podset import PodSet
from batchyard.core.model.resources import parse_resources
from batchyard.core.model.serverless.offer import Serverless, Sizes
from batchyard.core.scheduling.capacity.coming.room import MARK
from batchyard.core.scheduling.capacity.pools import pool
from batchyard.core.scheduling.capacity.serverless.supply import ServerlessSupply
from unit.samples import VIRTUAL, make_node, make_serverless

GIBIBYTE = 1024**3
VIRTUAL_NODE = make_node("virtual", labels={"type": "virtual-kubelet", "zone": "a"})


def supply_of(environment: Environment, nodes: Iterable[Node] = ()) -> ServerlessSupply:
    found = pool(environment, nodes).serverless
    assert found is not None
    return found


ON_FARGATE = supply_of(make_serverless())


def on_virtual_nodes(*nodes: Node, offer: Serverless = VIRTUAL) -> ServerlessSupply:
    environment = make_serverless(offer=offer, node_selector={"type": "virtual-kubelet"})
    return supply_of(environment, nodes or (VIRTUAL_NODE,))


def pod(constraints: Constraints = UNCONSTRAINED, **request: str) -> PodSet:
    return PodSet(1, parse_resources({name.replace("_", "-"): amount for name, amount in request.items()}), constraints)


def device(name: str) -> PodSet:
    return PodSet(1, {"cpu": 1000, name: 1})


def expressions(*found: Requirement) -> Constraints:
    return Constraints(terms=(Term(found),))


@pytest.mark.parametrize(
    ("constraints", "admitted"),
    [
        (UNCONSTRAINED, True),
        (Constraints(selector=(("kubernetes.io/os", "linux"),)), True),
        (Constraints(selector=(("kubernetes.io/arch", "amd64"), ("kubernetes.io/os", "linux"))), True),
        (Constraints(selector=(("eks.amazonaws.com/compute-type", "fargate"),)), True),
        (Constraints(selector=(("kubernetes.io/arch", "arm64"),)), False),
        (Constraints(selector=(("disk", "nvme"),)), False),
        (Constraints(selector=(("topology.kubernetes.io/zone", "eu-west-1a"),)), False),
        (expressions(Requirement("kubernetes.io/arch", "In", ("amd64", "arm64"))), True),
        (expressions(Requirement("disk", "NotIn", ("hdd",))), True),
        (expressions(Requirement("disk", "DoesNotExist")), True),
        (expressions(Requirement("disk", "Exists")), False),
        (expressions(Requirement("kubernetes.io/os", "NotIn", ("linux",))), False),
        (Constraints(terms=(Term(),)), False),
        (
            Constraints(terms=(Term((Requirement("disk", "Exists"),)), Term((Requirement("disk", "DoesNotExist"),)))),
            True,
        ),
    ],
)
def test_a_pod_gets_a_node_for_itself_with_the_labels_that_such_nodes_have(
    constraints: Constraints, admitted: bool
) -> None:
    assert ON_FARGATE.admits(constraints) is admitted
    assert ON_FARGATE.holds(pod(constraints, cpu="1")) is admitted
    assert ON_FARGATE.virtual_nodes == 0


@pytest.mark.parametrize(
    ("constraints", "admitted"),
    [
        (UNCONSTRAINED, True),
        (Constraints(selector=(("zone", "a"),)), True),
        (Constraints(selector=(("zone", "b"),)), False),
        (Constraints(selector=(("type", "machine"),)), False),
    ],
)
def test_virtual_nodes_have_labels_of_their_own(constraints: Constraints, admitted: bool) -> None:
    assert on_virtual_nodes().admits(constraints) is admitted
    assert on_virtual_nodes().holds(pod(constraints, cpu="1")) is admitted


def test_those_count_that_can_take_pods() -> None:
    tainted = replace(VIRTUAL_NODE, name="tainted", taints=(("virtual-kubelet.io/provider", "azure", "NoSchedule"),))
    machine = make_node("machine", labels={"type": "machine"})
    unready = replace(VIRTUAL_NODE, name="unready", ready=False)
    found = on_virtual_nodes(VIRTUAL_NODE, tainted, machine, unready)
    assert (found.virtual_nodes, found.withheld) == (1, "")
    environment = make_serverless(
        offer=VIRTUAL,
        node_selector={"type": "virtual-kubelet"},
        tolerations=(Toleration("virtual-kubelet.io/provider", "Exists"),),
    )
    assert supply_of(environment, (VIRTUAL_NODE, tainted)).virtual_nodes == 2


def test_without_any_no_pod_runs_and_why_is_told() -> None:
    found = on_virtual_nodes(make_node("machine"))
    assert found.virtual_nodes == 0
    assert found.withheld == (
        "no ready virtual node has the labels type=virtual-kubelet and only taints that the environment tolerates: see"
        " that the virtual kubelet runs, or change spec.serverless.nodeSelector or tolerations"
    )
    room = found.room()
    assert (room.open, room.withheld) == (False, found.withheld)
    assert room.room(pod(cpu="1"), 5) == 0
    assert found.holds(pod(cpu="1")), "it is no fault of the pod"


@pytest.mark.parametrize("size", ["1000", "100k"])
def test_how_much_is_free_on_virtual_nodes_says_nothing(size: str) -> None:
    assert on_virtual_nodes().holds(pod(cpu=size, memory="1Ti"))


def test_where_sizes_exist_a_pod_has_to_fit_in_one() -> None:
    assert ON_FARGATE.holds(pod(cpu="16", memory="119Gi"))
    assert not ON_FARGATE.holds(pod(cpu="16", memory="120Gi"))
    assert not ON_FARGATE.holds(pod(cpu="17"))
    assert ON_FARGATE.too_large(pod(cpu="17"))
    stated = on_virtual_nodes(offer=replace(VIRTUAL, sizes=(Sizes(2_000, (4 * GIBIBYTE,)),)))
    assert stated.holds(pod(cpu="2", memory="4Gi"))
    assert not stated.holds(pod(cpu="2", memory="5Gi"))
    assert not on_virtual_nodes().too_large(pod(cpu="100000"))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (ON_FARGATE, "largest size 16 vCPU, 120 GiB memory, of which its system takes 256 MiB memory"),
        (on_virtual_nodes(), "any size"),
        (
            on_virtual_nodes(offer=replace(VIRTUAL, sizes=(Sizes(500, (1,)), Sizes(2_000, (GIBIBYTE, 4 * GIBIBYTE))))),
            "largest size 2 vCPU, 4 GiB memory",
        ),
    ],
)
def test_the_largest_size_is_told(found: ServerlessSupply, words: str) -> None:
    assert found.largest == words


ASKS: dict[str, tuple[PodSet, str]] = {
    "a machine": (pod(Constraints(machine="container main is privileged")), "container main is privileged"),
    "a port": (pod(Constraints(ports=(("TCP", 8080, "0.0.0.0"),))), "it takes port 8080 of its node"),  # noqa: S104
    "a node": (pod(Constraints(node_name="node-7")), "it names node node-7"),
    "one zone": (pod(Constraints(one_zone=True)), "its nodes are to be in one zone (zonePolicy)"),
    "another device": (device("example.com/fpga"), "it asks for example.com/fpga"),
    "huge pages": (device("hugepages-2Mi"), "it asks for hugepages-2Mi"),
}


@pytest.mark.parametrize("what", ASKS)
def test_what_only_nodes_have_is_named(what: str) -> None:
    asked, words = ASKS[what]
    for found in (ON_FARGATE, on_virtual_nodes()):
        assert found.unfit(asked) == words
        assert not found.holds(asked)


def test_gpus_are_there_where_the_environment_says_so_and_other_devices_are_not() -> None:
    gpu = device("nvidia.com/gpu")
    assert ON_FARGATE.unfit(gpu) == "it asks for nvidia.com/gpu"
    assert on_virtual_nodes().unfit(gpu) == (
        "it asks for nvidia.com/gpu, and spec.maxGpus of the environment allows none"
    )
    with_gpus = on_virtual_nodes(offer=replace(VIRTUAL, gpus=True))
    assert with_gpus.holds(gpu)
    assert with_gpus.unfit(device("amd.com/gpu")) == "it asks for amd.com/gpu"


UNEQUAL = pod(Constraints(unequal="container main requests 1 GiB memory and may use 2 GiB memory"))


def test_limits_other_than_requests_matter_on_fargate_alone() -> None:
    assert ON_FARGATE.unfit(UNEQUAL) == (
        "container main requests 1 GiB memory and may use 2 GiB memory, and there both must be the same"
    )
    assert on_virtual_nodes().holds(UNEQUAL)


@pytest.mark.parametrize(("storage", "words"), [("175Gi", ""), ("176Gi", "it asks for 176 GiB ephemeral-storage")])
def test_storage_has_an_end_on_fargate_alone(storage: str, words: str) -> None:
    asked = pod(cpu="1", ephemeral_storage=storage)
    assert ON_FARGATE.unfit(asked) == (f"{words}, and can have 175 GiB ephemeral-storage at most" if words else "")
    assert on_virtual_nodes().holds(asked)


def test_of_several_reasons_the_first_is_told() -> None:
    asked = PodSet(1, {"nvidia.com/gpu": 1}, Constraints(machine="it has spec.hostPID", node_name="node-7"))
    assert ON_FARGATE.unfit(asked) == "it has spec.hostPID"


def test_there_is_room_for_as_many_as_are_asked_for_and_it_never_gets_less() -> None:
    room = ON_FARGATE.room()
    for _ in range(3):
        assert room.put(pod(cpu="16"), further=True) == MARK
    room.change(MARK, {"cpu": 16_000}, -1)
    assert room.fork().room(pod(cpu="16"), 1_000) == 1_000
    assert (room.open, room.full, room.withheld, dict(room.left)) == (True, False, "", {})


def test_there_is_none_for_what_cannot_run_there_or_may_not_ask_for_more() -> None:
    room = ON_FARGATE.room()
    assert room.put(pod(cpu="17"), further=True) is None
    assert room.room(pod(cpu="17"), 3) == 0
    assert room.put(pod(cpu="1"), further=False) is None
    assert room.room(pod(cpu="1"), 3, further=False) == 0


def test_nodes_that_are_kept_for_others_are_none_of_its_own() -> None:
    assert ON_FARGATE.room().put(pod(cpu="1"), {"node-1", MARK}, further=True) == MARK


def test_the_same_question_is_answered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, found, unfit = list[PodSet](), supply_of(make_serverless()), ServerlessSupply.unfit

    def heard(supply: ServerlessSupply, pods: PodSet) -> str:
        asked.append(pods)
        return unfit(supply, pods)

    monkeypatch.setattr(ServerlessSupply, "unfit", heard)
    assert [found.holds(pod(cpu="1")) for _ in range(3)] == [True] * 3
    assert len(asked) == 1
