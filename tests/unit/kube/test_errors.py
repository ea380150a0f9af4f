"""What an answer of the API server means: whether it speaks of the object, and whether asking again is any use."""

from typing import Any

import pytest

from batchyard.kube import errors
from batchyard.kube.errors import from_status
from objects.answers import BY_POLICY, BY_WEBHOOK, NOT_ASKED

NAMED = {"causes": [{"field": "spec.template", "message": "Required value"}]}
ENDING = {"causes": [{"reason": "NamespaceTerminating", "message": "it ends", "field": "metadata.namespace"}]}
OF_POLICY = {"causes": [{"message": "ValidatingAdmissionPolicy 'freeze' with binding 'freeze' denied request: no"}]}


@pytest.mark.parametrize(
    ("code", "reason", "message", "details", "kind", "definite"),
    [
        (422, "Invalid", 'Job.batch "j" is invalid: spec.template: Required value', NAMED, errors.Invalid, True),
        (400, "BadRequest", 'Job in version "v1" cannot be handled as a Job', {}, errors.BadRequest, True),
        (400, "", BY_WEBHOOK, {}, errors.Denied, True),
        (400, "BadRequest", 'admission webhook "x" does not support dry run', {}, errors.Denied, True),
        (409, "AlreadyExists", BY_WEBHOOK, {}, errors.Denied, True),
        (422, "Invalid", BY_WEBHOOK, NAMED, errors.Denied, True),
        (422, "Invalid", BY_POLICY, OF_POLICY, errors.Denied, True),
        (422, "Invalid", "the server rejected our request", {}, errors.Denied, True),
        (403, "Forbidden", 'jobs.batch "j" is forbidden: exceeded quota: tight', {}, errors.Forbidden, True),
        (403, "Forbidden", 'jobs.batch "j" is forbidden: it ends', ENDING, errors.NamespaceEnds, True),
        (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728", {}, errors.TooLarge, True),
        (500, "InternalError", "etcdserver: request is too large", {}, errors.TooLarge, True),
        (500, "InternalError", NOT_ASKED, {}, errors.Unavailable, True),
        (500, "", BY_WEBHOOK, {}, errors.Unavailable, True),
        (500, "InternalError", "etcdserver: request timed out", {}, errors.Unavailable, False),
        (503, "", "", {}, errors.Unavailable, False),
        (429, "TooManyRequests", "", {}, errors.TooManyRequests, False),
    ],
)
def test_an_answer(
    code: int, reason: str, message: str, details: dict[str, Any], kind: type[errors.ApiError], definite: bool
) -> None:
    error = from_status(code, {"reason": reason, "message": message, "details": details})
    assert type(error) is kind
    assert error.definite is definite


def test_no_answer_is_no_last_word() -> None:
    assert not errors.Unreachable(0, "Unreachable", "cannot connect").definite


def test_words_are_shown_without_the_expressions_behind_them() -> None:
    message = (
        'Job.batch "j" is invalid: spec.template.spec.containers[0].name: Invalid value: "A b": a lowercase RFC 1123'
        " label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric"
        " character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    )
    shown = from_status(422, {"reason": "Invalid", "message": message}).message
    assert shown.endswith("alphanumeric character (e.g. 'my-name',  or '123-abc')")
