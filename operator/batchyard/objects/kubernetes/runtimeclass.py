"""From a RuntimeClass to its record. Of one that makes no sense in part, the rest counts."""

from collections.abc import Mapping
from typing import Any

from batchyard.core.model.podadmission.runtimeclass import RuntimeClass
from batchyard.objects.kubernetes.limitrange import readable_amounts
from batchyard.objects.meta import Object


def read_runtime_class(obj: Object) -> RuntimeClass:
    """Read a RuntimeClass, which has no spec: its fields stand beside the metadata."""
    overhead, scheduling = _mapping(obj.get("overhead")), _mapping(obj.get("scheduling"))
    selector, tolerations = _mapping(scheduling.get("nodeSelector")), scheduling.get("tolerations")
    return RuntimeClass(
        name=obj["metadata"]["name"],
        overhead=readable_amounts(overhead["podFixed"]) if "podFixed" in overhead else None,
        node_selector={key: value for key, value in selector.items() if isinstance(value, str)},
        tolerations=tuple(
            each for each in (tolerations if isinstance(tolerations, list) else ()) if isinstance(each, Mapping)
        ),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
