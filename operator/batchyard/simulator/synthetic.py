"""A made-up workload: streams of jobs that come at random, with log-normal run times, the same for the same seed.

Each stream draws from a generator of its own, so changing one leaves the others as they were.
"""

import math
import random
from collections.abc import Iterator
from functools import partial
from heapq import merge
from typing import Annotated

from pydantic import Field

from batchyard.api.models.base import Integer, ListMap, Model, Name, Number, Rule
from batchyard.api.models.jobdefinition import ConsumableNeed
from batchyard.core.model.resources import parse_resources
from batchyard.simulator.submission import Amounts, Submission, single

_DAY = 86_400
_P95 = 1.6448536269514722
"""The 95th percentile of the standard normal distribution."""


class RunSeconds(Model):
    """How long jobs run: log-normal, given by two of its quantiles; all alike with the median alone."""

    median: Annotated[Number, Field(gt=0)]
    p95: Annotated[Number, Field(gt=0)] | None = None
    """95 of 100 jobs run no longer than this."""

    rules = (
        Rule(
            "!has(self.p95) || self.p95 >= self.median",
            "p95 must be at least the median",
            lambda it: it.p95 is None or it.p95 >= it.median,
            field="p95",
        ),
    )


class Stream(Model):
    """Jobs of one size that come independently of each other (a Poisson process)."""

    queue: Name
    """The queue they are submitted to."""
    share_identifier: Annotated[str, Field(max_length=255)] = ""
    """The share they count for, in a queue that shares fairly."""
    jobs_per_hour: Annotated[Number, Field(gt=0)]
    """How many come in an hour, on average over a day."""
    daily_swing: Annotated[Number, Field(ge=0, le=1)] = 0.0
    """How much busier than average noon is, and how much quieter midnight: 0 not at all, 1 twice as busy and idle."""
    requests: Amounts
    """What each takes, such as `cpu: 2`, `memory: 8Gi`."""
    run_seconds: RunSeconds
    """How long each runs."""
    timeout_seconds: Annotated[Integer, Field(ge=1)] | None = None
    """Ends jobs that run longer, and tells the planner how long they may."""
    consumable_resources: Annotated[tuple[ConsumableNeed, ...], ListMap("name")] = ()
    """Licences and the like that each takes, as in a JobDefinition."""


class Synthetic(Model):
    """Streams of jobs, and how many come in all."""

    seed: Integer = 1
    """Another seed makes another workload of the same kind."""
    jobs: Annotated[Integer, Field(ge=1)]
    """Number of jobs of all streams together."""
    streams: Annotated[tuple[Stream, ...], Field(min_length=1, max_length=1000)]


def generate(mix: Synthetic) -> Iterator[Submission]:
    """All jobs in the order in which they come, without an end. The clock starts at midnight."""
    streams = [
        _stream(stream, random.Random(f"{mix.seed}/{number}"))  # noqa: S311 - a simulation keeps no secrets
        for number, stream in enumerate(mix.streams)
    ]
    return merge(*streams, key=lambda submission: submission.submitted_at)


def _stream(stream: Stream, dice: random.Random) -> Iterator[Submission]:
    """Arrivals at the peak's rate, thinned out to the rate of the hour."""
    limit = stream.timeout_seconds
    consumables = {need.name: need.quantity for need in stream.consumable_resources}
    resolved = single(parse_resources(stream.requests), limit, consumables)
    median, p95 = stream.run_seconds.median, stream.run_seconds.p95
    spread = math.log(p95 / median) / _P95 if p95 else 0.0
    run_seconds = partial(dice.lognormvariate, math.log(median), spread)
    peak = stream.jobs_per_hour / 3600 * (1 + stream.daily_swing)
    now = 0.0
    while True:
        now += dice.expovariate(peak)
        hourly = 1 - stream.daily_swing * math.cos(2 * math.pi * now / _DAY)
        if dice.random() * (1 + stream.daily_swing) < hourly:
            seconds = max(round(run_seconds()), 1)
            seconds = min(seconds, limit or seconds)
            yield Submission(int(now), stream.queue, stream.share_identifier, resolved, seconds)
