"""What a request to the API server can end in, as exceptions whose text is the API server's own sentence.

Raised by every `KubeApi`. Callers decide by class (`except AlreadyExists`) and show people `message`.
"""
# ruff: noqa: N818 - the class names are the API server's own words

import re
from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """The API server refused a request, or did not answer it."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; 0 when there was no answer."""
        self.reason = reason
        """The machine-readable word of the answer, such as `AlreadyExists`."""
        self.message = message
        """One sentence for a person."""
        self.retry_after = retry_after
        """Seconds the API server asks to wait before the next try, if it does."""

    @property
    def definite(self) -> bool:
        """Whether this is the API server's last word for now: nothing happened, and asking again at once is no use."""
        return True


class BadRequest(ApiError):
    """400: the body does not make sense to the API server, such as an unknown field where that is checked."""


class Denied(ApiError):
    """4xx by an admission webhook or policy, or a 422 that names no field: nothing is said about the schema."""


class Forbidden(ApiError):
    """403: the operator's role lacks a permission, or a quota is used up."""


class NamespaceEnds(Forbidden):
    """403 on create: the namespace is being deleted, and with it all that is there."""


class NotFound(ApiError):
    """404: no such object, or no such kind (its CRD is not installed)."""


class AlreadyExists(ApiError):
    """409 on create: an object of that name is there; with deterministic names that means "done already"."""


class Conflict(ApiError):
    """409 otherwise, or 422 for its uid: the object changed meanwhile, or is another one of the same name."""


class Gone(ApiError):
    """410: the resourceVersion is too old to continue from; LIST again."""


class Invalid(ApiError):
    """422 with the fields that are wrong: the object breaks its schema or a validation rule."""


class TooLarge(ApiError):
    """413, or what etcd says: the object is larger than the API server stores."""

    @property
    def definite(self) -> bool:
        """It is as large the next time, whatever code this came with."""
        return True


class TooManyRequests(ApiError):
    """429: the API server sheds load; `retry_after` says for how long."""

    @property
    def definite(self) -> bool:
        """It is over in a moment."""
        return False


class Unavailable(ApiError):
    """5xx, or no answer in time. Whether a write took effect is unknown, unless it is `definite` that none did."""

    @property
    def definite(self) -> bool:
        """Of these only what comes of a webhook: the API server asks it first, and cannot, or is told no."""
        return _WEBHOOK_DOWN in self.message or _DENIAL.search(self.message) is not None


class Unreachable(Unavailable):
    """No connection came about: nothing was sent, so nothing happened."""


_WEBHOOK_DOWN = "failed calling webhook"
_DENIAL = re.compile(
    r"admission webhook \".+\" (denied the request|does not support dry run)"
    r"|ValidatingAdmissionPolicy '.+' denied request"
)
"""How admission begins its own words, whatever code they come with: the webhook or policy chooses that."""

_EXPRESSION = re.compile(r",? regex used for validation is '[^']*'")
"""What the API server adds to a sentence that has said in words, with an example, what a name may consist of."""

_FULL_OF_ETCD = ("etcdserver: request is too large", "trying to send message larger than max")

_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    422: Invalid,
    429: TooManyRequests,
}


def from_status(code: int, status: Mapping[str, Any], retry_after: float | None = None) -> ApiError:
    """Turn the `Status` object of an answer (or of an ERROR event of a watch) into the matching exception."""
    reason = str(status.get("reason") or "Unknown")
    message = str(status.get("message") or f"the API server answered {code} {reason} without an explanation")
    message = _EXPRESSION.sub("", message)
    causes = (status.get("details") or {}).get("causes") or ()
    if 400 <= code < 500 and _DENIAL.search(message):
        kind: type[ApiError] = Denied
    elif reason == "AlreadyExists":
        kind = AlreadyExists
    elif code == 422 and any(cause.get("field") == "metadata.uid" for cause in causes):
        # A patch that names the uid it is meant for: the API server calls another one "immutable", not a conflict.
        kind = Conflict
    elif code == 422 and not any(cause.get("field") for cause in causes):
        kind = Denied
    elif any(each in message for each in _FULL_OF_ETCD):
        kind = TooLarge
    elif code >= 500:
        kind = Unavailable
    elif any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        kind = NamespaceEnds
    else:
        kind = _BY_STATUS.get(code, ApiError)
    return kind(code, reason, message, retry_after)
