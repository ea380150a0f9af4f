"""What the API describes but this version does not do yet: refused with a sentence, never silently ignored.

One table feeds the CRDs (`schema` adds a CEL rule per row), the reference page and `refusals`, which the
operator asks again because the CRDs in a cluster may be older or newer than it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from batchyard.api.names import COMPUTE_ENVIRONMENT


@dataclass(frozen=True)
class Unsupported:
    """One field, or one value of it, that this version refuses."""

    kind: str
    path: tuple[str, ...]
    """Camel-case field names below the object's spec; a field with a list stands for each of its entries."""
    what: str
    remedy: str
    value: str | None = None
    """The refused value; None: the field as such is refused when it is set, not empty and not 0."""

    number: bool = False
    """Whether the field is a number (a double to the API server); 0 is what it is when it is left out."""

    @property
    def message(self) -> str:
        """The sentence people see, at apply time or in a status."""
        return f"{self.what} not supported by this version of Batchyard; {self.remedy}"

    @property
    def cel(self) -> str:
        """The condition on the object that holds the field, which `schema` puts there."""
        field = f"self.{self.path[-1]}"
        condition = f"!has({field})" + (f" || {field} == 0.0" if self.number else "")
        if self.value is not None:
            condition += f" || {field} != '{self.value}'"
        return condition

    def refuses(self, spec: Mapping[str, Any]) -> bool:
        """Whether this spec uses it."""
        holders: list[Any] = [spec]
        for step in self.path[:-1]:
            found = [holder.get(step) for holder in holders if isinstance(holder, Mapping)]
            holders = [entry for each in found for entry in (each if isinstance(each, list) else [each])]
        return any(isinstance(holder, Mapping) and self._is_in(holder) for holder in holders)

    def _is_in(self, holder: Mapping[str, Any]) -> bool:
        found = holder.get(self.path[-1])
        return found == self.value if self.value is not None else found not in (None, [], 0)


UNSUPPORTED = (
    Unsupported(
        COMPUTE_ENVIRONMENT,
        ("managed", "minVcpus"),
        "capacity that is kept warm is",
        "leave spec.managed.minVcpus out: nodes are made when jobs need them",
        number=True,
    ),
)


def refusals(kind: str, spec: Mapping[str, Any]) -> list[str]:
    """What a stored spec asks for that this version does not do, as sentences; empty when all is well."""
    return [row.message for row in UNSUPPORTED if row.kind == kind and row.refuses(spec)]
