"""`Ref::name` in commands."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.models.jobdefinition import MAX_PARAMETER_NAME
from batchyard.core.definition.parameters import (
    MAX_LENGTH,
    MissingParameterError,
    Substitution,
    TooLongError,
    field_path,
    literal,
)
from fakes.expansion import expand


def substitute(command: list[str], parameters: dict[str, str]) -> list[str]:
    return Substitution(parameters).words(command)


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
    words = substitute([f"Ref::{name}" for name in parameters], parameters)
    assert [expand(word, {}) for word in words] == list(parameters.values())


VARIABLES = {"HOME": "/home", "x": "<x>", "a b": "spaced", "": "empty"}


@pytest.mark.parametrize(
    ("word", "seen"),
    [
        ("Ref::v", "$(HOME)$$"),
        ("$Ref::v", "$$(HOME)$$"),
        ("$$Ref::v", "$$(HOME)$$"),
        ("$$$Ref::v", "$$$(HOME)$$"),
        ("$(HOME)/Ref::v", "/home/$(HOME)$$"),
        ("Ref::v$(HOME)", "$(HOME)$$/home"),
        ("$(x$(HOME) Ref::v)", "$(x$(HOME) $(HOME)$$)"),
        ("x=$(date); y=$(cat Ref::v | wc) $1", "x=$(date); y=$(cat $(HOME)$$ | wc) $1"),
        ("$(Ref::v", "$($(HOME)$$"),
        ("$(Ref::name)", "$(HOME)"),
        ("$Ref::bracketed", "$(HOME)"),
        ("$(Ref::closing", "$(HOME)"),
    ],
)
def test_the_program_sees_values_unchanged_beside_what_the_definition_has_expanded(word: str, seen: str) -> None:
    parameters = {"v": "$(HOME)$$", "name": "HOME", "bracketed": "(HOME)", "closing": "HOME)"}
    assert [expand(each, VARIABLES) for each in substitute([word], parameters)] == [seen]


texts = st.lists(st.sampled_from(["$", "$$", "$(", "(", ")", "é", " ", "日", "\n", "$(é)"])).map("".join)
words = st.lists(texts | st.sampled_from(["Ref::p", "Ref::q"]), max_size=8).map("".join)


@given(words, texts, texts)
def test_a_value_is_to_kubernetes_a_text_without_meaning(word: str, first: str, second: str) -> None:
    """What the program sees is the definition's own words expanded, and the values put in after that."""
    values = {"Ref::p": first, "Ref::q": second}
    variables = {"é": "<é>", "": "empty", "é é": "spaced", "日": "$(é)"}
    [sent] = substitute([word], {"p": first, "q": second})
    seen = re.sub("Ref::[pq]", lambda match: values[match[0]], expand(word, variables))
    assert expand(sent, variables) == seen


@given(texts)
def test_a_literal_arrives_as_it_was(text: str) -> None:
    assert expand(literal(text), VARIABLES) == text


def test_commands_of_a_pod_come_to_no_more_than_a_bound() -> None:
    """What is written counts, and the values that take its place."""
    quarter = MAX_LENGTH // 4 - len("Ref::a")
    substitution = Substitution({"a": "x" * quarter})
    assert len(substitution.words(["Ref::a", "Ref::aRef::a"])[1]) == 2 * quarter
    substitution.words(["Ref::a"])
    with pytest.raises(TooLongError):
        substitution.words(["x"])
    with pytest.raises(TooLongError):
        Substitution({}).words(["x" * (MAX_LENGTH // 2), "x" * (MAX_LENGTH // 2), "x"])


class Counting(dict[str, str]):
    """Parameters that count how often one was looked for."""

    asked = 0

    def __contains__(self, name: object) -> bool:
        self.asked += 1
        return super().__contains__(name)


def test_the_work_is_in_proportion_to_the_text() -> None:
    """However the names of parameters are chosen: no more than one look for each character that is written."""
    parameters = Counting({("a." * length)[:length]: "" for length in range(1, 257)})
    text = "Ref::" + "a." * 32_000
    Substitution(parameters).words([text])
    assert parameters.asked <= MAX_PARAMETER_NAME
    parameters.asked = 0
    text = "Ref::a.b " * 7000
    Substitution(parameters).words([text])
    assert parameters.asked < len(text)


def test_a_name_that_is_too_long_is_not_told_in_full() -> None:
    with pytest.raises(MissingParameterError) as error:
        Substitution({}).words(["Ref::" + "a" * 60_000])
    assert len(str(error.value)) < 1000


names = st.text("ab.-", min_size=1, max_size=6)


@given(names, st.sets(names, max_size=5))
def test_a_name_is_cut_back_at_its_dots_and_dashes_to_the_longest_that_is_known(written: str, known: set[str]) -> None:
    cuts = [len(written), *(at for at, letter in enumerate(written) if letter in ".-")]
    found = [written[:cut] for cut in sorted(cuts, reverse=True) if written[:cut] in known]
    if found:
        assert substitute([f"Ref::{written}"], dict.fromkeys(known, "v")) == ["v" + written[len(found[0]) :]]
    else:
        with pytest.raises(MissingParameterError):
            substitute([f"Ref::{written}"], dict.fromkeys(known, "v"))
