"""Quantities mean what Kubernetes means by them."""

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.quantities import (
    InvalidQuantity,
    format_bytes,
    format_cpu,
    parse_bytes,
    parse_count,
    parse_cpu_milli,
)


@pytest.mark.parametrize(
    ("text", "milli"),
    [
        ("2", 2000),
        (2, 2000),
        ("0.5", 500),
        (0.5, 500),
        (".5", 500),
        ("1.", 1000),
        ("500m", 500),
        ("0", 0),
        ("1k", 10**6),
        ("100u", 1),
        ("1n", 1),
        ("1e3", 10**6),
        ("1E-1", 100),
        ("0.0001", 1),
        ("250000u", 250),
    ],
)
def test_cpu(text: str | float, milli: int) -> None:
    assert parse_cpu_milli(text) == milli


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("4Gi", 4 * 1024**3),
        ("1.5Gi", 3 * 512 * 1024**2),
        ("1G", 10**9),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1E", 10**18),
        ("1Ei", 1024**6),
        ("1E3", 1000),
        ("1e+3", 1000),
        ("128974848", 128974848),
        ("129e6", 129_000_000),
        ("100m", 1),
        ("1Pi", 1024**5),
        ("7Ti", 7 * 1024**4),
        ("3T", 3 * 10**12),
        ("2P", 2 * 10**15),
        ("0Mi", 0),
    ],
)
def test_bytes(text: str, amount: int) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize(("text", "count"), [("1", 1), (4, 4), ("1k", 1000), ("2000m", 2), ("1e2", 100)])
def test_count(text: str | int, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "-1",
        "+1",
        "abc",
        "1GB",
        "1g",
        "1K",
        "1ki",
        "2 cores",
        "1e",
        "1e1000",
        "1e1.5",
        "0x10",
        ".",
        "1,5",
        "1_000",
        "٣",
        "NaN",
        "Infinity",
        "Gi",
        "1mi",
    ],
)
def test_other_text_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidQuantity) as refused:
        parse_bytes(text)
    shown = text.replace("\n", "\\n")
    assert f'"{shown}" is not a quantity' in str(refused.value)


def test_a_text_that_is_too_long_is_shortened() -> None:
    with pytest.raises(InvalidQuantity, match="it has 4,000 characters, and may have 32") as refused:
        parse_bytes("9" * 4000)
    assert '"99999999999999999999…" is not a quantity' in str(refused.value)


def test_half_a_device_is_refused() -> None:
    with pytest.raises(InvalidQuantity, match='"1500m" is not a whole number'):
        parse_count("1500m")


@given(st.integers(min_value=0, max_value=10**9))
def test_cpu_round_trip(milli: int) -> None:
    assert parse_cpu_milli(format_cpu(milli)) == milli


@given(st.integers(min_value=0, max_value=2**63))
def test_bytes_round_trip(amount: int) -> None:
    assert parse_bytes(format_bytes(amount)) == amount


SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", start=1)},
}


@given(st.decimals(min_value=0, max_value=10**12, places=6), st.sampled_from(sorted(SUFFIXES)))
def test_amounts_are_exact_or_rounded_up(number: object, suffix: str) -> None:
    exact = Fraction(str(number)) * SUFFIXES[suffix]
    assert 0 <= parse_bytes(f"{number}{suffix}") - exact < 1
    assert 0 <= parse_cpu_milli(f"{number}{suffix}") - exact * 1000 < 1


@given(st.text(max_size=40))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    with suppress(InvalidQuantity):
        assert parse_bytes(text) >= 0
