"""Moments to wait for, and those that have passed."""

import pytest

from batchyard.core.model.timers import earliest, is_recent, lies_ahead
from unit.samples import NOW


def test_the_earliest_of_the_moments_that_are_known() -> None:
    assert earliest(None, NOW + 2, NOW + 1) == NOW + 1
    assert earliest(None, None) is None


@pytest.mark.parametrize(("ahead", "waits"), [(-1, False), (0, False), (1, True), (60, True), (61, False)])
def test_a_moment_is_waited_for_unless_it_has_come_or_the_clock_was_set_back(ahead: float, waits: bool) -> None:
    assert lies_ahead(NOW + ahead, NOW, longest=60) is waits


@pytest.mark.parametrize(("ago", "recent"), [(-1, False), (0, True), (59, True), (60, False)])
def test_what_is_recent_is_neither_long_ago_nor_of_a_clock_that_was_set_back(ago: float, recent: bool) -> None:
    assert is_recent(NOW - ago, NOW, seconds=60) is recent
