"""What a run was granted with, on its Kubernetes Job and back."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api import names
from batchyard.api.models.strategy import ExitAction
from batchyard.core.definition.runterms import terms_of
from batchyard.core.model.definition import ExitRule, MemoryGrowth, RetryPolicy
from batchyard.core.model.run import RunTerms
from batchyard.objects.kubernetes.terms import read_terms, render_terms
from unit.samples import DEFINITION_UID, make_resolved

patterns = st.none() | st.from_regex(r"[a-zA-Z0-9. ]*\*?", fullmatch=True)
rules = st.builds(
    ExitRule, st.sampled_from(ExitAction), st.from_regex(r"[0-9]{1,3}\*?", fullmatch=True), patterns, patterns
)
growths = st.none() | st.builds(MemoryGrowth, st.sampled_from([1.5, 2.0, 10.0]), st.none() | st.integers(1, 2**40))
policies = st.builds(
    RetryPolicy,
    attempts=st.integers(2, 10),
    initial_seconds=st.integers(0, 200).map(float),
    multiplier=st.floats(1, 100),
    max_seconds=st.integers(300, 86400).map(float),
    jitter=st.floats(0, 1),
    max_interruptions=st.integers(0, 1000),
    exit_rules=st.lists(rules, max_size=5).map(tuple),
    memory_growth=growths,
)


@given(policies, st.integers(0, 86400))
def test_what_is_written_is_read_again(policy: RetryPolicy, grace: int) -> None:
    resolved = replace(make_resolved(), retry=policy, startup_grace_seconds=grace)
    assert read_terms(render_terms(resolved)) == terms_of(resolved)


def test_an_ordinary_job_bears_little() -> None:
    said = json.loads(render_terms(make_resolved())[names.TERMS])
    assert said.keys() == {"definition", "digest"}
    assert said["definition"] == DEFINITION_UID


def test_a_job_of_an_earlier_version_tells_nothing() -> None:
    assert read_terms({}) is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "7",
        "null",
        "[" * 100_000,
        '{"retryStrategy": 7}',
        '{"retryStrategy": {"attempts": 1e999}}',
        '{"retryStrategy": {"attempts": -1}}',
        '{"retryStrategy": {"backoff": {"initialSeconds": 600}}}',
        '{"retryStrategy": {"evaluateOnExit": [{"action": "Explode"}]}}',
        '{"startupGraceSeconds": true, "digest": 7, "definition": []}',
        '{"startupGraceSeconds": ' + "9" * 4000 + "}",
    ],
)
def test_what_makes_no_sense_counts_as_not_said(text: str) -> None:
    assert read_terms({names.TERMS: text}) == RunTerms()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional={"retryStrategy": json_values, "startupGraceSeconds": json_values}))
def test_nothing_that_stands_there_raises(said: dict[str, Any]) -> None:
    assert isinstance(read_terms({names.TERMS: json.dumps(said)}), RunTerms)
