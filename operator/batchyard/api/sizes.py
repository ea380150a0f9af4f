"""How large the spec of an object may be that anybody may make by the thousand.

The API server takes objects of up to 1.5 MB. The operator keeps the specs of all jobs that have not ended, and works
on a definition for each of its jobs, so both have bounds of their own.
"""

import json
from collections.abc import Mapping
from typing import Any

from batchyard.api import names

KIB = 1024
MOST_KIB: Mapping[str, int] = {names.BATCH_JOB: 128, names.JOB_DEFINITION: 256}
"""Of the spec as JSON, by kind. What may still be added to a job that runs counts for nothing."""

_CHANGEABLE = ("suspend", "stop", "stopIndexes")


def too_large(kind: str, spec: Mapping[str, Any]) -> str:
    """One sentence about a spec that is larger than it may be; nothing about others."""
    most = MOST_KIB.get(kind)
    if most is None:
        return ""
    counted = {name: value for name, value in spec.items() if name not in _CHANGEABLE}
    if _bytes(counted) <= most * KIB:
        return ""
    largest = max(counted, key=lambda name: _bytes(counted[name]))
    return (
        f"spec has {_kib(counted)} KiB as JSON, and that of a {kind} may have {most} at most: shorten"
        f" spec.{largest[:64]} ({_kib(counted[largest])} KiB), or hand long texts over in a ConfigMap"
    )


def _bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors="surrogatepass"))


def _kib(value: Any) -> int:
    return -(-_bytes(value) // KIB)
