"""What fails now follows from what was told, in whatever order and however often it was."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.cluster.nodeclaim import Mishap
from batchyard.runtime.state.kinds.failurelog import LASTS_SECONDS, FailureLog

Told = Mishap | float
"""Something that happened; a number is a launch."""


def log_of(*told: Told) -> FailureLog:
    log = FailureLog()
    for each in told:
        if isinstance(each, Mishap):
            log.note(each)
        else:
            log.note_launch(each)
    return log


def ice(at: float, message: str = "") -> Mishap:
    return Mishap("ICE", message or f"at {at:g}", at)


def quota(at: float) -> Mishap:
    return Mishap("Quota", f"at {at:g}", at)


@pytest.mark.parametrize(
    ("told", "failure"),
    [
        ((), None),
        ((50.0,), None),
        ((ice(10),), Failure("ICE", "at 10", 10, 10)),
        ((ice(10), ice(600), ice(1200)), Failure("ICE", "at 10", 10, 1200)),
        ((ice(10), ice(611)), Failure("ICE", "at 611", 611, 611)),
        ((ice(10), quota(20)), Failure("ICE", "at 10", 10, 20)),
        ((ice(10), quota(611)), Failure("Quota", "at 611", 611, 611)),
        ((ice(10), quota(20), ice(30)), Failure("ICE", "at 10", 10, 30)),
        ((ice(10), 20.0), None),
        ((ice(10), 10.0), Failure("ICE", "at 10", 10, 10)),
        ((ice(10), 20.0, ice(30), ice(40)), Failure("ICE", "at 30", 30, 40)),
        ((quota(5), ice(10), 20.0, ice(30)), Failure("ICE", "at 30", 30, 30)),
        ((ice(10, "b"), ice(10, "a")), Failure("ICE", "a", 10, 10)),
    ],
)
def test_what_fails_now(told: tuple[Told, ...], failure: Failure | None) -> None:
    assert log_of(*told).failure(0) == failure
    assert log_of(*reversed(told)).failure(0) == failure


def test_of_another_environment_that_had_the_name_nothing_counts() -> None:
    log = log_of(ice(10), ice(20), ice(30))
    assert log.failure(15) == Failure("ICE", "at 20", 20, 30)
    assert log.failure(31) is None


def test_only_what_is_heard_later_moves_a_failure_on() -> None:
    log = FailureLog()
    assert [log.note(each) for each in (ice(10), ice(10), quota(5), quota(20), ice(15), ice(21))] == [
        True,
        False,
        False,
        True,
        False,
        True,
    ]


MOMENTS = st.integers(0, 3600).map(float)
MISHAPS = st.builds(Mishap, st.sampled_from(["ICE", "Quota", "FailedScheduling"]), st.sampled_from("ab"), MOMENTS)
TOLD = st.lists(MISHAPS | MOMENTS, max_size=40)


def expected(told: list[Told], created: float) -> Failure | None:
    """The same, told in order: at each moment what was launched first, then what failed."""
    spells: dict[str, tuple[float, str, float]] = {}
    order: Any = sorted(told, key=lambda each: (each.at, 1, each) if isinstance(each, Mishap) else (each, 0, ()))
    for each in order:
        if isinstance(each, float):
            spells = {reason: spell for reason, spell in spells.items() if spell[2] >= each}
        elif each.at >= created:
            since, message, last = spells.get(each.reason, (each.at, each.message, each.at))
            if each.at - last > LASTS_SECONDS:
                since, message = each.at, each.message
            spells[each.reason] = (since, message, each.at)
    if not spells:
        return None
    last = max(spell[2] for spell in spells.values())
    going_on = [(spell[0], reason) for reason, spell in spells.items() if last - spell[2] <= LASTS_SECONDS]
    since, reason = min(going_on)
    return Failure(reason, spells[reason][1], since, last)


@given(TOLD.flatmap(lambda told: st.tuples(st.just(told), st.permutations(told))), st.sampled_from([0.0, 900.0]))
def test_order_and_repetition_make_no_difference(told: tuple[list[Told], list[Told]], created: float) -> None:
    straight, mixed = told
    failure = expected(straight, created)
    assert log_of(*straight).failure(created) == failure
    assert log_of(*mixed, *straight[::2]).failure(created) == failure


def test_days_of_it_are_remembered_by_little() -> None:
    log = FailureLog()
    for number in range(3 * 24 * 360):
        log.note(ice(10.0 * number, f"{number}"))
        log.note(Mishap(f"Odd{number}", "", number / 100))
        log.note_launch(-1.0 - number)
    assert max(len(spells) for spells in log._heard.values()) <= 256
    assert (len(log._heard), len(log._launches)) == (8, 256)
    failure = log.failure(0)
    assert failure is not None
    assert (failure.since, failure.message, failure.last) == (0.0, "0", 10.0 * (3 * 24 * 360 - 1))
