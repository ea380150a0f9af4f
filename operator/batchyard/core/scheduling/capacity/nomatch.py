"""The sentence in which a job is told that no node is one for its pod: what excludes how many, and what would help."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from batchyard.api.excerpt import excerpt
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.pods.constraints import Constraints, Requirement
from batchyard.core.scheduling.capacity.coming.labels import Labels
from batchyard.core.scheduling.capacity.nodefit import Exclusion, Part, exclusion

_CAUSES = 3
"""How many causes a sentence tells, and how many values of one."""
_SHOWN = 64
"""Characters of a key or a value that a sentence shows."""
_REMEDIES = {
    Part.NODE_NAME: "take nodeName out of the JobDefinition, or submit to a queue with an environment of that node",
    Part.SELECTOR: "change the JobDefinition's nodeSelector, or label a node",
    Part.AFFINITY: "change the JobDefinition's node affinity, or label a node",
}
_OF_SEVERAL = "change what the JobDefinition asks of nodes, or label a node"


class Cause(NamedTuple):
    """How many nodes something excludes, and in which part of the pod it stands."""

    text: str
    nodes: int
    part: Part


def causes(constraints: Constraints, nodes: Iterable[Node]) -> list[Cause]:
    """What excludes how many of those nodes that do not admit the pod, most first.

    A node counts for the first of its causes: the node's name, then labels in the order of their keys, then affinity.
    """
    found = (exclusion(constraints, node) for node in nodes)
    counted = Counter(each for each in found if each is not None).most_common()
    return [Cause(_words(each, constraints), number, each.part) for each, number in counted]


def no_node_matches(
    queue: str, nodes: Mapping[str, Iterable[Node]], constraints: Constraints, made: Mapping[str, Labels] | None = None
) -> str:
    """Say why no environment has a node for the pod: `nodes` are the usable ones of each, at least one in all.

    `made` is which labels the nodes have that are made for some of them; then there may be none yet.
    """
    different = {node.name: node for several in nodes.values() for node in several}
    total, found = len(different), causes(constraints, different.values())
    environments = f"{'environment' if len(nodes) == 1 else 'environments'} {', '.join(nodes)}"
    if made and not found:
        return _none_is_made(queue, constraints, made)
    told = [f"{cause.text} excludes {_of(cause.nodes, total)}" for cause in found[:_CAUSES]]
    if rest := sum(cause.nodes for cause in found[_CAUSES:]):
        told.append(f"further causes exclude {_of(rest, total)}")
    parts = {cause.part for cause in found}
    remedy = _REMEDIES[parts.pop()] if len(parts) == 1 else _OF_SEVERAL
    if made:
        why, _ = _why_none_is_made(constraints, next(iter(made.values())))
        remedy = f"of nodes that are made, {why}; {remedy}"
    return f"no node of {environments} of queue {queue} is one for the pod: {', '.join(told)}; {remedy}"


def _none_is_made(queue: str, constraints: Constraints, made: Mapping[str, Labels]) -> str:
    """The same of environments whose nodes are made, and none is there: what they are made like excludes the pod."""
    environments = f"{'environment' if len(made) == 1 else 'environments'} {', '.join(made)}"
    why, remedy = _why_none_is_made(constraints, next(iter(made.values())))
    return f"no node that {environments} of queue {queue} can get is one for the pod: {why}; {remedy}"


def _why_none_is_made(constraints: Constraints, labels: Labels) -> tuple[str, str]:
    """What excludes the pod, and what would help."""
    if constraints.node_name:
        asks = f"none can be node {excerpt(constraints.node_name, _SHOWN)}, which it names"
        return asks, _REMEDIES[Part.NODE_NAME]
    part = "node affinity" if constraints.terms else "nodeSelector"
    lacking = labels.lacking(constraints)
    why = f"none can have {excerpt(lacking, _SHOWN)}" if lacking else f"none can have all that its {part} asks for"
    return why, (
        f"change the JobDefinition's {'nodeSelector' if lacking else part}, or what spec.managed of the"
        " ComputeEnvironment allows"
    )


def _of(number: int, total: int) -> str:
    if number < total:
        return f"{number} of {total} nodes"
    return "the only node" if total == 1 else f"all {total} nodes"


def _words(cause: Exclusion, constraints: Constraints) -> str:
    part, requirement = cause
    if requirement is None:
        terms = len(constraints.terms)
        return f"{part.value} ({'its term is empty' if terms == 1 else f'none of its {terms} terms is met'})"
    if part is Part.AFFINITY:
        return f"{part.value} on {_condition(requirement)}"
    value = excerpt(requirement.values[0], _SHOWN)
    return f"{part.value} {value}" if part is Part.NODE_NAME else f"{excerpt(requirement.key, _SHOWN)}={value}"


def _condition(requirement: Requirement) -> str:
    key, values = excerpt(requirement.key, _SHOWN), [excerpt(value, _SHOWN) for value in requirement.values[:_CAUSES]]
    if rest := len(requirement.values) - len(values):
        values.append(f"{rest} more")
    match requirement.operator:
        case "In":
            return f"{key} in ({', '.join(values)})"
        case "NotIn":
            return f"{key} not in ({', '.join(values)})"
        case "Exists":
            return f"{key}, which has to be there,"
        case "DoesNotExist":
            return f"{key}, which must not be there,"
    return f"{key} {'>' if requirement.operator == 'Gt' else '<'} {', '.join(values)}"
