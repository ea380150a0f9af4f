"""Leaves out of a folder of installed packages what the operator never loads. Run by the Dockerfile.

Most of it is the generated classes of the Kubernetes client, one module for each type of the API: the operator speaks
to the API server in plain JSON. The few that the packages themselves import stay; all others are only imported on use.
"""

import importlib
import shutil
import sys
from pathlib import Path

IMPORTED = ("kopf", "kubernetes.aio.client.rest", "kubernetes.aio.config")
GENERATED = ("client/api", "client/models", "aio/client/api", "aio/client/models")
SOURCES = frozenset({".c", ".h", ".pxd", ".pxi", ".pyi", ".pyx"})


def main(root: Path) -> None:
    """Remove it."""
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    for name in IMPORTED:
        importlib.import_module(name)
    loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    for folder in GENERATED:
        for module in (root / "kubernetes" / folder).glob("*.py"):
            if module.name != "__init__.py" and str(module) not in loaded:
                module.unlink()
    for path in [path for path in root.rglob("*") if path.is_dir() and path.name in {"__pycache__", "tests"}]:
        shutil.rmtree(path, ignore_errors=True)
    for path in [path for path in root.rglob("*") if path.suffix in SOURCES]:
        path.unlink()
    shutil.rmtree(root / "bin", ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
