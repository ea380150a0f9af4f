"""What came of a job's admission: all that the life of a job has to know of what it refers to."""

from dataclasses import dataclass

from batchyard.core.admission.references import Pending, Unsatisfiable
from batchyard.core.model.definition import Resolved
from batchyard.core.model.status import Status


@dataclass(slots=True, frozen=True)
class Admitted:
    """A job's next status, and what it comes to."""

    status: Status
    resolved: Resolved | None
    """What it came to, even where that cannot be made any more."""
    lack: Pending | Unsatisfiable | None = None
    """Why nothing more of it can be made now, if that is so."""
