"""Words of others in a status, cut to a length at which any number of them fits into an object of the API server.

Called by `status` and `arraystatus`. Nothing is decided by what is cut: rules see the words before they are stored.
Lengths are those in the JSON that the API server stores, where a `<` takes six bytes.
"""

from itertools import accumulate

MESSAGE_BYTES = 4096
"""Of the sentence about the whole job, which its conditions repeat."""

DETAIL_BYTES = 1024
"""Of a sentence about one attempt or one index."""

_CUT = "… (shortened)"
_LONGEST = 6
"""Bytes of the longest form of a character in that JSON: an escape."""


def brief(text: str, most: int) -> str:
    """The text, or as much of its beginning as fits, and a word that says so."""
    if len(text) * _LONGEST <= most:
        return text
    lengths = list(accumulate(map(_stored_length, text[: most + 1])))
    if lengths[-1] <= most:
        return text
    room = most - len(_CUT.encode())
    return text[: sum(length <= room for length in lengths)] + _CUT


def _stored_length(character: str) -> int:
    if character < " " or character in "<>&\x7f\u2028\u2029" or not character.isprintable():
        return _LONGEST
    return 2 if character in '"\\' else len(character.encode())
