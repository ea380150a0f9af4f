"""What was used up: counted once, whoever counts it and whenever."""

from batchyard.core.model.consumable import Count
from batchyard.core.scheduling.consumption import MARGIN_SECONDS, Consumption

BEGAN = 1000.0


def consumption(count: Count | None = None) -> Consumption:
    return Consumption(count or Count(0, BEGAN))


def test_a_run_counts_once_from_its_creation_on() -> None:
    book = consumption()
    for _ in range(3):
        book.start("a", BEGAN, 2)
        book.start("b", BEGAN + 5, 1)
    assert (book.consumed, book.taken) == (3, 3)


def test_runs_from_before_the_resource_do_not_count() -> None:
    book = consumption()
    book.start("a", BEGAN - 1, 2)
    assert book.consumed == 0


def test_grants_count_until_their_runs_do() -> None:
    book = consumption()
    book.grant("job", 3)
    assert (book.consumed, book.taken) == (0, 3)
    book.start("a", BEGAN, 3)
    book.withdraw("job")
    book.withdraw("job")
    assert (book.consumed, book.taken) == (3, 3)


def test_who_goes_on_from_a_count_adds_what_it_does_not_include() -> None:
    book = consumption()
    book.start("a", BEGAN, 1)
    book.start("b", BEGAN + 60, 1)
    count = book.count()
    assert count == Count(2, BEGAN + 60 - MARGIN_SECONDS, frozenset({"b"}))
    other = consumption(count)
    for name, created in (("a", BEGAN), ("b", BEGAN + 60), ("c", BEGAN + 60), ("d", BEGAN + 55)):
        other.start(name, created, 1)
    assert other.consumed == 4
    assert other.count().runs == {"b", "c", "d"}


def test_the_mark_waits_for_runs_that_may_still_turn_up() -> None:
    book = consumption()
    book.start("a", BEGAN + 20, 1)
    book.grant("slow", 1)
    book.start("b", BEGAN + 600, 1)
    assert book.count().until == BEGAN + 20 - MARGIN_SECONDS
    late = consumption(book.count())
    late.start("slow-1", BEGAN + 21, 1)
    assert late.consumed == 3
    book.start("slow-1", BEGAN + 21, 1)
    book.withdraw("slow")
    assert book.count() == Count(3, BEGAN + 600 - MARGIN_SECONDS, frozenset({"b"}))


def test_a_count_without_news_says_the_same() -> None:
    book = consumption(Count(7, BEGAN, frozenset({"gone"})))
    assert book.count() == book.count() == Count(7, BEGAN, frozenset({"gone"}))
