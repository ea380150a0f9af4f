"""When the next pass is wanted: at once, or soon, as something has happened that hardly ever allows a new decision."""

import asyncio
from contextlib import suppress

SOON_SECONDS = 0.5
"""How long the pods of arrays may move before they alone cause a pass. Slots are decided on as the Kubernetes Job tells
of its pods, which it does once a second; with a pass for each pod an array took a third more of the operator's CPU."""


class Wakeup:
    """Set by whoever knows of news, awaited by the loop, which clears it."""

    def __init__(self, soon_seconds: float = SOON_SECONDS) -> None:
        self._soon_seconds = soon_seconds
        self._now, self._any = asyncio.Event(), asyncio.Event()

    def set(self, *, soon: bool = False) -> None:
        """Want a pass at once, or (`soon`) within `soon_seconds`, together with whatever else happens until then."""
        if not soon:
            self._now.set()
        self._any.set()

    def is_set(self) -> bool:
        """Whether a pass is wanted."""
        return self._any.is_set()

    def clear(self) -> None:
        """A pass has begun, for all that was wanted until now."""
        self._now.clear()
        self._any.clear()

    async def wait(self, seconds: float) -> None:
        """Return when a pass is wanted, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._any.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._soon_seconds):
                        await self._now.wait()
