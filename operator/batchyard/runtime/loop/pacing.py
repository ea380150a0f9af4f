"""How fast the statuses on the way to the final one are written: at once for a few jobs, sparingly under load.

A status that waits is overtaken by the job's next one, and the last one counts; so the slower the API server answers,
the fewer writes are made per job, and its time goes to creating Jobs and recording ends.
"""

import math


class Pacer:
    """Lets one item through at a time, as long as the items together take up no more than a share of the time.

    `share` is that part of the time (0.2: two seconds of waiting for answers in every ten), `burst_seconds` how much of
    it may be saved up while nothing is to be done.
    """

    def __init__(self, *, share: float, burst_seconds: float) -> None:
        self._share = share
        self._burst_seconds = burst_seconds
        self._budget = burst_seconds
        self._at = -math.inf
        self._started: float | None = None

    def take(self, now: float) -> float:
        """Start an item: returns `now` if it may start, else when it may, infinity while another is under way."""
        if self._started is not None:
            return math.inf
        self._budget = min(self._burst_seconds, self._budget + (now - self._at) * self._share)
        self._at = now
        if self._budget <= 0:
            return now + (-self._budget + 0.001) / self._share
        self._started = now
        return now

    def done(self, now: float) -> None:
        """End the item under way; the time it took is paid for by the next ones' waiting."""
        if self._started is not None:
            self._budget -= now - self._started
            self._started = None
