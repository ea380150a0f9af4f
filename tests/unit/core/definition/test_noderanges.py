"""Which nodes of a multi-node job run what."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.reasons import Reason
from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.noderanges import NodeRangeError, parts
from batchyard.core.definition.template import resolve
from batchyard.core.model.definition import Resolved
from unit.samples import make_job, make_revision


def ranges(*texts: str, size: int, main: int = 0) -> dict[str, Any]:
    return {"numNodes": size, "mainNode": main, "nodeRanges": [{"targetNodes": text} for text in texts]}


def split(multi_node: dict[str, Any], **overrides: Any) -> dict[str, tuple[int, ...]]:
    _, found = parts(multi_node, overrides)
    return {part.range["targetNodes"]: part.nodes for part in found}


@pytest.mark.parametrize(
    ("texts", "size", "expected"),
    [
        (["0:"], 3, {"0:": (0, 1, 2)}),
        ([":2"], 3, {":2": (0, 1, 2)}),
        (["0", "1:"], 3, {"0": (0,), "1:": (1, 2)}),
        (["0:", "1:2", "2"], 4, {"0:": (0, 3), "1:2": (1,), "2": (2,)}),
        (["0:3", "0:3"], 4, {"0:3": (0, 1, 2, 3)}),
        (["0:2", "1:4"], 5, {"0:2": (0, 1, 2), "1:4": (3, 4)}),
    ],
)
def test_the_narrower_range_counts(texts: list[str], size: int, expected: dict[str, tuple[int, ...]]) -> None:
    assert split(ranges(*texts, size=size)) == expected


def test_of_equally_narrow_ranges_the_one_named_last_counts() -> None:
    assert split(ranges("0:1", "1:2", size=3)) == {"0:1": (0,), "1:2": (1, 2)}


@pytest.mark.parametrize(
    ("multi_node", "words"),
    [
        (ranges("0", size=2), "spec.multiNode.nodeRanges: none says what node 1 runs: let them cover all nodes"),
        (ranges("0:5", size=4), 'range "0:5" names nodes that do not exist, as there are 4 nodes, numbered 0 to 3'),
        (ranges("4:", size=4), 'range "4:" names nodes that do not exist, as there are 4 nodes, numbered 0 to 3'),
        (ranges("9", size=1), 'range "9" names nodes that do not exist, as there is one node, which is number 0'),
        (ranges("2:1", ":", size=3), 'nodeRanges: range "2:1" ends before it begins: write "1:2"'),
        (ranges("9:5", ":", size=3), 'nodeRanges: range "9:5" ends before it begins: write "5:9"'),
        (ranges("0:", size=2, main=2), "mainNode is 2, but there are 2 nodes, numbered 0 to 1: ask for 3 nodes at"),
    ],
)
def test_ranges_that_do_not_fit(multi_node: dict[str, Any], words: str) -> None:
    with pytest.raises(NodeRangeError, match=words):
        parts(multi_node, {})


def test_another_number_of_nodes_needs_an_open_end() -> None:
    assert split(ranges("0", "1:", size=2), numNodes=4) == {"0": (0,), "1:": (1, 2, 3)}
    assert split(ranges("0:1", size=2), numNodes=2) == {"0:1": (0, 1)}
    with pytest.raises(NodeRangeError, match="needs a range with an open end"):
        parts(ranges("0:1", size=2), {"numNodes": 3})


@given(
    size=st.integers(1, 20),
    bounds=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=4),
)
def test_every_node_is_in_exactly_one_part(size: int, bounds: list[tuple[int, int]]) -> None:
    texts = [f"{min(pair)}:{max(pair)}" for pair in bounds if max(pair) < size]
    _, found = parts(ranges("0:", *texts, size=size), {})
    assert sorted(node for part in found for node in part.nodes) == list(range(size))


# The same through the whole merge of a job into its definition.

CONTAINER = {"image": "mpi", "command": ["run", "Ref::codec"], "resources": {"requests": {"cpu": "2"}}}
LEADER = {"image": "lead", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}
MULTI_NODE = {
    "numNodes": 3,
    "nodeRanges": [{"targetNodes": "0:", "container": CONTAINER}, {"targetNodes": "0", "container": LEADER}],
}


def resolved(multi_node: dict[str, Any] | None = None, **job: Any) -> Resolved:
    revision = make_revision(multiNode=multi_node or MULTI_NODE)
    content = {name: value for name, value in revision.content.items() if name != "container"}
    return resolve(make_job(**job), type(revision)(revision.definition, 3, content, "", 0.0))


def test_what_all_nodes_ask_for_together() -> None:
    answer = resolved()
    assert answer.request == {"pods": 3, "cpu": 5000, "memory": 2**30}
    assert answer.template["spec"]["containers"][0]["image"] == "lead"
    assert answer.gang is not None
    assert [(group.nodes, group.request["cpu"]) for group in answer.gang.groups] == [((1, 2), 2000), ((0,), 1000)]
    assert answer.gang.group(2).template["spec"]["containers"][0]["command"] == ["run", "Ref::codec"]
    assert answer.parameters["codec"] == "h264"


def test_overrides_reach_the_nodes_they_name() -> None:
    changes = {"targetNodes": ":2", "containerOverrides": [{"resources": {"requests": {"cpu": "3"}}}]}
    answer = resolved(nodeOverrides={"nodeRanges": [changes]})
    assert answer.request["cpu"] == 7000
    more = resolved(nodeOverrides={"numNodes": 5})
    assert more.gang is not None
    assert (more.gang.size, more.request["pods"], more.request["cpu"]) == (5, 5, 9000)


@pytest.mark.parametrize(
    ("job", "reason", "words"),
    [
        ({"containerOverrides": [{"image": "x"}]}, Reason.INVALID_SPEC, "use spec.nodeOverrides"),
        ({"array": {"size": 2}}, Reason.INVALID_SPEC, "remove spec.array"),
        ({"nodeOverrides": {"nodeRanges": [{"targetNodes": "1:2"}]}}, Reason.INVALID_SPEC, "use one of 0:2, 0:0"),
        ({"nodeOverrides": {"nodeRanges": [{"targetNodes": "7"}]}}, Reason.INVALID_SPEC, "nodes that do not exist"),
        (
            {"nodeOverrides": {"nodeRanges": [{"targetNodes": "0:", "containerOverrides": [{"name": "other"}]}]}},
            Reason.UNKNOWN_CONTAINER,
            'range "0:" of nodes:',
        ),
    ],
)
def test_a_job_that_does_not_fit_its_definition(job: dict[str, Any], reason: Reason, words: str) -> None:
    with pytest.raises(TemplateError, match=words) as error:
        resolved(**job)
    assert error.value.reason == reason


def test_node_overrides_need_nodes() -> None:
    with pytest.raises(TemplateError, match=r"the JobDefinition has no spec\.multiNode"):
        resolve(make_job(nodeOverrides={"numNodes": 2}), make_revision())
