"""Batchyard's own kinds are checked against their models once, when they are first seen or changed.

The CRDs have done so before, but the operator and the CRDs may be of different versions. What passes is read from its
model, so that each field is parsed once and each default stands in one place; what does not becomes the record's
`refusal`, a sentence that ends in the object's status.
"""

from batchyard.api.unsupported import refusals
from batchyard.api.validation import InvalidObject, M, parse
from batchyard.objects.meta import Object, spec_of


def checked(model: type[M], obj: Object) -> M | str:
    """The object as its model, or why it cannot be used."""
    refused = refusals(model.__name__, spec_of(obj))
    if refused:
        return "; ".join(refused)
    try:
        return parse(model, obj)
    except InvalidObject as error:
        return str(error)
