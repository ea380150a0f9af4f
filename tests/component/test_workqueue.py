"""The work queue: each item once at a time, urgent ones first, failures again later."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.kube.backoff import Backoff
from batchyard.runtime.loop.pacing import Pacer
from batchyard.runtime.loop.workqueue import Urgency, WorkQueue
from fakes.clock import run_virtual


class Recorder:
    """A work queue whose work takes a second, and what it did when."""

    def __init__(self, *, concurrency: int = 1, seconds: float = 1.0) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self.started: list[tuple[float, str]] = []
        self.running: Counter[str] = Counter()
        self.most_at_once = 0
        self.failing: Counter[str] = Counter()
        """How many more times an item fails."""
        self.on_start: Callable[[str], Awaitable[None]] | None = None
        self.queue: WorkQueue[str] = WorkQueue(
            self._work,
            concurrency=concurrency,
            backoff=Backoff(initial=1.0, maximum=8.0, rng=lambda: 1.0),
            pacer=Pacer(share=1.0, burst_seconds=1.0),
            clock=self._loop.time,
        )

    async def _work(self, item: str) -> None:
        self.running[item] += 1
        assert self.running[item] == 1, "an item is worked on twice at once"
        self.most_at_once = max(self.most_at_once, self.running.total())
        self.started.append((round(self._loop.time(), 3), item))
        try:
            if self.on_start:
                await self.on_start(item)
            await asyncio.sleep(self._seconds)
            if self.failing[item] > 0:
                self.failing[item] -= 1
                raise RuntimeError("no")
        finally:
            self.running[item] -= 1

    @property
    def items(self) -> str:
        return "".join(item for _, item in self.started)


def play(story: Callable[[Recorder], Coroutine[Any, Any, None]], **options: Any) -> Recorder:
    async def main() -> Recorder:
        recorder = Recorder(**options)
        task = asyncio.create_task(recorder.queue.run())
        await story(recorder)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        assert not recorder.running.total()
        return recorder

    return run_virtual(main())


def test_an_item_asked_for_many_times_is_done_once() -> None:
    async def story(recorder: Recorder) -> None:
        for _ in range(5):
            recorder.queue.add("a", Urgency.CREATE)
        assert len(recorder.queue) == 1
        await asyncio.sleep(10)
        assert len(recorder.queue) == 0

    assert play(story).items == "a"


def test_an_item_asked_for_while_it_is_worked_on_is_done_once_more_after() -> None:
    async def story(recorder: Recorder) -> None:
        recorder.queue.add("a", Urgency.CREATE)
        await asyncio.sleep(0.5)
        recorder.queue.add("a", Urgency.CREATE)
        recorder.queue.add("a", Urgency.CREATE)
        await asyncio.sleep(10)

    assert play(story, concurrency=4).started == [(0.0, "a"), (1.0, "a")]


def test_urgent_items_go_first_and_equal_ones_in_order() -> None:
    async def story(recorder: Recorder) -> None:
        recorder.queue.add("x", Urgency.CREATE)
        await asyncio.sleep(0.1)
        for item, urgency in zip("dcebfa", (4, 2, 4, 1, 4, 0), strict=True):
            recorder.queue.add(item, Urgency(urgency))
        await asyncio.sleep(20)

    assert play(story).items == "xabcdef"


def test_an_item_that_becomes_urgent_overtakes() -> None:
    async def story(recorder: Recorder) -> None:
        recorder.queue.add("x", Urgency.CREATE)
        await asyncio.sleep(0.1)
        recorder.queue.add("a", Urgency.CREATE)
        recorder.queue.add("b", Urgency.FINAL_STATUS)
        recorder.queue.add("b", Urgency.STOP)
        recorder.queue.add("b", Urgency.FINAL_STATUS)
        await asyncio.sleep(20)

    assert play(story).items == "xba"


def test_a_held_item_waits_and_the_earlier_of_two_wishes_counts() -> None:
    async def story(recorder: Recorder) -> None:
        recorder.queue.add("a", Urgency.STATUS, 5.0)
        recorder.queue.add("b", Urgency.STATUS, 5.0)
        recorder.queue.add("a", Urgency.STATUS, 2.0)
        recorder.queue.add("a", Urgency.STATUS, 9.0)
        await asyncio.sleep(20)

    assert play(story, concurrency=4).started == [(2.0, "a"), (5.0, "b")]


def test_a_failure_is_tried_again_after_growing_waits_that_are_then_forgotten() -> None:
    async def story(recorder: Recorder) -> None:
        recorder.failing["a"] = 5
        recorder.queue.add("a", Urgency.CREATE)
        await asyncio.sleep(60)
        recorder.failing["a"] = 1
        recorder.queue.add("a", Urgency.CREATE)
        await asyncio.sleep(60)

    starts = [at for at, _ in play(story).started]
    assert starts == [0.0, 2.0, 5.0, 10.0, 19.0, 28.0, 60.0, 62.0]


def test_a_failing_item_holds_nobody_up() -> None:
    async def story(recorder: Recorder) -> None:
        recorder.failing["a"] = 1000
        for item in "abc":
            recorder.queue.add(item, Urgency.CREATE)
        await asyncio.sleep(3.5)

    assert play(story).items == "abca"


def test_no_more_at_once_than_allowed() -> None:
    async def story(recorder: Recorder) -> None:
        for item in "abcdefghij":
            recorder.queue.add(item, Urgency.CREATE)
        await asyncio.sleep(4.5)

    recorder = play(story, concurrency=3)
    assert recorder.most_at_once == 3
    assert sorted(recorder.items) == list("abcdefghij")


def test_ending_cancels_what_is_worked_on() -> None:
    async def story(recorder: Recorder) -> None:
        recorder.queue.add("a", Urgency.CREATE)
        await asyncio.sleep(0.5)

    assert play(story).items == "a"


def test_it_can_be_ended_in_the_very_moment_in_which_work_comes() -> None:
    async def main() -> None:
        recorder = Recorder()
        task = asyncio.create_task(recorder.queue.run())
        await asyncio.sleep(1)
        recorder.queue.add("a", Urgency.CREATE)
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(task, return_exceptions=True)

    run_virtual(main())


steps = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from(Urgency),
        st.sampled_from([0.0, 0.0, 0.5, 3.0]),
        st.sampled_from([0.0, 0.3, 1.0]),
        st.integers(0, 2),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(steps, st.integers(1, 3))
def test_nothing_is_lost_and_nothing_runs_twice(
    steps: list[tuple[str, Urgency, float, float, int]], concurrency: int
) -> None:
    """After its last wish every item starts once more, however often it failed before."""
    wished: dict[str, float] = {}

    async def story(recorder: Recorder) -> None:
        for item, urgency, delay, pause, failures in steps:
            recorder.failing[item] = failures
            recorder.queue.add(item, urgency, delay)
            wished[item] = round(asyncio.get_running_loop().time(), 3)
            await asyncio.sleep(pause)
        await asyncio.sleep(600)
        assert len(recorder.queue) == 0
        assert not recorder.failing.total()

    recorder = play(story, concurrency=concurrency)
    for item, at in wished.items():
        assert max(started for started, each in recorder.started if each == item) >= at
