"""Who may act: one of several operators, by a Lease. Each write asks it first.

The rules are client-go's: a candidate waits until it has itself watched the Lease go unrenewed for its whole
duration (clocks of two machines are never compared), every write carries the resourceVersion it is based on,
and a leader that could not renew in time stops by itself, before anybody else may start.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from batchyard.kube.errors import ApiError, NotFound
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import LEASES

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
"""How long a Lease holds that is not renewed: so long a candidate watches it before taking it over."""

RENEWAL_DEADLINE_SECONDS = 10.0
"""How long a leader that cannot renew the Lease acts on. What is left of the Lease then is for writes under way."""

RETRY_SECONDS = 2.0
JITTER = 0.2
"""How long between two tries to take or renew the Lease; candidates add as much of the jitter as chance has it."""

_RELEASE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Observed:
    """The Lease as last read or written, and when that was by our own clock."""

    body: Object
    at: float

    @property
    def holder(self) -> str:
        return str(self.body["spec"].get("holderIdentity") or "")

    def expires_at(self) -> float:
        return self.at + float(self.body["spec"].get("leaseDurationSeconds") or 0)


class LeaderElection:
    """A candidate for one Lease.

    A write begun while `is_leader` holds can reach the API server later than that; `LEASE_SECONDS` minus
    `RENEWAL_DEADLINE_SECONDS` is the time it has before another leader may act.
    """

    def __init__(
        self,
        api: KubeApi,
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self._wall_clock = wall_clock
        self._rng = rng
        self._observed: _Observed | None = None
        self._leading_until: float | None = None
        self._problem = ""

    @property
    def is_leader(self) -> bool:
        """Whether we may act now; turns False at the renewal deadline even if a renewal hangs."""
        return self._leading_until is not None and self._clock() < self._leading_until

    @property
    def holder(self) -> str:
        """Who holds the Lease as far as we know; "" if nobody does."""
        return self._observed.holder if self._observed else ""

    async def run(self, on_started: Callable[[], None], on_lost: Callable[[], None]) -> None:
        """Campaign, lead, and campaign again after a loss, until cancelled; then give the Lease up.

        `on_lost` follows every `on_started`, also on cancellation: stop writing before cancelling this.
        """
        try:
            while True:
                await self._campaign()
                await self._lead(on_started, on_lost)
        finally:
            await self._release()

    async def _campaign(self) -> None:
        while True:
            if await self._attempt(self._clock() + RENEWAL_DEADLINE_SECONDS):
                return
            await asyncio.sleep(RETRY_SECONDS * (1 + JITTER * self._rng()))

    async def _lead(self, on_started: Callable[[], None], on_lost: Callable[[], None]) -> None:
        logger.info("%s leads: it holds the Lease %s/%s", self._identity, self._namespace, self._name)
        try:
            on_started()
            await self._keep_renewing()
        finally:
            self._leading_until = None
            on_lost()
            logger.info("%s leads no longer", self._identity)

    async def _keep_renewing(self) -> None:
        """Return when no renewal worked until the deadline, or somebody else holds the Lease."""
        while self._leading_until is not None and self.is_leader:
            left = self._leading_until - self._clock()
            await asyncio.sleep(min(RETRY_SECONDS, left))
            if not await self._attempt(self._leading_until) and self.holder != self._identity:
                return

    async def _attempt(self, deadline: float) -> bool:
        """Try once to take or renew the Lease, giving up at the deadline."""
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock())):
                taken = await self._take()
            self._problem = ""
        except TimeoutError:
            return self._report("the API server did not answer in time")
        except ApiError as error:
            return self._report(error.message)
        return taken

    async def _take(self) -> bool:
        started = self._clock()
        try:
            observed = self._observe(await self._api.get(LEASES, self._name, self._namespace))
        except NotFound:
            written = await self._api.create(LEASES, self._claim({}), self._namespace)
        else:
            if observed.holder not in {"", self._identity} and self._clock() <= observed.expires_at():
                return False
            written = await self._api.replace(LEASES, self._name, self._claim(observed.body), self._namespace)
        self._observe(written)
        # Counted from before the request: others count from when they see its effect, which is later.
        self._leading_until = started + RENEWAL_DEADLINE_SECONDS
        return True

    async def _release(self) -> None:
        """Let the next leader start at once instead of after the Lease's whole duration."""
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                lease = await self._api.get(LEASES, self._name, self._namespace)
                if lease["spec"].get("holderIdentity") == self._identity:
                    spec = {**lease["spec"], "holderIdentity": "", "renewTime": self._micro_time()}
                    await self._api.replace(LEASES, self._name, {**lease, "spec": spec}, self._namespace)
        except (ApiError, TimeoutError):
            logger.info("Lease %s/%s was not released; it will expire", self._namespace, self._name)

    def _observe(self, lease: Object) -> _Observed:
        """Remember the Lease; the time of observation only moves when its content did."""
        old = self._observed
        unchanged = old is not None and old.body["spec"] == lease["spec"]
        self._observed = _Observed(lease, old.at if old is not None and unchanged else self._clock())
        return self._observed

    def _claim(self, lease: Object) -> Object:
        """The Lease with us as its holder, based on the one read ({} if there is none)."""
        old = lease.get("spec") or {}
        now = self._micro_time()
        ours = old.get("holderIdentity") == self._identity
        spec = {
            **old,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": now,
            "acquireTime": old.get("acquireTime", now) if ours else now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (1 if old and not ours else 0),
        }
        metadata = lease.get("metadata") or {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": metadata, "spec": spec}

    def _micro_time(self) -> str:
        return self._wall_clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _report(self, problem: str) -> bool:
        """Log why the Lease was not taken, once per reason; always False."""
        if problem != self._problem:
            self._problem = problem
            logger.warning("Lease %s/%s not taken or renewed: %s", self._namespace, self._name, problem)
        return False
