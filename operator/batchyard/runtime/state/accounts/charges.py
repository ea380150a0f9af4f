"""What is taken of each environment's capacity: by grants, and by runs until nothing of them can still run.

A multi-node job is charged as a whole, while any of its Kubernetes Jobs or pods has not ended; an Indexed Job for the
slots that it takes up as its indexes end. What pods ask for beyond what was granted is charged once they are there.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import replace

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.pods.podset import Assignment, On
from batchyard.core.model.resources import add, subtract
from batchyard.core.model.run import Run
from batchyard.core.scheduling.capacity.difference import difference
from batchyard.core.scheduling.capacity.expectation import still_expected
from batchyard.core.scheduling.capacity.ledger import Charge, amount_of
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.accounts.account import Account, Occupancy
from batchyard.runtime.state.noderoom import NodeRoom

_MOST_STARTED = 10_000
"""Grants that came to no Job leave something behind; there are few."""
_NOTHING = Charge("", {}, ("", ""))
"""The charge of what is not charged."""


class Charges(Account):
    """Amounts by what they are charged for. `freed` is called on credit; `room` is what they leave of the nodes."""

    def __init__(self, freed: Callable[[], None], room: NodeRoom) -> None:
        self.used: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """Requests of the runs that have not ended and of what is granted, per environment."""
        self.charges: dict[Hashable, Charge] = {}
        """What those requests are, one by one."""
        self.homeless: set[Hashable] = set()
        """Those of them that have pods without a node, neither bound nor expected anywhere."""
        self._started: dict[Key, Assignment] = {}
        """Where pods are expected that are not charged to a grant any more: their Job is observed next."""
        self._freed = freed
        self._room = room
        room.on_renewal = self._expect_anew
        room.on_others = self._reconsider
        self._expecting: defaultdict[str, set[Hashable]] = defaultdict(set)
        """What has pods expected on a node."""

    def grant(self, job: BatchJob, resolved: Resolved | None, placement: Placement, count: int) -> None:
        """Charge so many slots; what the job's grant was charged before is credited."""
        known = self.charges.get(job.key)
        if known is None:
            self._started.pop(job.key, None)
            expected = placement.nodes
        else:
            expected = known.expected
            self._start(job.key, expected[: max(len(expected) - count, 0)])
        amount = amount_of(placement.request, count)
        expected = expected[max(len(expected) - amount["pods"], 0) :]
        self._charge(job.key, Charge(placement.environment, amount, job.key, expected=expected))

    def withdraw(self, key: Key) -> None:
        """Credit a job's grant."""
        if (charge := self.charges.get(key)) is not None:
            self._start(key, charge.expected)
        self._charge(key, _NOTHING)

    def _start(self, key: Key, nodes: Assignment) -> None:
        if nodes:
            if len(self._started) >= _MOST_STARTED:
                self._started.clear()
            self._started[key] = self._started.get(key, ()) + nodes

    def expect(self, item: Hashable, nodes: Assignment) -> None:
        """Expect pods on nodes that were expected nowhere so far."""
        charge = self.charges.get(item)
        if charge is not None:
            self._recharge(item, replace(charge, expected=charge.expected + nodes))

    def _expect_anew(self) -> None:
        """Expect pods nowhere that have no node yet, so that a process that starts now comes to the same."""
        for item in [item for item, charge in self.charges.items() if charge.expected]:
            self._expect_nowhere(item)

    def _reconsider(self, node: str) -> None:
        """Expect pods elsewhere than on a node that has no room for them any more, as others have come first.

        Else the room that these were thought to take, on other nodes, would be given away twice.
        """
        if node in self._expecting and self._room.is_overcommitted(node):
            for item in list(self._expecting[node]):
                self._expect_nowhere(item)

    def _expect_nowhere(self, item: Hashable) -> None:
        self._recharge(item, replace(self.charges[item], expected=()))

    def observe_run(self, run: Run, before: Run | None, occupancy: Occupancy) -> None:
        """Charge a run as a whole while it lives."""
        item = occupancy.item
        if not occupancy.living:
            self._charge(item, _NOTHING)
            return
        amount = amount_of(run.request, occupancy.slots)
        if occupancy.excess:
            amount = add(amount, occupancy.excess)
        known, bound = self.charges.get(item, _NOTHING), occupancy.bound
        expected = known.expected + self._started.pop(run.owner, ())
        if expected:
            unbound = amount.get("pods", 0) - sum(each.get("pods", 0) for each in bound.values())
            expected = still_expected(expected, known.bound, bound, unbound)
        changed = self._charge(item, Charge(run.environment, amount, run.owner, run, bound, expected))
        for node in bound:  # in their order: what is reconsidered on one node may make room on the next
            if node in changed:
                self._reconsider(node)

    def forget_run(self, run: Run, occupancy: Occupancy) -> None:
        """Credit a run unless other Jobs of it go on."""
        self.observe_run(run, run, occupancy)

    def reset(self) -> None:
        """Keep what is charged: it follows from the grants and the Jobs that are known, whoever acts."""

    def _charge(self, item: Hashable, charge: Charge) -> On:
        """Charge an item so much from now on; returns what that takes of nodes beyond what it did."""
        before = self.charges.get(item, _NOTHING)
        changed = self._recharge(item, charge)
        if _frees(before, charge, changed):
            self._freed()
        return changed

    def _recharge(self, item: Hashable, charge: Charge) -> On:
        before = self.charges.get(item, _NOTHING)
        if charge is _NOTHING:
            self.charges.pop(item, None)
        else:
            self.charges[item] = charge
        self._use(before, charge)
        self._expect_on(item, before.expected, charge.expected)
        if charge.homeless:
            self.homeless.add(item)
        else:
            self.homeless.discard(item)
        changed = difference(before.assigned, charge.assigned)
        self._room.take(changed)
        return changed

    def _use(self, before: Charge, after: Charge) -> None:
        """Enter what is used of environments."""
        if (before.environment, before.amount) == (after.environment, after.amount):
            return
        if after.amount:
            self.used[after.environment] = add(self.used[after.environment], after.amount)
        if before.amount:
            rest = subtract(self.used[before.environment], before.amount)
            self.used[before.environment] = rest
            if not any(rest.values()):
                del self.used[before.environment]

    def _expect_on(self, item: Hashable, before: Assignment, after: Assignment) -> None:
        """Enter on which nodes pods of an item are expected."""
        if before == after:
            return
        were, are = {node for node, _ in before}, {node for node, _ in after}
        for node in were - are:
            self._expecting[node].discard(item)
            if not self._expecting[node]:
                del self._expecting[node]
        for node in are - were:
            self._expecting[node].add(item)


def _frees(before: Charge, after: Charge, changed: On) -> bool:
    """Whether one charge leaves room that another did not, under a ceiling or on some node."""
    if any(after.amount.get(name, 0) < amount for name, amount in before.amount.items()):
        return True
    return any(number < 0 for amount in changed.values() for number in amount.values())
