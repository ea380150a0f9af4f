"""Kinds of a folder of CustomResourceDefinitions, on a cluster and ready for their first objects."""

import json
import time
from pathlib import Path
from typing import Any, Protocol

from .errors import LocalClusterError


class Kubectl(Protocol):
    """A cluster that kubectl can be run on."""

    def kubectl(self, *args: str) -> str:
        """Standard output of kubectl on this cluster."""


def install(cluster: Kubectl, folder: Path, seconds: float = 60.0) -> None:
    """Apply what the folder holds, and wait until the API server serves it.

    `kubectl wait` fails where a definition has no conditions yet, as it may on a busy machine.
    """
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(folder))
    deadline = time.monotonic() + seconds
    while not all(map(_is_established, json.loads(cluster.kubectl("get", "-f", str(folder), "-o", "json"))["items"])):
        if time.monotonic() > deadline:
            raise LocalClusterError(f"the kinds of {folder} were not established within {seconds:.0f} s")
        time.sleep(0.2)


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)
