"""`Ref::name` in commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.parameters import MissingParameterError, field_path, substitute


@pytest.mark.parametrize(
    ("word", "result"),
    [
        ("Ref::codec", "av1"),
        ("--codec=Ref::codec", "--codec=av1"),
        ("Ref::codec,Ref::codec", "av1,av1"),
        ("s3://Ref::bucket/Ref::codec.mkv", "s3://films/av1.mkv"),
        ("Ref::codec.", "av1."),
        ("Ref::codec-Ref::bucket", "av1-films"),
        ("Ref::metaflow.user", "ada"),
        ("Ref::nf-token", "t0"),
        ("Ref::nf-token-2", "t0-2"),
        ("Ref::", "Ref::"),
        ("Ref:: codec", "Ref:: codec"),
        ("ref::codec", "ref::codec"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_placeholders_become_values(word: str, result: str) -> None:
    parameters = {"codec": "av1", "bucket": "films", "metaflow.user": "ada", "nf-token": "t0", "nf": "wrong"}
    assert substitute([word], parameters) == [result]


def test_values_are_not_looked_at_again() -> None:
    assert substitute(["Ref::a"], {"a": "Ref::b", "b": "no"}) == ["Ref::b"]


def test_an_empty_value_is_a_value() -> None:
    assert substitute(["--flag=Ref::a"], {"a": ""}) == ["--flag="]


@pytest.mark.parametrize(
    ("word", "missing"),
    [("Ref::codec", "codec"), ("Ref::codec2", "codec2"), ("x-Ref::a.b", "a.b"), ("Ref::codec.", "codec")],
)
def test_a_placeholder_without_a_value_is_named(word: str, missing: str) -> None:
    with pytest.raises(MissingParameterError) as error:
        substitute(["ok", word], {"code": "no"})
    assert error.value.name == missing


def test_the_error_says_which_field_to_set() -> None:
    assert str(MissingParameterError("codec")) == "parameter 'codec' has no value: set spec.parameters.codec"
    assert field_path("nf-token") == 'spec.parameters["nf-token"]'


@given(st.lists(st.text().filter(lambda word: "Ref::" not in word)), st.dictionaries(st.text(), st.text()))
def test_words_without_placeholders_never_change(command: list[str], parameters: dict[str, str]) -> None:
    assert substitute(command, parameters) == command


@given(st.dictionaries(st.from_regex(r"[A-Za-z0-9_.-]+", fullmatch=True), st.text(), min_size=1))
def test_every_name_that_aws_batch_allows_is_found(parameters: dict[str, str]) -> None:
    assert substitute([f"Ref::{name}" for name in parameters], parameters) == list(parameters.values())
