"""The rules that the pods of a job come under: what admission adds to them, and what they may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from batchyard.core.model.podadmission.limitrange import LimitRange
from batchyard.core.model.podadmission.runtimeclass import RuntimeClass


@dataclass(slots=True, frozen=True)
class PodRules:
    """The rules for the pods of one job."""

    limit_ranges: tuple[LimitRange, ...] = ()
    runtime_classes: Mapping[str, RuntimeClass | None] = field(default_factory=dict)
    """Those that its pods name; None for one that does not exist."""


NO_RULES = PodRules()


@dataclass(slots=True)
class ClusterRules:
    """The rules of the whole cluster."""

    namespaces: dict[str, PodRules] = field(default_factory=dict)
    """Those of namespaces that have LimitRanges, for pods that name no RuntimeClass."""
    runtime_classes: dict[str, RuntimeClass] = field(default_factory=dict)

    def of(self, namespace: str, runtime_classes: tuple[str, ...]) -> PodRules:
        """Return the rules for pods of a namespace that name these RuntimeClasses."""
        rules = self.namespaces.get(namespace, NO_RULES)
        if not runtime_classes:
            return rules
        return replace(rules, runtime_classes={name: self.runtime_classes.get(name) for name in runtime_classes})
