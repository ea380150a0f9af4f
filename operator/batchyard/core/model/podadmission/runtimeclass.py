"""RuntimeClasses: what the pods that name one take beside their containers, and which nodes they need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batchyard.core.model.resources import Resources


@dataclass(slots=True, frozen=True)
class RuntimeClass:
    """A RuntimeClass as far as admission writes it into pods."""

    name: str
    overhead: Resources | None = None
    """None where it says nothing of it."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Mapping[str, Any], ...] = ()
    """As they stand in a pod."""
