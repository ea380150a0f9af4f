"""`Ref::name` placeholders in commands, as AWS Batch has them; called when a job's template is resolved.

A placeholder may be a whole word or part of one (`--codec=Ref::codec`, `Ref::bucket/Ref::key`). A name is the
longest run of letters, digits, `_`, `.` and `-`; where no parameter has that name, the run is cut back at its
dots and dashes, so that `Ref::sample.bam` uses a parameter `sample` but `Ref::sample2` never does. Values are
put in as they are: a value that contains `Ref::` is not looked at again.
"""

import re
from collections.abc import Mapping, Sequence

_PLACEHOLDER = re.compile(r"Ref::((?:(?!Ref::)[A-Za-z0-9_.-])+)")


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

    return [_PLACEHOLDER.sub(value, word) for word in command]


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
