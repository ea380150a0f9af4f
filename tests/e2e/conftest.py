"""The one cluster all end-to-end tests share."""

import os
from collections.abc import Iterator

import pytest

import localcluster

NAME = "batchyard-test"


@pytest.fixture(scope="session")
def cluster() -> Iterator[localcluster.Cluster]:
    """A running cluster; it stays up for the next run, except where nobody will come back to it."""
    yield localcluster.up(NAME)
    if os.environ.get("CI"):
        localcluster.down(NAME)
