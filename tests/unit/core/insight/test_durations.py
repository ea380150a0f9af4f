"""How long runs take, by what they took."""

from batchyard.core.insight import durations
from batchyard.core.insight.durations import LAST, Durations, last_run, revision_of
from batchyard.core.model.array import ArrayStatus
from batchyard.core.model.status import Attempt, Status
from unit.samples import make_job

OF = revision_of(make_job(), 3)


def known(*seconds: float) -> Durations:
    made = Durations()
    for each in seconds:
        made.note(OF, each)
    return made


def test_the_median_is_expected_and_nothing_where_none_has_ended() -> None:
    assert known(10, 500, 20).expected(OF) == 20
    assert known(10, 20).expected(OF) == 15
    assert known().expected(OF) is None
    assert known(10).expected(revision_of(make_job(), 4)) is None, "another revision may take longer"


def test_a_run_that_goes_on_is_compared_with_those_that_took_longer() -> None:
    made = known(10, 20, 30, 100)
    assert made.expected(OF, 15) == 30
    assert made.expected(OF, 50) == 100
    assert made.expected(OF, 100) is None


def test_only_the_last_count() -> None:
    assert known(*[1000.0] * LAST, *[1.0] * LAST).expected(OF) == 1


def test_only_so_many_revisions_are_remembered() -> None:
    made = known(5)
    for number in range(durations.MAX_KNOWN):
        made.note(revision_of(make_job(), 100 + number), 1)
    assert made.expected(OF) is None
    assert made.expected(revision_of(make_job(), 100)) == 1


def test_a_run_that_took_no_time_or_less_took_a_second() -> None:
    assert known(0, 0, -5).expected(OF) == 1


def test_arrays_do_not_tell_how_long_an_index_takes() -> None:
    run = Attempt(1, 1, "videos-1", "pool", started_at=0.0, stopped_at=5.0)
    assert last_run(Status(attempts=(run,))) is run
    assert last_run(Status(attempts=(run,), array=ArrayStatus(5))) is None
    assert last_run(Status()) is None
