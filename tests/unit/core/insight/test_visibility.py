"""Which jobs an object may name."""

from batchyard.core.insight.visibility import Visibility

OTHER = ("finance", "payroll")


def test_all_are_named() -> None:
    for namespace in ("finance", "media", ""):
        assert Visibility.ALL.named(OTHER, namespace) == "BatchJob finance/payroll"
        assert Visibility.ALL.shows(OTHER, namespace)


def test_a_namespace_names_its_own_only_and_what_is_in_none_names_nobody() -> None:
    own = Visibility.NAMESPACE
    assert own.named(OTHER, "finance") == "BatchJob finance/payroll"
    assert own.named(OTHER, "media") == "a job of another namespace"
    assert own.shows(OTHER, "finance")
    assert not own.shows(OTHER, "media")
    assert not own.shows(OTHER, "")
