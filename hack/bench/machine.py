"""On what was measured, for the head of a page. Called by both reports."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path


def described() -> list[str]:
    """Date and machine, as lines of a list."""
    return [
        f"- Date: {datetime.now(UTC):%Y-%m-%d}",
        f"- Machine: {os.cpu_count()} CPUs ({_cpu_model()}), {_memory_gib():.0f} GiB memory, {platform.system()}",
    ]


def _cpu_model() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
