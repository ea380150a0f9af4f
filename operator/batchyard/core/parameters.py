"""`Ref::name` placeholders in commands, as AWS Batch has them; called when a job's template is resolved.

A placeholder may be a whole word or part of one (`--codec=Ref::codec`, `Ref::bucket/Ref::key`). A name is the
longest run of letters, digits, `_`, `.` and `-`; where no parameter has that name, the run is cut back at its
dots and dashes, so that `Ref::sample.bam` uses a parameter `sample` but `Ref::sample2` never does.

The program sees values as they are: one that contains `Ref::` is not looked at again, and dollars are written so that
Kubernetes, which expands `$(VAR)` and halves `$$` in commands, leaves them alone. What the definition itself writes in
that syntax goes on meaning it, save for one thing: a parameter cannot name a variable, so `$(Ref::name)` is text.
"""

import re
from collections.abc import Mapping, Sequence

_NAME = r"(?:(?!Ref::)[A-Za-z0-9_.-])+"
_PLACEHOLDER = re.compile(rf"Ref::({_NAME})")
# A placeholder, or what Kubernetes reads as one thing where a placeholder may stand in it or behind it.
_OPEN = rf"{_PLACEHOLDER.pattern}|\$\$|\$\(|\$(?=Ref::{_NAME})"
_AFTER_LAST_CLOSER = re.compile(_OPEN)
_UP_TO_LAST_CLOSER = re.compile(rf"\$\([^)]*\)|{_OPEN}")


class MissingParameterError(Exception):
    """A command refers to a parameter that has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"parameter {name!r} has no value: set {field_path(name)}")
        self.name = name


def substitute(command: Sequence[str], parameters: Mapping[str, str]) -> list[str]:
    """The command with placeholders replaced; raises MissingParameterError for the first without a value."""

    def value(match: re.Match[str]) -> str:
        written = match[1]
        name = _longest_known(written, parameters)
        if name is None:
            raise MissingParameterError(written.rstrip(".-") or written)
        return parameters[name] + written[len(name) :]

    def piece(match: re.Match[str]) -> str:
        text = match[0]
        if text == "$$":
            return text
        with_values, found = _PLACEHOLDER.subn(value, text)
        # A `$` or `$(` that is none of a variable's would swallow what a value begins with.
        return literal(with_values) if found or text in ("$", "$(") else text

    def word_with_values(word: str) -> str:
        # In two parts, so that no `$(` is looked for a `)` in vain: time stays linear.
        head, closer, tail = word.rpartition(")")
        return _UP_TO_LAST_CLOSER.sub(piece, head + closer) + _AFTER_LAST_CLOSER.sub(piece, tail)

    return [word_with_values(word) if "Ref::" in word else word for word in command]


def literal(text: str) -> str:
    """Write a text so that a container gets it as it is, where Kubernetes expands `$(VAR)`."""
    return text.replace("$", "$$")


def field_path(name: str) -> str:
    """Where a person sets this parameter in a BatchJob."""
    return f"spec.parameters.{name}" if name.isidentifier() else f'spec.parameters["{name}"]'


def _longest_known(written: str, parameters: Mapping[str, str]) -> str | None:
    if written in parameters:
        return written
    for end in range(len(written) - 1, 0, -1):
        if written[end] in ".-" and written[:end] in parameters:
            return written[:end]
    return None
