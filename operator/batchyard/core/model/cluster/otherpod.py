"""Pods that are not Batchyard's, as far as they take room on a node.

There may be tens of thousands, so of each only this is kept, and requests that are equal are one object.
"""

from typing import NamedTuple

from batchyard.core.model.pods.constraints import Port
from batchyard.core.model.resources import Resources


class OtherPod(NamedTuple):
    """A pod that is bound to a node and has not ended."""

    node: str
    request: Resources
    """Its pod slot included."""
    ports: tuple[Port, ...] = ()
    fixed: bool = False
    """Whether it stays on its node whatever happens, as a DaemonSet's or a static pod does: an empty node has it."""
    ignored: str = ""
    """A sentence on what of it could not be understood and counts as nothing; empty where all could."""
