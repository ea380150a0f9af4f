"""What follows at once from what is seen of an array."""

from unit.core.lifecycle.array.arrays import alone, ended, main, view
from unit.samples import make_run


def test_the_indexed_job_starts_the_lowest_indexes_first() -> None:
    assert str(view(main=main("0,2", "3", active=3, terminating=1)).of_main) == "1,4-6"
    assert not view(main=ended("0-8", "9")._replace(active=2)).of_main
    assert not view().of_main


def test_where_it_runs_is_what_its_jobs_say() -> None:
    assert view(main=main(environment="other")).environment == "other"
    assert view(alone(4, make_run(2, environment="other"))).environment == "other"
    assert view().environment == "pool"


def test_an_indexed_job_goes_on_until_it_has_ended() -> None:
    assert view(main=main()).going == main()
    gone = view(main=ended("0-9"))
    assert (gone.main, gone.going) == (ended("0-9"), None)
    assert gone.shown == ended("0-9").indexed
