"""Times as the API server writes them (RFC 3339, UTC) and as the core counts them (seconds since the epoch).

Kubernetes keeps whole seconds, so rendering drops the rest.
"""

from datetime import UTC, datetime
from functools import lru_cache


def format_time(seconds: float) -> str:
    """`2026-01-31T12:00:00Z`, rounded down to the second."""
    return _format(seconds // 1)


# Each event of a pod shows all of its times again, and many objects those of the same second.
@lru_cache(maxsize=4096)
def _format(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(maxsize=4096)
def parse_time(text: str) -> float:
    """Seconds since the epoch of any RFC 3339 time, with or without a fraction."""
    return datetime.fromisoformat(text).timestamp()
