"""The loop waits until a pass is wanted, and a little longer where it is wanted soon."""

import asyncio

import pytest

from batchyard.runtime.state.wakeup import Wakeup
from unit.runtime.state.waking import LONG, has_woken


async def test_what_is_wanted_at_once_wakes_at_once() -> None:
    wakeup = Wakeup(LONG)
    assert await has_woken(wakeup, wakeup.set)
    assert await has_woken(wakeup, lambda: None), "it is still wanted"
    wakeup.clear()
    assert not wakeup.is_set()
    assert not await has_woken(wakeup, lambda: None)


async def test_what_is_wanted_soon_waits_for_more() -> None:
    wakeup = Wakeup(LONG)
    assert not await has_woken(wakeup, lambda: wakeup.set(soon=True))
    assert wakeup.is_set()
    assert await has_woken(wakeup, wakeup.set)


@pytest.mark.parametrize("wanted", [True, False])
async def test_nobody_waits_for_ever(wanted: bool) -> None:
    wakeup = Wakeup(0.0)
    if wanted:
        wakeup.set(soon=True)
    await asyncio.wait_for(wakeup.wait(LONG if wanted else 0.0), LONG)
