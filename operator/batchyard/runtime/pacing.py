"""How fast the statuses on the way to the final one are written: at once for a few jobs, sparingly for many.

Used by the work queue. A status that waits is overtaken by the job's next one, and the last one counts; so under load
fewer writes are made per job, and the API server's time goes to creating Jobs and recording ends. While nothing more
urgent is going on, waiting statuses catch up faster.
"""


class Pacer:
    """A token bucket with two speeds: `busy_rate` while more urgent work was done in the last second, else `idle_rate`.

    Rates are items per second, `burst` is how many may go at once after a pause.
    """

    def __init__(self, *, busy_rate: float, idle_rate: float, burst: int) -> None:
        self._busy_rate = busy_rate
        self._idle_rate = idle_rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = 0.0
        self._busy_until = 0.0

    def busy(self, now: float) -> None:
        """Note that something more urgent was started."""
        self._busy_until = now + 1.0

    def take(self, now: float) -> float:
        """Take one token: returns `now` when there is one, else when there will be (and takes none)."""
        rate = self._busy_rate if now < self._busy_until else self._idle_rate
        self._tokens = min(self._burst, self._tokens + (now - self._at) * rate)
        self._at = now
        if self._tokens < 1.0:
            return now + (1.0 - self._tokens) / rate
        self._tokens -= 1.0
        return now
