"""Label selectors, taints and tolerations by Kubernetes' rules."""

from collections.abc import Iterable, Mapping

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.environment import Environment, Toleration
from batchyard.core.model.queue import Selector


def matches(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether the labels satisfy every requirement of the selector."""
    if any(labels.get(key) != value for key, value in selector.match_labels):
        return False
    return all(_expression_holds(labels, *expression) for expression in selector.expressions)


def _expression_holds(labels: Mapping[str, str], key: str, operator: str, values: tuple[str, ...]) -> bool:
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def selects(environment: Environment, node: Node) -> bool:
    """Whether the node has the labels that the environment's nodes have."""
    return all(node.labels.get(key) == value for key, value in environment.node_selector.items())


def usable(environment: Environment, node: Node) -> bool:
    """Whether new pods of the environment may be placed on the node now."""
    return (
        node.ready
        and node.schedulable
        and selects(environment, node)
        and all(_tolerated(taint, environment.tolerations) for taint in node.taints)
    )


def _tolerated(taint: tuple[str, str, str], tolerations: Iterable[Toleration]) -> bool:
    key, value, effect = taint
    return any(
        (not toleration.effect or toleration.effect == effect)
        and (not toleration.key or toleration.key == key)
        and (toleration.operator == "Exists" or (bool(toleration.key) and toleration.value == value))
        for toleration in tolerations
    )
