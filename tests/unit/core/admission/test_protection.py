"""Namespaces in which no job runs."""

import pytest

from batchyard.core.admission.protection import NOTHING_PROTECTED, Protection
from batchyard.runtime.process import settings

PROTECTION = Protection("batchyard-system", frozenset({"kube-system"}))


@pytest.mark.parametrize(
    ("namespace", "words"),
    [
        ("kube-system", "namespace kube-system is protected"),
        ("kube-system", "--protected-namespaces"),
        ("batchyard-system", "namespace batchyard-system is the operator's own"),
    ],
)
def test_the_sentence_names_the_namespace_and_the_remedy(namespace: str, words: str) -> None:
    assert words in PROTECTION.refusal(namespace)
    assert "use another namespace" in PROTECTION.refusal(namespace)


@pytest.mark.parametrize("namespace", ["media", "kube", "kube-system-2", ""])
def test_others_are_not(namespace: str) -> None:
    assert PROTECTION.refusal(namespace) == ""


def test_the_operators_own_cannot_be_taken_off_the_list() -> None:
    assert "--protected-namespaces" not in PROTECTION.refusal("batchyard-system")
    assert Protection("kube-system", frozenset({"kube-system"})).refusal("kube-system").endswith("another namespace")


def test_nothing_is_protected_where_nobody_says_so() -> None:
    assert NOTHING_PROTECTED.refusal("kube-system") == ""


def test_kubernetes_own_namespaces_are_protected_by_default() -> None:
    assert settings.parse([]).protected_namespaces == ("kube-system", "kube-public", "kube-node-lease")
    assert settings.parse(["--protected-namespaces=a, b,"]).protected_namespaces == ("a", "b")
    assert settings.parse(["--protected-namespaces="]).protected_namespaces == ()


def test_what_cannot_be_a_namespace_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings.parse(["--protected-namespaces=kube-system;kube-public"])
    assert "'kube-system;kube-public' is no name of a namespace; separate names by commas" in capsys.readouterr().err
