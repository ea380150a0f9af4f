"""Kubernetes quantities ("500m", "4Gi", "1e3") as plain integers, and back.

The planner computes in milli-CPUs, bytes and counts only: integers add up exactly and compare fast. Amounts finer than
the unit are rounded up, as Kubernetes does.
"""

import re
from decimal import ROUND_CEILING, Context, Decimal
from functools import lru_cache
from typing import Final

from batchyard.api.excerpt import excerpt

# The same expression stands in the CRDs, so it must mean the same in Go (RE2) and in Python.
PATTERN: Final = r"^([0-9]+\.?[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?$"
MAX_LENGTH: Final = 32
EXAMPLES: Final = "such as 500m, 2 or 4Gi"
MAXIMUM: Final = 2**53 - 1
"""Most that may be asked for of anything, in the unit that it is counted in (8 PiB of memory, 9e12 vCPU): what every
program reads exactly."""

_SHOWN: Final = 20
"""Of a text that is too long for a quantity: how much a sentence shows of it."""
_QUANTITY = re.compile(PATTERN.replace("$", r"\Z"), re.ASCII)
_EXACT = Context(prec=200)
_BINARY: Final = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


class InvalidQuantity(ValueError):  # noqa: N818 - says what is wrong, as Kubernetes reasons do
    """The text is not a Kubernetes quantity of at least 0, or is none of the wanted kind."""


def parse_cpu_milli(quantity: str | float) -> int:
    """Thousandths of a vCPU: "2" and 2 are 2000, "0.5" and "500m" are 500."""
    return _ceiling(quantity, 1000)


def parse_bytes(quantity: str | float) -> int:
    """Bytes: "4Gi" is 4 * 1024**3, "1k" is 1000."""
    return _ceiling(quantity, 1)


def parse_count(quantity: str | float) -> int:
    """A whole number of things that cannot be split, such as GPUs: "1500m" is refused."""
    value = _parse(str(quantity))
    if value != value.to_integral_value():
        raise InvalidQuantity(f'"{quantity}" is not a whole number, and such things cannot be split')
    return int(value)


def check_bound(of: str, amount: int) -> None:
    """Raise InvalidQuantity where an amount is more than may be asked for."""
    if amount > MAXIMUM:
        raise InvalidQuantity(f"{of} is more than there can be: ask for less")


def format_cpu(milli: int) -> str:
    """The shortest usual form: 2000 is "2", 500 is "500m"."""
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def format_bytes(amount: int) -> str:
    """The largest binary unit that keeps the amount exact: 4294967296 is "4Gi", 1000 is "1000"."""
    for suffix, power in reversed(_BINARY.items()):
        if amount and amount % 1024**power == 0:
            return f"{amount // 1024**power}{suffix}"
    return str(amount)


def _ceiling(quantity: str | float, unit: int) -> int:
    scaled = _EXACT.multiply(_parse(str(quantity)), Decimal(unit))
    return int(scaled.to_integral_value(rounding=ROUND_CEILING))


def _limit(text: str) -> str:
    return f"; it has {len(text):,} characters, and may have {MAX_LENGTH}" if len(text) > MAX_LENGTH else ""


@lru_cache(maxsize=4096)
def _parse(text: str) -> Decimal:
    match = _QUANTITY.match(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        shown = excerpt(text, MAX_LENGTH if len(text) <= MAX_LENGTH else _SHOWN)
        raise InvalidQuantity(f'"{shown}" is not a quantity of at least 0, {EXAMPLES}{_limit(text)}')
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _BINARY:
        return _EXACT.multiply(number, Decimal(1024 ** _BINARY[suffix]))
    # A lone "E" is exa; "E" with digits behind it is an exponent.
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return _EXACT.scaleb(number, exponent)
