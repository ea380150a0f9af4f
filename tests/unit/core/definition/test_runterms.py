"""What a run is judged by, and what it tells about the program of its job."""

from batchyard.core.definition.runterms import judged_by, origin_of, terms_of
from batchyard.core.model.definition import Origin, RetryPolicy
from batchyard.core.model.run import RunTerms
from unit.samples import make_resolved, make_run

TERMS = RunTerms(RetryPolicy(attempts=5), 60, "uid", "digest")


def test_what_the_definition_says_counts_where_it_is_known() -> None:
    resolved = make_resolved(startupGraceSeconds=90)
    assert judged_by(resolved, [make_run(terms=TERMS)]) == terms_of(resolved)


def test_else_the_run_itself_tells() -> None:
    assert judged_by(None, [make_run(1), make_run(2, terms=TERMS)]) == TERMS
    assert judged_by(None, [make_run(1)]) == RunTerms()


def test_the_newest_run_tells_the_program() -> None:
    newest = make_run(2, revision=4, terms=TERMS)
    assert origin_of([make_run(1), newest]) == Origin(4, "uid", "digest")
    assert origin_of([newest._replace(terms=None)]) == Origin(4)
    assert origin_of([]) is None
