"""`Ref::name` placeholders in commands, as AWS Batch has them; called when a job's template is resolved.

A placeholder may be a whole word or part of one (`--codec=Ref::codec`, `Ref::bucket/Ref::key`). A name is the
longest run of letters, digits, `_`, `.` and `-`; where no parameter has that name, the run is cut back at its
dots and dashes, so that `Ref::sample.bam` uses a parameter `sample` but `Ref::sample2` never does.

The program sees values as they are: one that contains `Ref::` is not looked at again, and dollars are written so that
Kubernetes, which expands `$(VAR)` and halves `$$` in commands, leaves them alone. What the definition itself writes in
that syntax goes on meaning it, save for one thing: a parameter cannot name a variable, so `$(Ref::name)` is text.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from batchyard.api.models.jobdefinition import MAX_PARAMETER_NAME

_NAME = r"(?:(?!Ref::)[A-Za-z0-9_.-])+"
_PLACEHOLDER = re.compile(rf"Ref::({_NAME})")
# A placeholder, or what Kubernetes reads as one thing where a placeholder may stand in it or behind it.
_OPEN = rf"{_PLACEHOLDER.pattern}|\$\$|\$\(|\$(?=Ref::{_NAME})"
_AFTER_LAST_CLOSER = re.compile(_OPEN)
_UP_TO_LAST_CLOSER = re.compile(rf"\$\([^)]*\)|{_OPEN}")

MAX_LENGTH = 256 * 1024
"""Characters of all commands of one pod together, values included."""


class MissingParameterError(Exception):
    """A command refers to a parameter that has no value."""

    def __init__(self, name: str) -> None:
        name = name if len(name) <= MAX_PARAMETER_NAME else f"{name[:MAX_PARAMETER_NAME]}…"
        super().__init__(f"parameter {name!r} has no value: set {field_path(name)}")
        self.name = name


class TooLongError(Exception):
    """With the values of its parameters the commands of a pod are longer than Batchyard makes them."""


class Substitution:
    """Puts the values of parameters into the commands of one pod."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters
        # Each is looked for at each placeholder; longer names are refused, so the work is in proportion to the text.
        self._lengths = sorted({len(name) for name in parameters if 0 < len(name) <= MAX_PARAMETER_NAME})
        self._room = MAX_LENGTH

    def words(self, command: Sequence[str]) -> list[str]:
        """Return the command with placeholders replaced.

        Raises MissingParameterError for the first without a value, TooLongError when it comes to too much, together
        with those before.
        """
        return [self._word(word) for word in command]

    def _word(self, word: str) -> str:
        self._take(len(word))
        if "Ref::" not in word:
            return word
        # In two parts, so that no `$(` is looked for a `)` in vain: time stays linear.
        head, closer, tail = word.rpartition(")")
        return _UP_TO_LAST_CLOSER.sub(self._piece, head + closer) + _AFTER_LAST_CLOSER.sub(self._piece, tail)

    def _piece(self, match: re.Match[str]) -> str:
        text = match[0]
        if text == "$$":
            return text
        with_values, found = _PLACEHOLDER.subn(self._value, text)
        # A `$` or `$(` that is none of a variable's would swallow what a value begins with.
        return literal(with_values) if found or text in ("$", "$(") else text

    def _value(self, match: re.Match[str]) -> str:
        written = match[1]
        name = self._longest_known(written)
        if name is None:
            raise MissingParameterError(written.rstrip(".-") or written)
        value = self._parameters[name]
        self._take(len(value))
        return value + written[len(name) :]

    def _take(self, length: int) -> None:
        self._room -= length
        if self._room < 0:
            raise TooLongError

    def _longest_known(self, written: str) -> str | None:
        if written in self._parameters:
            return written
        shorter = bisect_left(self._lengths, len(written))
        for length in reversed(self._lengths[:shorter]):
            if written[length] in ".-" and written[:length] in self._parameters:
                return written[:length]
        return None


def literal(text: str) -> str:
    """Write a text so that a container gets it as it is, where Kubernetes expands `$(VAR)`."""
    return text.replace("$", "$$")


def field_path(name: str) -> str:
    """Where a person sets this parameter in a BatchJob."""
    return f"spec.parameters.{name}" if name.isidentifier() else f'spec.parameters["{name}"]'
