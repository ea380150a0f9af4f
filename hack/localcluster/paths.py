"""Where the local cluster tool keeps what it builds and runs.

One cache folder per user holds binaries, images and cluster state; every other module asks here.
"""

import os
from pathlib import Path


def cache_root() -> Path:
    """The cache folder of Batchyard: below XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "batchyard"


def clusters_root() -> Path:
    """Where each cluster has a folder of its own."""
    return cache_root() / "clusters"
