"""Reads a trace in the Standard Workload Format, in which archives publish what supercomputers and clusters ran.

A trace is a text file of one line per job, 18 numbers separated by blanks, -1 for what is not known; header and
comments begin with `;`. Lines are read one at a time, so the length of a trace does not matter. docs/simulator.md lists
the fields that are used.
"""

import gzip
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated, Literal, TextIO

from pydantic import Field

from batchyard.api.models.base import Integer, Model, Name, Quantity
from batchyard.api.quantities import parse_bytes
from batchyard.simulator.submission import LeftOut, Submission, parallel

_FIELDS = 18
# Positions in a line, from 0; the format counts from 1.
_SUBMITTED, _RAN, _PROCESSORS, _MEMORY = 1, 3, 4, 6
_WANTED_PROCESSORS, _WANTED_SECONDS, _WANTED_MEMORY = 7, 8, 9
_USER, _GROUP, _QUEUE = 11, 12, 14


class Trace(Model):
    """A trace, and how its jobs become jobs of the queues."""

    file: Annotated[str, Field(min_length=1)]
    """The trace, seen from the folder of the workload file; may be compressed (`.gz`)."""
    queue: Name
    """The queue of all jobs whose queue number is not listed in `queues`."""
    queues: dict[int, Name] = Field({})
    """Queues by the trace's queue number."""
    share_by: Literal["User", "Group"] = "User"
    """Who is a share, in queues that share fairly: `user12` or `group3`, by the trace's numbers."""
    processors_per_pod: Annotated[Integer, Field(ge=1, le=100_000)]
    """A job that asks for more processors becomes a multi-node job."""
    memory_per_processor: Quantity = "0"
    """What a processor takes where the trace does not know it."""


class InvalidTrace(Exception):  # noqa: N818 - says what is wrong, as Kubernetes reasons do
    """The trace cannot be read; the text is one readable sentence."""


def read_trace(path: Path, trace: Trace, sharing: Collection[str], left_out: LeftOut) -> Iterator[Submission]:
    """All jobs that ran; `sharing` are the queues whose jobs need a share. Raises InvalidTrace."""
    try:
        with _open(path) as lines:
            yield from _jobs(path, lines, trace, sharing, left_out)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "it is damaged, or no text"
        raise InvalidTrace(f"{path} cannot be read: {problem}; swf.file names a trace beside the workload file") from (
            error
        )


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")


def _jobs(path: Path, lines: TextIO, trace: Trace, sharing: Collection[str], left_out: LeftOut) -> Iterator[Submission]:
    default_memory = parse_bytes(trace.memory_per_processor)
    who, prefix = (_USER, "user") if trace.share_by == "User" else (_GROUP, "group")
    last = 0
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith(";"):
            continue
        values = _numbers(f"{path} line {number}", text)
        submitted_at, run_seconds = round(values[_SUBMITTED]), math.ceil(values[_RAN])
        if submitted_at < last:
            raise InvalidTrace(
                f"{path} line {number}: the submit time (field 2) goes back from {last} to {submitted_at}; "
                "sort the trace by it"
            )
        last = submitted_at
        processors = next((int(values[at]) for at in (_WANTED_PROCESSORS, _PROCESSORS) if values[at] > 0), 0)
        if run_seconds < 0 or not processors:  # cancelled before it ran, or nobody knows what it took
            left_out.jobs += 1
            continue
        kibibytes = next((int(values[at]) for at in (_WANTED_MEMORY, _MEMORY) if values[at] > 0), 0)
        time_limit = math.ceil(values[_WANTED_SECONDS]) if values[_WANTED_SECONDS] > 0 else None
        queue = trace.queues.get(int(values[_QUEUE]), trace.queue)
        share = f"{prefix}{int(values[who])}" if values[who] >= 0 else f"{prefix}Unknown"
        yield Submission(
            submitted_at,
            queue,
            share if queue in sharing else "",
            parallel(processors, trace.processors_per_pod, kibibytes * 1024 or default_memory, time_limit),
            min(run_seconds, time_limit or run_seconds),
        )


def _numbers(where: str, text: str) -> list[float]:
    fields = text.split()
    if len(fields) != _FIELDS:
        raise InvalidTrace(
            f"{where} has {len(fields)} fields, and the format has {_FIELDS}; correct or remove the line"
        )
    for number, field in enumerate(fields, start=1):
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise InvalidTrace(f'{where}: field {number} is "{field[:40]}", not a number; write -1 if it is not known')
    return list(map(float, fields))
