"""What the shares of one fair-share queue have used lately: vCPU times seconds, fading with age.

Owned by the runtime's cache, which tells it of every run that starts and ends, and writes what it has counted into the
queue's status now and then; read by `fairshare`. It is a function of the runs' times and of the last count written, so
a restarted operator comes to the same figures. Usage fades exponentially: after the decay window a twentieth is left,
and a share that has run nothing for that long starts anew.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from math import exp, inf

SHORTEST_WINDOW_SECONDS = 600
"""What a decay window of 0 stands for."""


@dataclass(slots=True, frozen=True)
class ShareUsage:
    """One share in a count: vCPU seconds, milli-vCPU in use now, and when it last used any."""

    share: str
    used: float
    in_use: int
    last_used: float


@dataclass(slots=True)
class _Account:
    used: float = 0.0
    """vCPU seconds, faded to `at`."""
    at: float = -inf
    running: int = 0
    granted: int = 0
    last_used: float = -inf


@dataclass(slots=True, frozen=True)
class _Item:
    share: str
    environment: str
    amount: int
    granted: bool


class Usage:
    """The accounts of a queue's shares."""

    def __init__(self, decay_seconds: int, count: Iterable[ShareUsage] = (), counted_at: float = -inf) -> None:
        self.decay_seconds = decay_seconds
        self._accounts = {
            each.share: _Account(each.used, counted_at, last_used=each.last_used)
            for each in sorted(count, key=lambda each: each.share)
        }
        self.counted_at = counted_at
        """When the count was made that this began from."""
        self._touched = False
        self._items: dict[Hashable, _Item] = {}
        self._in_environments: dict[str, int] = {}

    @property
    def window(self) -> int:
        """The seconds after which usage counts no more."""
        return self.decay_seconds or SHORTEST_WINDOW_SECONDS

    # What happens.

    def grant(self, item: Hashable, share: str, environment: str, amount: int) -> None:
        """Count what is promised to a run that does not exist yet, and so has used nothing."""
        self._enter(item, _Item(share, environment, amount, granted=True)).granted += amount

    def start(self, item: Hashable, share: str, environment: str, amount: int, at: float) -> None:
        """Count a run from its start; what the count that was read includes is not counted twice."""
        if item in self._items:
            return
        account = self._enter(item, _Item(share, environment, amount, granted=False))
        at = max(at, self.counted_at)
        self._advance(account, at)
        account.used += amount / 1000 * self._integral(account.at - at)
        account.running += amount

    def stop(self, item: Hashable, at: float) -> None:
        """Count a run up to its end, or take a grant back; nothing happens to an unknown one."""
        found = self._items.pop(item, None)
        if found is None:
            return
        account = self._accounts[found.share]
        self._in_environments[found.environment] -= found.amount
        self._touched = True
        if found.granted:
            account.granted -= found.amount
            return
        self._advance(account, at)
        account.used = max(account.used - found.amount / 1000 * self._integral(account.at - at), 0.0)
        account.running -= found.amount
        account.last_used = max(account.last_used, at)

    def _enter(self, item: Hashable, entry: _Item) -> _Account:
        self._items[item] = entry
        self._in_environments[entry.environment] = self._in_environments.get(entry.environment, 0) + entry.amount
        self._touched = True
        return self._accounts.setdefault(entry.share, _Account())

    def amount_of(self, item: Hashable) -> int | None:
        """What a run or a grant counts for now, if it is known."""
        found = self._items.get(item)
        return found.amount if found else None

    # What it comes to.

    def used(self, share: str, now: float) -> float:
        """Faded vCPU seconds of a share."""
        account = self._accounts.get(share)
        return 0.0 if account is None or self._forgotten(account, now) else self._faded(account, now)

    def in_use(self, share: str) -> int:
        """What the share holds now, in milli-vCPU: its runs and its grants."""
        account = self._accounts.get(share)
        return account.running + account.granted if account else 0

    def in_environment(self, environment: str) -> int:
        """What all shares together hold of one environment."""
        return self._in_environments.get(environment, 0)

    def active(self, now: float) -> set[str]:
        """Shares that use anything, or did so within the window."""
        return {share for share, account in self._accounts.items() if not self._forgotten(account, now)}

    def has_news(self, now: float) -> bool:
        """Whether a count would say anything that does not follow from the last one."""
        return self._touched or any(
            account.running or self._forgotten(account, now) for account in self._accounts.values()
        )

    def count(self, now: float) -> list[ShareUsage]:
        """Close the books: forget the shares that are long idle, and return the others, by name.

        From here on the figures go on as returned, so that whoever reads them later comes to the same.
        """
        self._accounts = {
            share: account for share, account in self._accounts.items() if not self._forgotten(account, now)
        }
        self._touched = False
        for account in self._accounts.values():
            self._advance(account, now)
            account.used = round(account.used, 3)
            if account.running:
                account.last_used = max(account.last_used, now)
        return [
            ShareUsage(share, account.used, account.running + account.granted, account.last_used)
            for share, account in sorted(self._accounts.items())
        ]

    @property
    def _constant(self) -> float:
        """Seconds in which usage fades to 1/e; three of them leave a twentieth."""
        return self.window / 3

    def _integral(self, seconds: float) -> float:
        """What one vCPU in use for the last so many seconds comes to."""
        return self._constant * (1.0 - exp(-seconds / self._constant))

    def _faded(self, account: _Account, at: float) -> float:
        if at <= account.at:
            return account.used
        seconds = at - account.at
        return account.used * exp(-seconds / self._constant) + account.running / 1000 * self._integral(seconds)

    def _advance(self, account: _Account, at: float) -> None:
        account.used, account.at = self._faded(account, at), max(account.at, at)

    def _forgotten(self, account: _Account, now: float) -> bool:
        return not (account.running or account.granted) and now - account.last_used >= self.window
