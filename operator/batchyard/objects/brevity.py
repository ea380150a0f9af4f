"""Words of others as a status, an Event or a log may hold them: on one line, in characters that show, and not too long.

Users, containers, kubelets, webhooks and the API server write what ends in a message. Line breaks would let them forge
lines of `kubectl describe` and of logs, escapes would move a terminal's cursor, marks of direction would turn what
comes after them around. Every status goes through `presentable`, every message through `brief`. Nothing is decided by
what comes of it: rules see the words before they are stored. Lengths are those in the JSON that the API server stores,
where a `<` takes six bytes.
"""

import re
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

MESSAGE_BYTES = 4096
"""Of the sentence about a whole object, which its conditions repeat."""

DETAIL_BYTES = 1024
"""Of a sentence about one attempt or one index, and of anything said in one word."""

LINE_BREAK = " ↵ "
"""Shown in the place of line breaks, so that the last lines of a program's log can still be told apart."""

_HIDDEN = "\N{REPLACEMENT CHARACTER}"
"""Shown in the place of each other character that cannot be seen."""

_CUT = "… (shortened)"
_LONGEST = 6
"""Bytes of the longest form of a character in that JSON: an escape."""

_BLANKS = re.compile(r"\s+")
_BREAKS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")


def legible(text: str) -> str:
    """The text on one line, with nothing in it that a terminal or an editor acts on. What is so already stays as it is.

    Line breaks become `↵`, together with the blanks around them; other blanks a space; all else that Unicode does not
    call printable (control and format characters, halves of surrogate pairs, what is not assigned) U+FFFD.
    """
    if text.isprintable():
        return text
    line = _BLANKS.sub(_on_one_line, text.strip())
    return "".join(each if each.isprintable() else _HIDDEN for each in line)


def _on_one_line(blanks: re.Match[str]) -> str:
    run = blanks[0]
    return " " * len(run) if _BREAKS.isdisjoint(run) else LINE_BREAK


def brief(text: str, most: int) -> str:
    """The text, legible, or as much of its beginning as fits, and a word that says so."""
    shown, whole = legible(text[:most]), len(text) <= most
    if whole and len(shown) * _LONGEST <= most:
        return shown
    lengths = list(accumulate(map(_stored_length, shown)))
    if whole and lengths[-1] <= most:
        return shown
    room = most - len(_CUT.encode())
    return shown[: sum(length <= room for length in lengths)] + _CUT


def presentable(status: Mapping[str, Any]) -> dict[str, Any]:
    """The same status, or Event, with all text in it legible: values and names, however deep."""
    return {legible(name): _presentable(value) for name, value in status.items()}


def _presentable(value: Any) -> Any:
    if isinstance(value, str):
        return legible(value)
    if isinstance(value, list | tuple):
        return [_presentable(each) for each in value]
    if value is None or isinstance(value, int | float):
        return value  # before mappings, as to find that something is none takes far longer
    return presentable(value) if isinstance(value, Mapping) else value


def _stored_length(character: str) -> int:
    if character in "<>&":
        return _LONGEST
    return 2 if character in '"\\' else len(character.encode())
