"""What a job and its definition can be refused with."""

from batchyard.api.reasons import Reason


class TemplateError(Exception):
    """A job and its definition do not come to a valid pod, and never will as they are."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
