"""What the kubelet makes of a container's variables and words: `$(VAR)` is expanded, `$$` is a dollar."""

from collections.abc import Mapping
from typing import Any


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand as Kubernetes' own `expansion.Expand` does."""
    result, at = "", 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            result += text[at]
            at += 1
        elif text[at + 1] == "(" and (end := text.find(")", at + 2)) > 0:
            name = text[at + 2 : end]
            result += variables.get(name, f"$({name})")
            at = end + 1
        else:
            result += "$" if text[at + 1] == "$" else text[at : at + 2]
            at += 2
    return result


def variables_of(container: Mapping[str, Any], **fields: str) -> dict[str, str]:
    """Return the environment of a container: each variable may refer to those before it, and the last of a name counts.

    `fields` are the values of entries that have a source, by name.
    """
    variables: dict[str, str] = {}
    for entry in container.get("env") or ():
        source = fields.get(entry["name"], "") if "valueFrom" in entry else None
        variables[entry["name"]] = expand(entry.get("value", ""), variables) if source is None else source
    return variables


def words_of(container: Mapping[str, Any], **fields: str) -> list[str]:
    """Return the program and its arguments."""
    variables = variables_of(container, **fields)
    return [expand(word, variables) for field in ("command", "args") for word in container.get(field) or ()]
