"""Finds out which of its commands `batchyard` is asked for, and loads that one alone.

The simulator does without Kopf and the Kubernetes client, and the operator without the simulator. Options with no
command before them are those of the operator, as the Helm chart gives them.
"""

import sys
from collections.abc import Sequence
from importlib import import_module

from batchyard import __version__

_MODULES = {"operator": "batchyard.app", "simulate": "batchyard.simulator.command"}
"""Where the `main` of each command is."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    command, *rest = arguments = list(sys.argv[1:] if arguments is None else arguments) or ["operator"]
    if command.startswith("-"):
        command, rest = "operator", arguments
    if command == "version":
        print(f"batchyard {__version__}")
    elif command in _MODULES:
        import_module(_MODULES[command]).main(rest)
    else:
        known = ", ".join(sorted([*_MODULES, "version"]))
        sys.exit(f"error: batchyard has no command {command!r}; use one of {known}")
