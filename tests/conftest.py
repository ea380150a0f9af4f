"""How tests run side by side where pytest is told to with `-n`, as `make test` does, and what holds in all of them.

Beside three clusters any example may take longer than it should: no property depends on how long.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from batchyard.core.lifecycle.transitions import TRANSITIONS
from batchyard.core.model.status import Status
from e2e.sidebyside import group_of

settings.register_profile("side by side", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("side by side")


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist has no types that mypy would take
    """Gives each group of end-to-end tests to one worker, these first; other tests to whichever has time for them."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    """Tell pytest-xdist how to distribute the tests."""
    return GroupScheduling(config, log)


@pytest.fixture(autouse=True, scope="session")
def only_documented_transitions() -> Iterator[None]:
    """Whatever a test does, no job goes from one state into another in a way that the documentation does not know."""
    replace = Status._replace

    def checked(status: Status, **fields: Any) -> Status:
        state = fields["state"] if {"state", "reason", "message"} <= fields.keys() else status.state
        known = state is status.state or state in TRANSITIONS[status.state]
        assert known, f"a job went from {status.state} to {state}: {fields}"
        return replace(status, **fields)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Status, "_replace", checked)
        yield
