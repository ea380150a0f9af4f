"""The demo sees a job's changes once each, ends when all jobs have, and says what is missing when they do not."""

import asyncio
from typing import Any

import pytest

from demo import weather
from demo.errors import DemoError
from demo.follow import Sighting, sighting, until_ended


class OneListThenWatch:
    """An API that lists some BatchJobs and then tells of changes, for as long as there are any."""

    def __init__(self, listed: list[Any], *changes: Any) -> None:
        self._listed = listed
        self._changes = changes

    async def list(self, *_: Any) -> tuple[list[Any], str]:
        return self._listed, "1"

    async def watch(self, *_: Any) -> Any:
        for change in self._changes:
            yield "MODIFIED", change


def batchjob(name: str, state: str = "", **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"state": state, **status} if state else {}}


async def follow(api: OneListThenWatch, *names: str, seconds: float = 5.0) -> list[Sighting]:
    shown: list[Sighting] = []
    await until_ended(api, "default", names, shown.append, seconds=seconds)  # type: ignore[arg-type]
    return shown


def test_reads_what_there_is() -> None:
    assert sighting(batchjob("a")) == Sighting("a", "Submitted", "", "")
    seen = sighting(batchjob("a", "Succeeded", reason="Completed", message="exit code 0"))
    assert seen == Sighting("a", "Succeeded", "Completed", "exit code 0")


async def test_shows_each_change_once_and_ends_with_the_last_job() -> None:
    api = OneListThenWatch(
        [batchjob("a"), batchjob("b"), batchjob("stranger", "Failed")],
        batchjob("a", "Running"),
        batchjob("a", "Running"),
        batchjob("b", "Failed"),
        batchjob("a", "Succeeded"),
        batchjob("a", "too late to be seen"),
    )
    shown = [(seen.name, seen.state) for seen in await follow(api, "a", "b")]
    assert shown == [("a", "Submitted"), ("b", "Submitted"), ("a", "Running"), ("b", "Failed"), ("a", "Succeeded")]


async def test_all_jobs_of_the_first_list_are_seen_even_when_they_have_ended() -> None:
    api = OneListThenWatch([batchjob("a", "Succeeded"), batchjob("b", "Succeeded")])
    assert len(await follow(api, "a", "b")) == 2


async def test_says_what_did_not_end() -> None:
    class Silent(OneListThenWatch):
        async def watch(self, *_: Any) -> Any:
            await asyncio.sleep(60)
            yield

    api = Silent([batchjob("a", "Runnable", message="no usable node")])
    with pytest.raises(DemoError, match=r"within 0 s: a is Runnable \(no usable node\); b was not seen$"):
        await follow(api, "a", "b", seconds=0.05)


def test_a_right_result_passes() -> None:
    log = "363 readings, 8 of them unusable\n" + weather.expected("celsius")
    weather.check("weather", weather.table_in(log))


def test_a_wrong_result_is_told_apart() -> None:
    right = weather.expected("fahrenheit")
    with pytest.raises(DemoError, match=r"job weather-fahrenheit is wrong: line 2 should be harbour,2024-01,31,43\.9"):
        weather.check("weather-fahrenheit", right.replace("43.9", "44.0", 1))
    with pytest.raises(DemoError, match=r"line 13 should be valley,2024-04.*, and is nothing"):
        weather.check("weather-fahrenheit", right[: right.rindex("valley")])
    with pytest.raises(DemoError, match="14 lines instead of 13"):
        weather.check("weather-fahrenheit", right + "another\n")
