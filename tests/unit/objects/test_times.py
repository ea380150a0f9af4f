"""Times of the API server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.objects.times import format_time, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600.0),
        ("2026-01-01T00:00:00.250000Z", 1_767_225_600.25),
    ],
)
def test_times_are_seconds_since_the_epoch(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


def test_fractions_are_dropped() -> None:
    assert format_time(1_767_225_600.999) == "2026-01-01T00:00:00Z"


@given(st.integers(0, 2**34))
def test_whole_seconds_survive(seconds: int) -> None:
    assert parse_time(format_time(seconds)) == seconds
