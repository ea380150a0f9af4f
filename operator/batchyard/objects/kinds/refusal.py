"""Batchyard's own kinds are checked against their models once, when they are first seen or changed.

The CRDs have done so before, but the operator and the CRDs may be of different versions. What does not pass becomes the
record's `refusal`, a sentence that ends in the object's status.
"""

from typing import Any

from batchyard.api.unsupported import refusals
from batchyard.api.validation import InvalidObject
from batchyard.objects.meta import Object, spec_of


def refusal_of(kind: str, obj: Object, parse: Any) -> str:
    """Why an object cannot be used; empty where it can. `parse` checks it against its model."""
    refused = refusals(kind, spec_of(obj))
    if refused:
        return "; ".join(refused)
    try:
        parse(obj)
    except InvalidObject as error:
        return str(error)
    return ""
