"""Log lines for people (text) or for collectors (one JSON object per line). Called once, by the app.

Messages and errors quote what users, the API server and Kopf's events say, so every message is made legible and short,
and the lines of a stack trace are marked: no words of others look like a line of the operator's own.
"""

import copy
import logging
from typing import TYPE_CHECKING, Any

from pythonjsonlogger.json import JsonFormatter

from batchyard.objects.brevity import brief

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

MESSAGE_BYTES = 8192
"""Of a message, and of a line of a stack trace."""

TRACE_LINES = 200
"""Of a stack trace; of a longer one the first and the last are kept."""

_MARK = "  | "
"""Before every line of a stack trace, as an error's own words may have several."""

if TYPE_CHECKING:
    _Formatter = logging.Formatter
else:
    _Formatter = object


class _Legible(_Formatter):
    """What both formats have in common."""

    def format(self, record: logging.LogRecord) -> str:
        """One event in characters that show."""
        shown = copy.copy(record)
        shown.msg, shown.args, shown.exc_text = brief(record.getMessage(), MESSAGE_BYTES), None, None
        return super().format(shown)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the name is logging's
        """Return a stack trace whose lines cannot be taken for log lines."""
        lines = super().formatException(ei).splitlines()
        if len(lines) > TRACE_LINES:
            half = TRACE_LINES // 2
            lines = [*lines[:half], f"… {len(lines) - 2 * half} lines …", *lines[-half:]]
        return "\n".join(_MARK + brief(line.rstrip(), MESSAGE_BYTES) for line in lines)


class _Text(_Legible, logging.Formatter):
    pass


class _Json(_Legible, JsonFormatter):
    pass


def configure(log_format: str, level: str) -> None:
    """Send everything to standard error; Kopf's own loggers, which speak of every event, only their warnings."""
    handler = logging.StreamHandler()
    if log_format == "json":
        handler.setFormatter(
            _Json(
                "%(asctime)s %(levelname)s %(name)s %(message)s",
                rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            )
        )
    else:
        handler.setFormatter(_Text(_TEXT))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
