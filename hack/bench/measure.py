"""What a run cost: API writes by user agent from the API server's audit log, CPU and memory of a process."""

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class AuditLog:
    """The API server's own record of requests, read on from where the last reading ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def skip(self) -> None:
        """Forget everything so far."""
        self._offset = self._path.stat().st_size

    def writes(self) -> Counter[tuple[str, str, str]]:
        """Successful writes since the last reading, by user agent (without its version), verb and resource."""
        counts: Counter[tuple[str, str, str]] = Counter()
        with self._path.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                event = json.loads(line)
                if event["verb"] in _WRITES and event["responseStatus"]["code"] < 300:
                    reference = event["objectRef"]
                    resource = "/".join(filter(None, (reference["resource"], reference.get("subresource"))))
                    counts[event["userAgent"].partition("/")[0], event["verb"], resource] += 1
        return counts


@dataclass(frozen=True)
class Usage:
    """What a process has used so far."""

    cpu_seconds: float
    peak_bytes: int


def usage(pid: int) -> Usage:
    """CPU time (user and system) and peak resident memory of a process, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), peak * 1024)
