from batchyard.core.model.array import IndexedJob
from batchyard.runtime.state.accounts.podsums import bound, excess
from batchyard.runtime.state.pods.livepods import Seat
from unit.samples import make_run

RUN = make_run(request={"cpu": 1000, "memory": 10})
GANG = make_run(node=0, request={"cpu": 2000, "pods": 2})


def seat(node: str = "node-1", **request: int) -> Seat:
    return Seat(node, tuple(sorted(request.items())))


def test_what_pods_take_is_summed_up_by_the_nodes_that_they_are_bound_to() -> None:
    seats = {seat(cpu=1000, memory=10): 2, seat(cpu=1500): 1, seat("node-2", cpu=1000): 1, seat("", cpu=1000): 7}
    assert bound(RUN, seats) == {
        "node-1": {"cpu": 3500, "memory": 20, "pods": 3},
        "node-2": {"cpu": 1000, "pods": 1},
    }
    assert bound(RUN, {}) == {}


def test_a_pod_whose_request_is_not_known_counts_with_that_of_its_run() -> None:
    assert bound(RUN, {seat(): 2}) == {"node-1": {"cpu": 2000, "memory": 20, "pods": 2}}
    assert bound(GANG, {seat(): 2}) == {"node-1": {"pods": 2}}, "that of the run is of all nodes together"


def test_what_pods_ask_for_beyond_their_grant_is_counted_for_each_of_them() -> None:
    array = RUN._replace(indexed=IndexedJob(9, 9))
    seats = {seat(cpu=1250, memory=5): 3, seat("", cpu=1000, memory=12, gpu=1): 1, seat("node-2"): 1}
    assert excess(array, seats) == {"cpu": 750, "memory": 2, "gpu": 1}
    assert excess(RUN, {seat(cpu=1000, memory=10): 1}) == {}
    assert excess(RUN, {seat(cpu=1500, memory=10): 1}) == {"cpu": 500}
    assert excess(RUN, {seat(cpu=1000, memory=10): 2}) == {"cpu": 1000, "memory": 10, "pods": 1}, "a second pod"


def test_of_a_multi_node_job_all_nodes_are_compared_together() -> None:
    assert excess(GANG, {seat(cpu=500): 1, seat(cpu=1500): 1}) == {}
    assert excess(GANG, {seat(cpu=1250): 2}) == {"cpu": 500}
    assert excess(GANG, {seat(cpu=1250): 1}) == {}, "one of two"
