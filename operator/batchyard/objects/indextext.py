"""Sets of indexes as a status holds them: ranges, or bits where an array is in so many pieces that ranges get long.

A status is memory, so nothing may be left out of it; but 100,000 bits are never more than 17 KB, whatever their
pattern, while their ranges may be 600.
"""

import base64
import re
import zlib

from batchyard.api.models.arrays import MAX_ARRAY_SIZE
from batchyard.core.model.indexset import IndexSet

MAX_RANGES_TEXT = 8000
"""Characters of ranges that a person still reads."""

_BITS = "bits:"
_MAX_BYTES = 2**17
"""What is unpacked at most: more than any array needs, as a few bytes of text could stand for gigabytes."""
_RUNS = re.compile("1+")


def render_indexes(indexes: IndexSet) -> str:
    """`0-41,43`, or `bits:` and base64 of the compressed bits, a 1 and then one for each index from 0."""
    text = str(indexes)
    if len(text) <= MAX_RANGES_TEXT:
        return text
    flags = bytearray(b"0" * MAX_ARRAY_SIZE)
    for first, last in (indexes & IndexSet.below(MAX_ARRAY_SIZE)).ranges:
        flags[first : last + 1] = b"1" * (last + 1 - first)
    bits = int(b"1" + flags.rstrip(b"0"), 2)
    packed = zlib.compress(bits.to_bytes((bits.bit_length() + 7) // 8), 9)
    return _BITS + base64.b64encode(packed).decode()


def read_indexes(text: str) -> IndexSet:
    """The set that was rendered.

    Raises ValueError where the text is none: a job whose memory makes no sense is left alone, not run once more.
    """
    return _read_bits(text[len(_BITS) :]) if text.startswith(_BITS) else IndexSet.parse(text)


def _read_bits(text: str) -> IndexSet:
    unpacking = zlib.decompressobj()
    try:
        raw = unpacking.decompress(base64.b64decode(text, validate=True), _MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"{text[:20]!r} are no bits of indexes: {error}") from error
    bits = int.from_bytes(raw)
    if not unpacking.eof or not bits:
        raise ValueError(f"{text[:20]!r} are no bits of indexes")
    flags = f"{bits:b}"[1:]
    return IndexSet(tuple((run.start(), run.end() - 1) for run in _RUNS.finditer(flags)))
