"""The pods of an Indexed Job: when they are read, and what is seen then."""

from typing import Any

from batchyard.core.lifecycle.array.mainpods import LOOK_SECONDS, given_up, hopeless, lost, reading_due
from batchyard.core.lifecycle.lostnodes import LOOK_SECONDS as LOST_LOOK_SECONDS
from batchyard.core.model.cluster.node import Node
from unit.core.lifecycle.array.arrays import (
    ended,
    main,
    view,
)
from unit.samples import NOW, make_pod

SLOW = make_pod(waiting_reason="ImagePullBackOff", index=1, created=NOW, bound_at=NOW + 50)
HOPELESS = make_pod(waiting_reason="InvalidImageName", index=2, created=NOW, bound_at=NOW + 50)


def test_nothing_is_read_while_all_is_well() -> None:
    assert reading_due(view()) == []
    assert reading_due(view(main=main(active=4, ready=4))) == []
    assert reading_due(view(main=ended("0-8", "9")._replace(active=2))) == []


def test_what_does_not_start_is_read_sooner_than_what_does_not_end() -> None:
    slow = main(active=4, ready=3, created=NOW)
    assert reading_due(view(main=slow, looked_at=0.0)) == [NOW + LOOK_SECONDS]
    assert reading_due(view(main=slow, looked_at=NOW + 7)) == [NOW + 7 + LOOK_SECONDS]
    leaving = main("0", active=4, ready=4)
    assert reading_due(view(main=leaving, leaving=[1], looked_at=NOW)) == [NOW + LOST_LOOK_SECONDS]
    assert reading_due(view(main=leaving, leaving=[0], looked_at=NOW)) == [], "it has ended"
    assert reading_due(view(main=main(deleting=True, active=4, ready=4), looked_at=NOW)) == [NOW + LOST_LOOK_SECONDS]


def test_a_pod_is_given_up_when_its_time_is_over() -> None:
    seen = view(main=main(), waiting=(make_pod(index=0), SLOW, HOPELESS))
    grace = seen.terms.startup_grace_seconds
    assert hopeless(seen) == [(NOW + 50 + grace, SLOW), (NOW + 50, HOPELESS)]
    assert given_up(seen) == [HOPELESS]
    assert hopeless(view(main=main(), waiting=(HOPELESS._replace(asked_to_stop_at=NOW),))) == []


def test_pods_are_lost_with_their_node() -> None:
    nodes = {"n1": Node("n1", {}, {}, lost=True, lost_since=NOW), "n2": Node("n2", {}, {})}
    pods = tuple(
        make_pod(index=index, node_name=node, asked_to_stop_at=NOW) for index, node in ((1, "n1"), (2, "n2"), (3, "n1"))
    )
    seen: dict[str, Any] = {"leaving_pods": pods, "nodes": nodes}
    assert [pod.index for pod in lost(view(main=main(), leaving=[1, 2], **seen))] == [1]
    assert [pod.index for pod in lost(view(main=main(deleting=True), **seen))] == [1, 3]
    assert lost(view(main=ended("0-9"), leaving=[1], **seen)) == []
