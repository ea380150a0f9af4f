"""Finished jobs are deleted once everybody has read them, or has had time enough to."""

import logging
from collections.abc import Iterable
from dataclasses import replace

import pytest

from batchyard.core.model.job import Key
from batchyard.core.planner.actions import Action, Expire
from batchyard.kube.backoff import Backoff
from batchyard.runtime.loop.actions import ActionQueue, WriteStatus
from batchyard.runtime.loop.alarms import Alarms
from batchyard.runtime.loop.expiry import LONGEST_HOLD_SECONDS, Expiry
from batchyard.runtime.loop.pacing import Pacer
from batchyard.runtime.state.cache import Cache
from unit.samples import make_job

JOB = make_job()


class Reader:
    """Somebody who reads finished jobs."""

    def __init__(self, name: str, *, unread: bool = True) -> None:
        self.name = name
        self.unread = unread

    def holds(self, _: Key) -> bool:
        return self.unread

    def hurry(self, job: Key) -> Iterable[Action]:
        return [WriteStatus(job)]


class Asked(ActionQueue):
    """Notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__(
            self._no_work,
            concurrency=1,
            backoff=Backoff(),
            pacer=Pacer(share=1.0, burst_seconds=1.0),
            clock=lambda: 0.0,
        )
        self.asked: list[Action] = []

    @staticmethod
    async def _no_work(_: Action) -> None:
        """Do nothing."""

    def ask_for(self, action: Action) -> None:
        self.asked.append(action)

    def take(self) -> list[Action]:
        asked, self.asked = self.asked, []
        return asked


class World:
    def __init__(self, *holds: Reader) -> None:
        self.cache = Cache(lambda: 0.0)
        self.cache.jobs[JOB.key] = JOB
        self.work, self.alarms = Asked(), Alarms()
        self.expiry = Expiry(self.cache, self.work, self.alarms, holds)

    def expire(self, now: float) -> list[Action]:
        self.expiry.carry_out(Expire(JOB.key), now)
        return self.work.take()


def test_a_job_that_nobody_holds_is_deleted() -> None:
    assert World(Reader("history", unread=False)).expire(5.0) == [Expire(JOB.key)]


def test_a_job_is_held_until_the_last_reader_has_read_it() -> None:
    history, logs = Reader("history"), Reader("logs")
    world = World(history, logs)
    assert world.expire(5.0) == [WriteStatus(JOB.key), WriteStatus(JOB.key)]
    assert world.alarms.take_due(5.5) == {JOB.key}, "it is looked at again soon"
    history.unread = False
    assert world.expire(5.5) == [WriteStatus(JOB.key)]
    logs.unread = False
    assert world.expire(6.0) == [Expire(JOB.key)]


def test_a_reader_that_never_comes_to_its_end_is_named(caplog: pytest.LogCaptureFixture) -> None:
    world = World(Reader("history"), Reader("logs"), Reader("dependents", unread=False))
    world.expire(5.0)
    assert Expire(JOB.key) not in world.expire(5.0 + LONGEST_HOLD_SECONDS - 1)
    with caplog.at_level(logging.WARNING):
        assert world.expire(5.0 + LONGEST_HOLD_SECONDS) == [Expire(JOB.key)]
    assert caplog.messages == ["BatchJob media/videos is deleted unread by history, logs, after 60 minutes"]


def test_a_clock_that_was_set_back_begins_again() -> None:
    world = World(Reader("history"))
    world.expire(5.0 + LONGEST_HOLD_SECONDS)
    assert Expire(JOB.key) not in world.expire(5.0)
    assert Expire(JOB.key) not in world.expire(4.0 + LONGEST_HOLD_SECONDS)
    assert Expire(JOB.key) in world.expire(5.0 + LONGEST_HOLD_SECONDS)


def test_another_job_of_the_name_is_held_from_its_own_expiry_on() -> None:
    world = World(Reader("history"))
    world.expire(5.0)
    world.cache.jobs[JOB.key] = replace(JOB, uid="another")
    assert Expire(JOB.key) not in world.expire(5.0 + LONGEST_HOLD_SECONDS)


def test_a_job_that_is_gone_needs_no_deletion() -> None:
    world = World(Reader("history"))
    world.cache.jobs.clear()
    assert world.expire(5.0) == []
