"""The election: never two leaders at once, whatever the API server, the network and the clocks do."""

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.kube import errors
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import LEASES, Resource
from batchyard.runtime.process.leader import (
    JITTER,
    LEASE_SECONDS,
    RENEWAL_DEADLINE_SECONDS,
    RETRY_SECONDS,
    LeaderElection,
)
from fakes.api import FakeApi
from fakes.clock import run_virtual

DOWN = errors.Unavailable(503, "ServiceUnavailable", "the API server is down")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Wire:
    """One candidate's connection: requests and answers take as long as `delays` says; a None loses the answer.

    It knows only the verbs an election uses.
    """

    def __init__(self, api: FakeApi, delays: Iterator[float | None]) -> None:
        self._api = api
        self.delays = delays
        self.cut = False

    async def _send(self, call: Any) -> Object:
        if self.cut:
            raise DOWN
        there, back = next(self.delays, 0.0), next(self.delays, 0.0)
        # The request travels on even if the candidate no longer waits for its answer.
        task = asyncio.ensure_future(self._carry_out(there, call))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        result: Object = await asyncio.shield(task)
        if back is None:
            raise DOWN
        await asyncio.sleep(back)
        return result

    async def _carry_out(self, delay: float | None, call: Any) -> Object:
        await asyncio.sleep(delay or 0.0)
        result: Object = await call()
        return result

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        return await self._send(lambda: self._api.get(resource, name, namespace))

    async def create(self, resource: Resource, body: Object, namespace: str = "") -> Object:
        return await self._send(lambda: self._api.create(resource, body, namespace))

    async def replace(self, resource: Resource, name: str, body: Object, namespace: str = "") -> Object:
        return await self._send(lambda: self._api.replace(resource, name, body, namespace))


class Candidate:
    """An operator that campaigns, with a clock of its own."""

    def __init__(
        self, api: FakeApi, identity: str, *, delays: list[float | None] | None = None, skew: float = 0
    ) -> None:
        loop = asyncio.get_running_loop()
        self.history: list[str] = []
        self.wire = Wire(api, iter(delays or []))
        self.election = LeaderElection(
            cast("KubeApi", self.wire),
            "batchyard",
            "operator",
            identity,
            clock=lambda: loop.time() + skew,
            wall_clock=lambda: START + timedelta(seconds=loop.time() + skew),
            rng=lambda: 0.5,
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def leads(self) -> bool:
        return self.election.is_leader

    def start(self, check: Callable[[], None] = lambda: None) -> None:
        """Campaign; `check` is called at the very moment leadership begins."""

        def on_started() -> None:
            self.history.append("started")
            check()

        run = self.election.run(on_started, lambda: self.history.append("lost"))
        self._task = asyncio.create_task(run)

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def crash(self) -> None:
        """Vanish without giving the Lease up; what was sent before still arrives."""
        self.wire.cut = True
        await self.stop()


def _spec(api: FakeApi) -> dict[str, Any]:
    spec: dict[str, Any] = api.store.get(LEASES, "operator", "batchyard")["spec"]
    return spec


def test_a_single_candidate_leads_at_once_and_keeps_leading() -> None:
    async def scenario() -> None:
        api = FakeApi()
        one = Candidate(api, "one")
        one.start()
        await asyncio.sleep(0.1)
        assert one.leads
        first = _spec(api)
        for _ in range(100):
            await asyncio.sleep(1)
            assert one.leads
        assert one.history == ["started"]
        later = _spec(api)
        assert later["acquireTime"] == first["acquireTime"] == first["renewTime"] < later["renewTime"]
        assert (later["holderIdentity"], later["leaseDurationSeconds"], later["leaseTransitions"]) == ("one", 15, 0)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", later["renewTime"])
        await one.stop()

    run_virtual(scenario())


def test_a_clean_stop_hands_over_at_once() -> None:
    async def scenario() -> None:
        api = FakeApi()
        one, two = Candidate(api, "one"), Candidate(api, "two", skew=3600)
        one.start()
        await asyncio.sleep(5)
        two.start()
        await asyncio.sleep(5)
        assert not two.leads
        assert two.election.holder == "one"
        await one.stop()
        assert one.history == ["started", "lost"]
        assert _spec(api)["holderIdentity"] == ""
        await asyncio.sleep(2.4)
        assert two.leads
        assert _spec(api)["leaseTransitions"] >= 1
        await two.stop()

    run_virtual(scenario())


def test_a_dead_leader_is_succeeded_after_the_lease_ran_out() -> None:
    async def scenario() -> None:
        api = FakeApi()
        spec = {"holderIdentity": "dead", "leaseDurationSeconds": 15, "renewTime": "1999-01-01T00:00:00.000000Z"}
        api.store.create(LEASES, {"metadata": {"name": "operator"}, "spec": spec}, "batchyard")
        two = Candidate(api, "two")
        two.start()
        await asyncio.sleep(15)
        assert not two.leads, "the Lease's own times must not be believed"
        await asyncio.sleep(3)
        assert two.leads
        assert _spec(api)["leaseTransitions"] == 1
        await two.stop()

    run_virtual(scenario())


def test_a_leader_that_cannot_renew_stops_at_the_deadline() -> None:
    async def scenario() -> None:
        api = FakeApi()
        one = Candidate(api, "one")
        one.start()
        await asyncio.sleep(0.1)
        api.fail_next("get", LEASES, DOWN, times=6)
        await asyncio.sleep(9.8)
        assert one.leads
        await asyncio.sleep(0.2)
        assert not one.leads
        assert one.history == ["started", "lost"]
        await asyncio.sleep(3)
        assert one.history == ["started", "lost", "started"]
        await one.stop()

    run_virtual(scenario())


def test_a_hanging_renewal_does_not_prolong_leadership() -> None:
    async def scenario() -> None:
        api = FakeApi()
        one = Candidate(api, "one", delays=[0, 0, 0, 0, 1000, 0, 1000])
        one.start()
        await asyncio.sleep(9.99)
        assert one.leads
        await asyncio.sleep(0.02)
        assert not one.leads
        assert one.history == ["started", "lost"]
        await one.stop()

    run_virtual(scenario())


def test_a_late_answer_counts_from_its_request() -> None:
    async def scenario() -> None:
        api = FakeApi()
        one = Candidate(api, "one", delays=[0, 0, 0, 0, 0, 0, 0, 7, 1000, 0, 1000])
        one.start()
        await asyncio.sleep(11.9)
        assert one.leads, "the renewal sent after 2 s has worked"
        await asyncio.sleep(0.2)
        assert not one.leads, "it was answered after 9 s, but others saw it after 2 s"
        await one.stop()

    run_virtual(scenario())


def test_a_lease_taken_by_another_ends_leadership_at_the_next_renewal() -> None:
    async def scenario() -> None:
        api = FakeApi()
        one = Candidate(api, "one")
        one.start()
        await asyncio.sleep(1)
        lease = api.store.get(LEASES, "operator", "batchyard")
        lease["spec"]["holderIdentity"] = "usurper"
        api.store.update(LEASES, lease)
        await asyncio.sleep(2)
        assert one.history == ["started", "lost"]
        assert not one.leads
        await one.stop()
        assert _spec(api)["holderIdentity"] == "usurper"

    run_virtual(scenario())


def test_a_missing_permission_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        api = FakeApi()
        one = Candidate(api, "one")
        forbidden = errors.Forbidden(403, "Forbidden", "leases is forbidden: User cannot get resource")
        api.fail_next("get", LEASES, forbidden, times=10)
        one.start()
        await asyncio.sleep(60)
        assert one.leads
        await one.stop()

    run_virtual(scenario())
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "Lease batchyard/operator not taken or renewed: leases is forbidden: User cannot get resource"
    ]


