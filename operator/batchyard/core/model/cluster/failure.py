"""That nodes which were asked for do not come, as the provisioner and its provider tell it.

Like all records built and owned by the runtime's cache.
"""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Failure:
    """What keeps nodes of one environment from coming. Repeated for the same reason, it is one."""

    reason: str
    """In the provisioner's terms, such as InsufficientCapacityError."""
    message: str
    """The provider's words when it happened first: others may differ in names only."""
    since: float
    last: float
    """When it happened last."""
