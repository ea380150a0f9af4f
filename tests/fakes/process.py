"""One operator in the cluster of tests, and its own way to the API server.

Each process has a connection of its own, so its writes are counted apart, and its death cuts it off in the middle of
whatever it was doing.
"""

import asyncio

from prometheus_client.exposition import generate_latest

from batchyard.core.admission.protection import NOTHING_PROTECTED, Protection
from batchyard.core.insight.visibility import Visibility
from batchyard.kube.errors import ApiError, Unavailable
from batchyard.kube.resources import LEASES, PODS, Resource
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.process.acting import Rules
from batchyard.runtime.process.leader import LeaderElection
from batchyard.runtime.process.operator import Operator
from batchyard.runtime.state.marks import MarkKey
from fakes.api import FakeApi
from fakes.clock import START
from fakes.store import Store
from fakes.watches import follow_all
from objects.exposition import samples

DOWN = Unavailable(503, "ServiceUnavailable", "the API server is down")
_WRITES = frozenset({"create", "update", "patch", "delete"})


class Connection(FakeApi):
    """One process's way to the API server; `cut` ends it for good."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._cut = False
        self._writes_left: int | None = None
        self._last_takes_effect = False

    @property
    def is_cut(self) -> bool:
        """Whether nothing passes any more."""
        return self._cut

    def cut(self) -> None:
        """Nothing more passes in either direction."""
        if not self._cut:
            self._cut = True
            self.store.listeners.remove(self._publish)

    def cut_at_write(self, number: int, *, takes_effect: bool) -> None:
        """Cut at the n-th write from now on (renewals of the lease not counted), before or after it is carried out."""
        self._writes_left, self._last_takes_effect = number, takes_effect

    def lose_next(self, verb: str, resource: Resource, *, after_effect: bool = True, times: int = 1) -> None:
        """Leave the next requests without an answer, after or before they are carried out."""
        self.fail_next(verb, resource, DOWN, after_effect=after_effect, times=times)

    def disconnect_all(self) -> None:
        """End every open watch; whoever follows a kind lists it anew."""
        for watched in {watcher.resource for watcher in self._watchers}:
            self.disconnect(watched)

    def heal(self) -> None:
        """Take back every failure ordered that has not happened yet."""
        self._failures.clear()

    async def _arrive(self, verb: str, resource: Resource) -> ApiError | None:
        failure = await super()._arrive(verb, resource)
        if self._cut:
            raise DOWN
        if self._writes_left is not None and verb in _WRITES and resource != LEASES:
            self._writes_left -= 1
            if self._writes_left <= 0:
                self.cut()
                if not self._last_takes_effect:
                    raise DOWN
                return DOWN
        return failure


class Process:
    """One running operator."""

    def __init__(
        self,
        store: Store,
        identity: str,
        *,
        resync_seconds: float,
        skew: float = 0.0,
        visibility: Visibility = Visibility.ALL,
        protection: Protection = NOTHING_PROTECTED,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.api = Connection(store)
        self.metrics = Metrics()
        self.stopped: list[str] = []
        self.skew = skew
        """What this process's clock is ahead of the API server's."""
        self.election = LeaderElection(
            self.api, "batchyard-system", "operator", identity, clock=loop.time, rng=lambda: 0.5
        )
        self.operator = Operator(
            self.api,
            self.election,
            self.metrics,
            MarkKey(self.api, "batchyard-system", "operator-marks", lambda count: b"k" * count),
            Rules(visibility=visibility, protection=protection, resync_seconds=resync_seconds),
            clock=lambda: START + loop.time() + self.skew,
            monotonic=loop.time,
            stopped=self.stopped.append,
        )
        self._watches = asyncio.create_task(follow_all(self.api, self.operator.cache))

    async def start(self) -> None:
        await self.operator.start()

    async def stop(self) -> None:
        """End in order, as on SIGTERM."""
        await self.operator.stop()
        await self._end_watches()

    async def kill(self) -> None:
        """End without a last word: nothing more reaches the API server, the lease is not given up."""
        self.api.cut()
        await self.operator.stop()
        await self._end_watches()

    async def end(self, *, orderly: bool) -> None:
        """Stop, or be killed."""
        await (self.stop() if orderly else self.kill())

    def deafen(self) -> None:
        """From now on nothing is heard of Batchyard's own kinds, as when their watches die unnoticed."""
        self._watches.cancel()

    async def _end_watches(self) -> None:
        self._watches.cancel()
        await asyncio.gather(self._watches, return_exceptions=True)

    def writes(self, *resources: Resource) -> list[tuple[str, str]]:
        """Verb and name of this process's writes to some kinds."""
        return [(verb, name) for verb, resource, name in self.api.writes if resource in resources]

    def evicted(self) -> list[str]:
        """Names of the pods that this process has evicted."""
        return [name.removesuffix("/eviction") for _, resource, name in self.api.writes if resource == PODS]

    def readings(self) -> dict[tuple[str, str], float]:
        """Every sample of its metrics by name and labels, as a scraper would see them."""
        return samples(generate_latest(self.metrics.registry).decode())
