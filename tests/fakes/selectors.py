"""Label and field selectors, as the fake API server matches them."""

import functools
import re
from collections.abc import Callable
from typing import Any

Matcher = Callable[[dict[str, Any]], bool]

_TERM = re.compile(
    r"""\s*(?:
        (?P<set_key>[^\s=!,()]+)\s+(?P<set_op>in|notin)\s+\((?P<values>[^)]*)\)
      | (?P<key>[^\s=!,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s,]*)
      | (?P<absent>!)\s*(?P<absent_key>[^\s=!,()]+)
      | (?P<present_key>[^\s=!,()]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)


def label_matcher(selector: str) -> Matcher:
    """Whether an object's labels satisfy a selector such as `app=web,tier in (a, b),!legacy`."""
    terms = _terms(selector)

    def matches(obj: dict[str, Any]) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(_holds(term, labels) for term in terms)

    return matches


def field_matcher(selector: str) -> Matcher:
    """Whether an object's fields satisfy a selector such as `spec.nodeName=n1,status.phase!=Failed`."""
    terms = _terms(selector)

    def matches(obj: dict[str, Any]) -> bool:
        return all(_holds(term, {term["key"]: str(_field(obj, term["key"]))}) for term in terms)

    return matches


def matcher(labels: str, fields: str) -> Matcher:
    """Whether an object satisfies a label selector and a field selector."""
    by_label, by_field = label_matcher(labels), field_matcher(fields)
    return lambda obj: by_label(obj) and by_field(obj)


@functools.lru_cache(maxsize=1000)
def _terms(selector: str) -> tuple[dict[str, str], ...]:
    terms, position = [], 0
    while position < len(selector):
        term = _TERM.match(selector, position)
        if term is None:
            raise ValueError(f"unable to parse the selector {selector!r}")
        terms.append({name: text for name, text in term.groupdict().items() if text is not None})
        position = term.end()
    return tuple(terms)


def _holds(term: dict[str, str], values: dict[str, str]) -> bool:
    if "set_op" in term:
        listed = values.get(term["set_key"]) in [value.strip() for value in term["values"].split(",")]
        return listed == (term["set_op"] == "in")
    if "op" in term:
        return (values.get(term["key"]) == term["value"]) == (term["op"] != "!=")
    if "absent" in term:
        return term["absent_key"] not in values
    return term["present_key"] in values


def _field(obj: dict[str, Any], path: str) -> Any:
    found: Any = obj
    for step in path.split("."):
        found = (found or {}).get(step)
    if path == "source":  # of an Event: whichever of two fields names who has written it
        found = (found or {}).get("component") or obj.get("reportingComponent")
    return "" if found is None else found
