"""How tests run side by side where pytest is told to with `-n`, as `make test` does; called by pytest-xdist.

Beside three clusters any example may take longer than it should: no property depends on how long.
"""

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

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
