"""Which nodes are right for a pod, at the cost of those that are and not of all that there are.

Many jobs wait with a few constraints, and a cluster has thousands of nodes. So nodes are looked up by the most telling
label that a pod asks for, and what was found is kept for the next job that asks the same.
"""

from collections.abc import Collection, Iterable, Sequence

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.pods.constraints import Constraints, Term
from batchyard.core.scheduling.capacity.nodefit import admits

_MOST_KEPT = 250_000
"""Names in all answers that are kept; about 20 MB."""

_Lists = list[Sequence[str]]
"""Lists of names that together hold all nodes in question, some of them perhaps twice."""


class LabelIndex:
    """Nodes by label. It holds for these nodes as they are: when one comes, goes or changes, make another."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._by_label: dict[str, dict[str, list[str]]] = {}
        self._answers: dict[Constraints, frozenset[str] | None] = {}
        self._kept = 0

    @property
    def nodes(self) -> Collection[Node]:
        """The nodes."""
        return self._nodes.values()

    def node(self, name: str) -> Node | None:
        """One of the nodes; None where it is none of them."""
        return self._nodes.get(name)

    def matching(self, constraints: Constraints) -> frozenset[str] | None:
        """The names of the nodes that admit a pod of these constraints, ports and amounts apart; None: all do."""
        if not constraints.chooses:
            return None
        if constraints in self._answers:
            return self._answers[constraints]
        found = frozenset(
            name
            for names in self._candidates(constraints)
            for name in names
            if name in self._nodes and admits(constraints, self._nodes[name])
        )
        answer = None if len(found) == len(self._nodes) else found
        self._keep(constraints, answer)
        return answer

    def _keep(self, constraints: Constraints, answer: frozenset[str] | None) -> None:
        self._kept += 1 + len(answer or ())
        if self._kept > _MOST_KEPT:
            self._answers.clear()
            self._kept = 1 + len(answer or ())
        self._answers[constraints] = answer

    def _candidates(self, constraints: Constraints) -> _Lists:
        """The fewest nodes that one part of the constraints leaves."""
        ways: list[_Lists] = [[list(self._nodes)]]
        if constraints.node_name:
            ways.append([[constraints.node_name]])
        ways.extend([self._having(key).get(value, [])] for key, value in constraints.selector)
        if constraints.terms:
            ways.append([names for term in constraints.terms for names in self._of_term(term)])
        return min(ways, key=_size)

    def _of_term(self, term: Term) -> _Lists:
        if not term.labels and not term.fields:
            return []
        ways: list[_Lists] = [[list(self._nodes)]]
        for key, operator, values in term.labels:
            if operator == "In":
                having = self._having(key)
                ways.append([having.get(value, []) for value in values])
            elif operator in ("Exists", "Gt", "Lt"):
                ways.append(list(self._having(key).values()))
        ways.extend([values] for _, operator, values in term.fields if operator == "In")
        return min(ways, key=_size)

    def _having(self, key: str) -> dict[str, list[str]]:
        """Names of nodes by the value of one label; sorted out when somebody first asks for that label."""
        found = self._by_label.get(key)
        if found is None:
            found = self._by_label[key] = {}
            for name, node in self._nodes.items():
                if (value := node.labels.get(key)) is not None:
                    found.setdefault(value, []).append(name)
        return found


def _size(names: _Lists) -> int:
    return sum(map(len, names))
