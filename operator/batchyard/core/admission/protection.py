"""Namespaces in which no job runs, whoever may create BatchJobs there.

Pods of kube-system and of the operator's own namespace can use service accounts that may do anything: a right on
BatchJobs alone must not lead to these. What runs there already, since it was started before, goes on to its end, an
array in the slots that it has.
"""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Protection:
    """What is protected; nothing by default."""

    own: str = ""
    """The operator's own namespace."""
    others: frozenset[str] = frozenset()

    def refusal(self, namespace: str) -> str:
        """Why no job runs in a namespace, and what to do; empty if one may."""
        if namespace == self.own:
            return f"namespace {namespace} is the operator's own, and no jobs run there: use another namespace"
        if namespace in self.others:
            return (
                f"namespace {namespace} is protected, and no jobs run there: use another namespace, or have it taken"
                " out of the operator's option --protected-namespaces (the chart's value protectedNamespaces)"
            )
        return ""


NOTHING_PROTECTED = Protection()
