"""Which nodes of a multi-node job run what: the arithmetic of `targetNodes`.

Nodes are counted from 0; each runs what the narrowest range around it says, and of equally narrow ones the one named
last.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batchyard.api.models.jobdefinition import MAIN_NODE


class NodeRangeError(Exception):
    """The nodes and their ranges do not go together, and never will as they are."""


@dataclass(slots=True, frozen=True)
class Part:
    """Nodes that run the same, as their range in the definition and the job's override of that range say."""

    nodes: tuple[int, ...]
    range: Mapping[str, Any]
    overrides: Sequence[Mapping[str, Any]]


def parts(multi_node: Mapping[str, Any], node_overrides: Mapping[str, Any]) -> tuple[int, list[Part]]:
    """The index of the main node, and the parts that its nodes fall into."""
    ranges = multi_node["nodeRanges"]
    size = _size(multi_node, node_overrides)
    main = multi_node.get("mainNode", MAIN_NODE)
    if main >= size:
        raise NodeRangeError(
            f"spec.multiNode.mainNode is {main}, but {_numbered(size)}: ask for {main + 1} nodes at least, or give"
            " another mainNode"
        )
    bounds = [_bounds(each["targetNodes"], size, "spec.multiNode.nodeRanges") for each in ranges]
    overrides = _overrides(node_overrides, bounds, size)
    nodes: dict[int, list[int]] = {}
    for node in range(size):
        nodes.setdefault(_narrowest(node, bounds), []).append(node)
    return main, [Part(tuple(nodes[index]), ranges[index], overrides.get(bounds[index], ())) for index in sorted(nodes)]


def _size(multi_node: Mapping[str, Any], node_overrides: Mapping[str, Any]) -> int:
    size: int = multi_node["numNodes"]
    wanted: int | None = node_overrides.get("numNodes")
    if wanted is None or wanted == size:
        return size
    if not any(each["targetNodes"].endswith(":") for each in multi_node["nodeRanges"]):
        raise NodeRangeError(
            "spec.nodeOverrides.numNodes needs a range with an open end in the JobDefinition, such as 1:, and there is"
            " none: take numNodes out of the job, or open a range of the definition"
        )
    return wanted


def _bounds(text: str, size: int, where: str) -> tuple[int, int]:
    """First and last node of a range; `where` is the field that it stands in."""
    low, colon, high = text.partition(":")
    first = int(low or 0)
    last = first if not colon else int(high) if high else max(size - 1, first)
    if first > last:
        raise NodeRangeError(f'{where}: range "{text}" ends before it begins: write "{last}:{first}"')
    if last >= size:
        raise NodeRangeError(
            f'{where}: range "{text}" names nodes that do not exist, as {_numbered(size)}: take others, or raise'
            " numNodes"
        )
    return first, last


def _numbered(size: int) -> str:
    return f"there are {size} nodes, numbered 0 to {size - 1}" if size > 1 else "there is one node, which is number 0"


def _narrowest(node: int, bounds: Sequence[tuple[int, int]]) -> int:
    around = [index for index, (first, last) in enumerate(bounds) if first <= node <= last]
    if not around:
        raise NodeRangeError(f"spec.multiNode.nodeRanges: none says what node {node} runs: let them cover all nodes")
    return min(around, key=lambda index: (bounds[index][1] - bounds[index][0], -index))


def _overrides(
    node_overrides: Mapping[str, Any], bounds: Sequence[tuple[int, int]], size: int
) -> dict[tuple[int, int], list[Mapping[str, Any]]]:
    found: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for each in node_overrides.get("nodeRanges") or ():
        text = each["targetNodes"]
        if (wanted := _bounds(text, size, "spec.nodeOverrides.nodeRanges")) not in bounds:
            ranges = ", ".join(f"{first}:{last}" for first, last in dict.fromkeys(bounds))
            raise NodeRangeError(
                f'spec.nodeOverrides.nodeRanges changes range "{text}", which the JobDefinition does not have:'
                f" use one of {ranges}"
            )
        found.setdefault(wanted, []).extend(each.get("containerOverrides") or ())
    return found
