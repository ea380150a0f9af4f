"""Builds the image of an example.

Only examples that need more than the base images have one: a folder ``image`` with a Dockerfile, to be built on any
Debian. Here it is built on the local Python image, with packages from the archive that this machine uses.
"""

import re
from collections.abc import Callable
from pathlib import Path

from ..errors import LocalClusterError
from .base import PYTHON, build_from_dockerfile

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
Progress = Callable[[str], None]


def example_image(example: str, progress: Progress = print) -> Path:
    """The archive of an example's image, built first if anything in its folder has changed."""
    folder = EXAMPLES / example / "image"
    if not (folder / "Dockerfile").is_file():
        known = ", ".join(sorted(path.parents[1].name for path in EXAMPLES.glob("*/image/Dockerfile")))
        raise LocalClusterError(f"no example {example!r} has an image to build; there are: {known}")
    tag = f"localhost/batchyard/{re.sub(r'^[0-9]+-', '', example)}:1"
    return build_from_dockerfile(folder, folder / "Dockerfile", tag, {"BASE": PYTHON}, progress)
