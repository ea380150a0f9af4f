"""Whether somebody who waits for news is woken."""

import asyncio
from collections.abc import Callable

from batchyard.runtime.state.wakeup import Wakeup

LONG = 3600.0


async def has_woken(wakeup: Wakeup, then: Callable[[], None]) -> bool:
    """Whether somebody who waits already is woken by this."""
    waiting = asyncio.ensure_future(wakeup.wait(LONG))
    await _turns()
    then()
    await _turns()
    woken = waiting.done()
    waiting.cancel()
    return woken


async def _turns() -> None:
    """Let everything happen for which no time must pass."""
    for _ in range(10):
        await asyncio.sleep(0)
