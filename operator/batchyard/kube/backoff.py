"""How long to wait after the n-th failure in a row."""

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential delays with jitter: between half of and the whole of `initial * factor**(failures - 1)`."""

    initial: float = 1.0
    maximum: float = 30.0
    factor: float = 2.0
    rng: Callable[[], float] = random.random

    def delay(self, failures: int) -> float:
        """Seconds to wait after that many failures in a row (at least 1)."""
        # The exponent is bounded, so that a failure lasting for weeks does not overflow the power.
        grown = self.initial * self.factor ** min(failures - 1, 60)
        return min(self.maximum, grown) * (0.5 + 0.5 * self.rng())