def test_a_leader_tries_more_than_once_and_stops_before_another_may_start() -> None:
    assert LEASE_SECONDS > RENEWAL_DEADLINE_SECONDS > RETRY_SECONDS * (1 + JITTER)


DELAYS = st.lists(st.sampled_from([0.0, 0.0, 0.3, 2.0, 5.0, 8.0, 12.0, 30.0, None]), max_size=40)
EVENTS = st.lists(
    st.tuples(st.floats(0, 12), st.sampled_from(["start", "stop", "crash"]), st.integers(0, 2)), max_size=12
)


@settings(max_examples=100, deadline=None)
@given(delays=st.tuples(DELAYS, DELAYS, DELAYS), skews=st.tuples(*[st.floats(-1e5, 1e5)] * 3), events=EVENTS)
def test_never_two_leaders(
    delays: tuple[list[float | None], ...],
    skews: tuple[float, ...],
    events: list[tuple[float, str, int]],
) -> None:
    async def scenario() -> None:
        api = FakeApi()
        candidates = [
            Candidate(api, f"candidate-{number}", delays=delay, skew=skew)
            for number, (delay, skew) in enumerate(zip(delays, skews, strict=True))
        ]
        alive = dict(enumerate(candidates))
        broken: list[list[int]] = []

        def check() -> None:
            leading = [which for which, candidate in alive.items() if candidate.leads]
            if len(leading) > 1:
                broken.append(leading)

        for candidate in candidates:
            candidate.start(check)
        for number, (pause, what, which) in enumerate(events):
            await asyncio.sleep(pause)
            if what == "start" and which not in alive:
                alive[which] = Candidate(api, f"restarted-{number}", skew=skews[which])
                alive[which].start(check)
            elif what != "start" and which in alive:
                await (alive[which].stop() if what == "stop" else alive[which].crash())
                del alive[which]
        for _ in range(20):
            await asyncio.sleep(1)
            check()
        for candidate in alive.values():
            candidate.wire.delays = iter([])
        await asyncio.sleep(90)
        assert not broken, "two led at the same time"
        assert sum(candidate.leads for candidate in alive.values()) == min(1, len(alive))
        for candidate in alive.values():
            await candidate.stop()

    run_virtual(scenario())
