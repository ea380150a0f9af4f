"""Texts of others inside of a sentence."""

import pytest

from batchyard.api.excerpt import excerpt


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("ünï 日本", "ünï 日本"),
        ("a" * 10, "a" * 10),
        ("a" * 11, "a" * 10 + "…"),
        ("a\nb\x1b[2J", "a\\nb\\x1b[2J"),
        ("\u202eabc", "\\u202eabc"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert excerpt(text, 10) == shown
