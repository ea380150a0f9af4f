"""Follows BatchJobs from submission to their end. Called by `__main__`; `display` shows what it sees."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from batchyard.kube.protocol import KubeApi, Selection
from batchyard.kube.resources import BATCHJOBS

from .errors import DemoError

TERMINAL = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Sighting:
    """What a BatchJob showed at one moment."""

    name: str
    state: str
    reason: str
    message: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will become of the job."""
        return self.state in TERMINAL


def sighting(batchjob: Mapping[str, Any]) -> Sighting:
    """Read a BatchJob; what it does not say (yet) is empty."""
    status = batchjob.get("status") or {}
    return Sighting(
        name=batchjob["metadata"]["name"],
        state=status.get("state", "Submitted"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
    )


async def until_ended(
    api: KubeApi,
    namespace: str,
    names: Collection[str],
    show: Callable[[Sighting], None],
    *,
    seconds: float,
) -> dict[str, Sighting]:
    """Show every change of the named jobs until all have ended; returns what each showed last."""
    seen: dict[str, Sighting] = {}

    def note(batchjob: Mapping[str, Any]) -> bool:
        found = sighting(batchjob)
        if found.name in names and seen.get(found.name) != found:
            seen[found.name] = found
            show(found)
        return all(name in seen and seen[name].ended for name in names)

    try:
        async with asyncio.timeout(seconds):
            await _watch(api, namespace, note)
    except TimeoutError:
        waiting = (
            f"{each.name} is {each.state} ({each.message or 'nobody says why'})"
            for each in seen.values()
            if not each.ended
        )
        missing = (f"{name} was not seen" for name in names if name not in seen)
        raise DemoError(f"the jobs did not end within {seconds:.0f} s: {'; '.join([*waiting, *missing])}") from None
    return seen


async def _watch(api: KubeApi, namespace: str, enough: Callable[[Mapping[str, Any]], bool]) -> None:
    while True:
        batchjobs, version = await api.list(BATCHJOBS, Selection(namespace))
        noted = [enough(batchjob) for batchjob in batchjobs]
        if any(noted):
            return
        async with aclosing(api.watch(BATCHJOBS, version, Selection(namespace))) as events:
            async for kind, batchjob in events:
                if kind in ("ADDED", "MODIFIED") and enough(batchjob):
                    return
