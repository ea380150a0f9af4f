"""What a BatchJob says of an array: how it is to run, and what became of its indexes."""

from typing import Annotated

from pydantic import Field

from batchyard.api.models.base import Integer, Model, Name, Rule, StatusModel, field_pattern

MAX_ARRAY_SIZE = 100_000
FAILED = "Failed"
"""Of a rerun: in the place of indexes, all that did not succeed."""
INDEXES = r"[0-9]{1,6}(-[0-9]{1,6})?(,[0-9]{1,6}(-[0-9]{1,6})?)*"
"""Indexes of at most six digits and ranges of them, in the syntax that RE2 and Python share."""


class Rerun(Model):
    """Indexes of an earlier array that are to run again."""

    job: Name
    """Name of the earlier array: in the same namespace and of the same size. The new one waits for its end."""
    indexes: Annotated[str, Field(max_length=4000)] = FAILED
    """Failed for all that did not succeed, or the indexes, as ranges: `3,7-9`."""

    rules = (
        field_pattern(
            "indexes",
            f"{FAILED}|{INDEXES}",
            "must be Failed, or indexes and ranges of them, such as 3,7-9; an index has at most six digits",
        ),
    )


class ArrayProperties(Model):
    """Runs the job once for each index from 0 to size - 1. The retry strategy and the timeout are those of an index."""

    size: Annotated[Integer, Field(ge=1, le=MAX_ARRAY_SIZE)]
    """Number of indexes."""
    max_concurrency: Annotated[Integer, Field(ge=1)] | None = None
    """How many indexes run at the same time at most; left out, as many as the queue grants."""
    max_failed_indexes: Annotated[Integer, Field(ge=0, le=MAX_ARRAY_SIZE)] | None = None
    """How many indexes may fail, their retries included, before the others are stopped; left out, all of them."""
    rerun: Rerun | None = None
    """Runs nothing but chosen indexes of an earlier array again."""


class IndexStop(Model):
    """The wish that some indexes of an array end."""

    indexes: Annotated[str, Field(max_length=1000)]
    """The indexes, as ranges: `7,9-11`. Those that the array does not have, or that have ended, mean nothing."""
    reason: Annotated[str, Field(min_length=1, max_length=256)]
    """Why, in your words; it ends up in the status."""

    rules = (
        Rule("self == oldSelf", "what was said of these indexes cannot be changed; add another entry"),
        field_pattern(
            "indexes", INDEXES, "must be indexes and ranges of them, such as 7,9-11; an index has at most six digits"
        ),
    )


class FailedIndex(StatusModel):
    """How an index of an array failed."""

    index: Integer
    """The index."""
    attempt: Integer
    """Number of its last attempt, from 1; 0 if it never ran."""
    exit_code: Integer | None = None
    """Exit code of the container."""
    reason: str | None = None
    """One word on how it ended, such as NonZeroExit or OOMKilled."""
    message: str | None = None
    """A sentence on how it ended."""
    pod_name: str | None = None
    """Name of its pod."""
    node_name: str | None = None
    """Name of the node."""


class ArrayStatus(StatusModel):
    """What became of the indexes of an array."""

    size: Integer
    """Number of indexes."""
    progress: str
    """Indexes that have ended, of all, or of the chosen ones: `40/1000`."""
    waiting: Integer
    """Indexes that have not started, or wait for another attempt."""
    starting: Integer
    """Indexes whose pods are being scheduled or started."""
    running: Integer
    """Indexes that run."""
    succeeded: Integer
    """Indexes that have succeeded."""
    failed: Integer
    """Indexes that have failed, and are not tried again."""
    retries: Integer
    """How many attempts beyond the first have been started, of all indexes together."""
    restarts: Integer | None = None
    """How often an index had to begin anew as the array lost places to others; left out if never. Interruptions are
    counted in `status.interruptions`."""
    moved: bool | None = None
    """True once the indexes that were left have gone on outside the environment in which the array began, as no nodes
    came there any more: each has a Kubernetes Job of its own since then."""
    charged_as: str | None = None
    """The size that each pod has, and counts for, in a serverless environment that has sizes."""
    active_indexes: str | None = None
    """The indexes that start or run, as ranges: `44-55,60`."""
    succeeded_indexes: str | None = None
    """The indexes that have succeeded, as ranges: `0-41,43`. Where these would take more than 8,000 characters, `bits:`
    and base64 of zlib-compressed bits, a 1 and then one for each index from 0; so in all fields of indexes."""
    failed_indexes: str | None = None
    """The indexes that have failed, as ranges."""
    interrupted_indexes: str | None = None
    """The indexes whose pods were stopped from outside as they ran, until they have run again, as ranges."""
    chosen_indexes: str | None = None
    """Of a rerun: the indexes that run, as ranges."""
    succeeded_before_indexes: str | None = None
    """Of a rerun: those of the others that had succeeded in the earlier array, as ranges."""
    first_failures: tuple[FailedIndex, ...] = ()
    """How the first of them failed, at most ten."""
