"""What other pods take, by node, after any events."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.pods.constraints import ANY_ADDRESS
from batchyard.objects.kubernetes.otherpod import read_other_pod
from batchyard.runtime.state.pods.otherpods import Origin, OtherPods

CPU_500 = {"cpu": 500, "pods": 1}


class Told:
    """The store, and what it told of."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, bool]] = []
        self.pods = OtherPods(lambda node, freed: self.changes.append((node, freed)))

    def take(self) -> list[tuple[str, bool]]:
        taken, self.changes = self.changes, []
        return taken


def pod(
    uid: str = "a",
    node: str = "n1",
    *,
    cpu: str = "500m",
    port: int = 0,
    phase: str = "Running",
    owner: str = "ReplicaSet",
) -> dict[str, Any]:
    container = {"name": "main", "resources": {"requests": {"cpu": cpu}}, "ports": [{"hostPort": port}]}
    references = [{"kind": owner, "name": "x", "uid": "u", "controller": True}]
    return {
        "metadata": {"namespace": "web", "name": f"pod-{uid}", "uid": uid, "ownerReferences": references},
        "spec": {"nodeName": node, "containers": [container]},
        "status": {"phase": phase},
    }


def test_a_pod_counts_from_its_binding_to_its_end() -> None:
    told = Told()
    told.pods.put(pod(node=""))
    assert told.take() == []
    told.pods.put(pod(phase="Pending"))
    assert told.pods.by_node == {"n1": CPU_500}
    assert told.take() == [("n1", False)]
    told.pods.put(pod(phase="Running"))
    assert told.take() == []
    told.pods.put(pod(phase="Succeeded"))
    assert told.pods.by_node == {}
    assert told.take() == [("n1", True)]
    told.pods.remove("a")
    assert told.take() == []


def test_pods_of_a_node_add_up_and_leave_as_they_came() -> None:
    told = Told()
    told.pods.put(pod("a"))
    told.pods.put(pod("b", cpu="1", owner="DaemonSet"))
    told.pods.put(pod("c", "n2", cpu="0"))
    assert told.pods.by_node == {"n1": {"cpu": 1500, "pods": 2}, "n2": {"pods": 1}}
    assert told.pods.fixed_by_node == {"n1": {"cpu": 1000, "pods": 1}}
    for uid in "abc":
        told.pods.remove(uid)
    assert (told.pods.by_node, told.pods.fixed_by_node) == ({}, {})


def test_a_pod_that_shrinks_frees_room_and_one_that_grows_does_not() -> None:
    told = Told()
    told.pods.put(pod(cpu="1"))
    told.take()
    told.pods.put(pod(cpu="500m"))
    assert told.take() == [("n1", True)]
    told.pods.put(pod(cpu="2"))
    assert told.take() == [("n1", False)]
    assert told.pods.by_node == {"n1": {"cpu": 2000, "pods": 1}}


def test_ports_are_taken_as_long_as_any_pod_has_them() -> None:
    told = Told()
    told.pods.put(pod("a", port=80))
    told.pods.put(pod("b", port=80))
    told.pods.put(pod("c"))
    assert told.pods.ports_by_node == {"n1": {("TCP", 80, ANY_ADDRESS)}}
    told.pods.remove("a")
    assert told.pods.ports_by_node == {"n1": {("TCP", 80, ANY_ADDRESS)}}
    told.pods.remove("b")
    assert told.pods.ports_by_node == {}


def test_what_is_ours_is_kept_in_mind_and_counts_once_it_is_not_claimed_any_more() -> None:
    told = Told()
    told.pods.put(pod(), Origin.RUNS, ours=True)
    assert (told.pods.by_node, told.take()) == ({}, [])
    told.pods.claim("a", False)
    assert (told.pods.by_node, told.take()) == ({"n1": CPU_500}, [("n1", False)])
    told.pods.put(pod(), Origin.RUNS, ours=True)
    assert (told.pods.by_node, told.take()) == ({}, [("n1", True)])
    told.pods.claim("unknown", False)
    told.pods.remove("a", Origin.RUNS)
    assert (told.pods.by_node, told.take()) == ({}, [])


def test_a_pod_whose_labels_change_is_not_lost_whichever_informer_speaks_first() -> None:
    told = Told()
    told.pods.put(pod())
    told.pods.put(pod(), Origin.RUNS)
    told.pods.remove("a")
    assert told.pods.by_node == {"n1": CPU_500}


def test_what_could_not_be_understood_is_told_by_node() -> None:
    told = Told()
    told.pods.put(pod(cpu="much"))
    assert told.pods.by_node == {"n1": {"pods": 1}}
    assert told.pods.ignored_by_node == {
        "n1": {"a": "pod web/pod-a: the request of container main for cpu is no amount"}
    }
    told.pods.put(pod())
    assert told.pods.ignored_by_node == {}
    assert told.pods.by_node == {"n1": CPU_500}


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["", "n1", "n2"]),
            st.sampled_from(["0", "1", "x"]),
            st.sampled_from([0, 80]),
            st.sampled_from(["Running", "Failed"]),
            st.sampled_from(["DaemonSet", "ReplicaSet"]),
            st.sampled_from(["put", "ours", "remove", "disclaim"]),
        )
    )
)
def test_after_any_events_the_sums_are_those_of_the_pods_that_are_shown(events: Any) -> None:
    """Compared with sums from nothing. A pod that is bound stays where it is, as it is."""
    told, shown = Told(), dict[str, tuple[dict[str, Any], bool]]()
    bound = dict[str, Any]()
    for uid, node, cpu, port, phase, owner, verb in events:
        node, cpu, port, owner = bound.get(uid, (node, cpu, port, owner))  # noqa: PLW2901 - as it was bound
        match verb:
            case "remove":
                told.pods.remove(uid, Origin.RUNS)
                shown.pop(uid, None)
                bound.pop(uid, None)
            case "disclaim":
                told.pods.claim(uid, False)
                if uid in shown:
                    shown[uid] = (shown[uid][0], True)
            case _:
                if node:
                    bound[uid] = node, cpu, port, owner
                obj = pod(uid, node, cpu=cpu, port=port, phase=phase, owner=owner)
                told.pods.put(obj, Origin.RUNS, ours=verb == "ours")
                shown[uid] = (obj, verb == "put")
                if read_other_pod(obj) is None:
                    del shown[uid]
    anew = OtherPods(lambda node, freed: None)
    for obj, counts in shown.values():
        if counts:
            anew.put(obj)
    assert told.pods.by_node == anew.by_node
    assert told.pods.fixed_by_node == anew.fixed_by_node
    assert told.pods.ports_by_node == anew.ports_by_node
    assert told.pods.ignored_by_node == anew.ignored_by_node
