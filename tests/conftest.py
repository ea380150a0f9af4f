"""How tests run side by side where pytest is told to with `-n`, as `make test` does, and what holds in all of them.

Beside three clusters any example may take longer than it should: no property depends on how long.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from batchyard.api.models.batchjob import JobState
from batchyard.core.lifecycle import transitions
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
    change = transitions._to

    def checked(status: Status, state: JobState, *said: str, **fields: Any) -> Status:
        known = state is status.state or state in transitions.TRANSITIONS[status.state]
        assert known, f"a job went from {status.state} to {state}: {said}"
        return change(status, state, *said, **fields)

    transitions._to = checked
    yield
    transitions._to = change
