"""What runs and grants hold of the limits of queues and shares, whoever else might be waiting for it.

It follows from the Kubernetes Jobs that exist, so a restarted operator counts the same.
"""

from collections import Counter
from collections.abc import Hashable

from batchyard.core.scheduling.limits import Name, Needs


class LimitUsage:
    """Amounts by limit, and by what holds them."""

    def __init__(self) -> None:
        self.amounts: Counter[Name] = Counter()
        self._items: dict[Hashable, tuple[Needs, int]] = {}

    def hold(self, item: Hashable, needs: Needs, places: int) -> None:
        """Count what so many places hold; what the same item held before is forgotten."""
        self.release(item)
        self._items[item] = (needs, places)
        for name, amount in needs.items():
            self.amounts[name] += amount * places

    def release(self, item: Hashable) -> None:
        """Count an item no more; nothing happens to an unknown one."""
        needs, places = self._items.pop(item, ({}, 0))
        for name, amount in needs.items():
            self.amounts[name] -= amount * places
            if not self.amounts[name]:
                del self.amounts[name]
