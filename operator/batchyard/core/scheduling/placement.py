"""Which waiting jobs start now, and where: strict priority between queues, the queue's own order within one.

The order within a queue is first come, first served, or that of `fairshare`; what follows holds for both. The first job
of a queue that finds its environments full closes them to everything behind it and to every queue of lower priority, so
no stream of small jobs can starve a large one. A job that no environment could hold even when empty closes nothing and
keeps nothing: it waits aside and delays nobody. Who is held back by a limit of its queue or its share, or for lack of a
consumable resource (`limits`), closes nothing either.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import PodSets, total_of
from batchyard.core.model.queue import Queue
from batchyard.core.scheduling import holds
from batchyard.core.scheduling.arrays.grants import ArrayGrants
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.fairshare.order import FairShareOrder
from batchyard.core.scheduling.limits import Limits
from batchyard.core.scheduling.schedulingpass import SchedulingPass

D = TypeVar("D", bound=Placement | Hold)


class _Room:
    """Which environment has room for whom; `closed`, `refused` and `held` only ever grow while the stage lasts."""

    def __init__(self, this_pass: SchedulingPass) -> None:
        self.pools = this_pass.snapshot.pools
        self.ledger = this_pass.ledger
        self.grants = ArrayGrants(this_pass.snapshot.demands)
        self.closed: dict[str, Queue] = {}
        self.refused: set[tuple[str, PodSets]] = set()
        self.candidates: dict[tuple[str, PodSets], list[str]] = {}
        """Of a queue and pods: the environments that could hold them when empty."""
        self.held: dict[tuple[str, PodSets], Hold] = {}
        """Why an ordinary job of a queue does not start: the next one that asks for the same does not, either."""

    def misfit(self, queue: Queue, key: Key, resolved: Resolved, enabled: list[str]) -> Hold | None:
        """Say why no environment could hold a job even when empty, if so."""
        if (bound := self.grants.fixed(key)) and bound not in enabled:
            return holds.bound_to(bound)
        candidates = self._candidates(queue, resolved, enabled)
        if bound in candidates or (candidates and not bound):
            return None
        return self._once(queue, key, resolved, lambda: holds.misfit(queue, resolved, enabled, self.pools))

    def place(
        self, queue: Queue, order: FairShareOrder, key: Key, resolved: Resolved, enabled: list[str]
    ) -> Placement | Hold:
        """Find the first environment, in the queue's order, that has room for the request."""
        return self._once(queue, key, resolved, lambda: self._placed(queue, order, key, resolved, enabled))

    def _once(self, queue: Queue, key: Key, resolved: Resolved, decide: Callable[[], D]) -> D | Hold:
        """Decide on a job, unless an ordinary one of its queue that asks for the same was held before: so is this."""
        ordinary = resolved.ungrown is None and not self.grants.fixed(key)
        if not ordinary:
            return decide()
        what = queue.name, resolved.pods
        if (held := self.held.get(what)) is not None:
            return held
        decision = decide()
        if isinstance(decision, Hold):
            self.held[what] = decision
        return decision

    def _placed(
        self, queue: Queue, order: FairShareOrder, key: Key, resolved: Resolved, enabled: list[str]
    ) -> Placement | Hold:
        request, pods = resolved.request, resolved.pods
        candidates = self._candidates(queue, resolved, enabled)
        candidates = self.grants.order(key, candidates, self.closed, self.ledger, pods)
        kept_back = False
        for name in candidates:
            if name in self.closed or (name, pods) in self.refused:
                continue
            nodes = self.ledger.take(name, pods)
            if nodes is None:
                self.refused.add((name, pods))
            elif order.may_use(name, self.pools[name].capacity, request):
                order.charge(name, request)
                return Placement(key, name, request, nodes=nodes)
            else:
                self.ledger.give(name, nodes, total_of(pods))
                kept_back = True
        holder = next((self.closed[name] for name in candidates if name in self.closed), None)
        for name in candidates:
            self.closed.setdefault(name, queue)
        if kept_back:
            return holds.kept_back(queue, request, candidates)
        return holds.full(queue, request, candidates, holder)

    def _candidates(self, queue: Queue, resolved: Resolved, enabled: list[str]) -> list[str]:
        what = queue.name, resolved.pods
        found = self.candidates.get(what)
        if found is None:
            found = self.candidates[what] = [name for name in enabled if self.pools[name].could_hold(resolved.pods)]
        return found


def place_all(this_pass: SchedulingPass) -> Iterator[tuple[Key, Placement | Hold]]:
    """Decide for each job that the pass has to look at; the jobs behind a closed queue are not looked at.

    An array comes up once for each slot that it is granted, and once more if it does not get all that it asks for.
    """
    snapshot, limits, room = this_pass.snapshot, this_pass.limits, _Room(this_pass)
    environments = snapshot.environments
    for queue in this_pass.queues:
        if not snapshot.backlog.length(queue.name):
            continue
        known = [name for name in queue.environments if name in environments]
        enabled = [name for name in known if environments[name].enabled and not environments[name].refusal]
        blocked = holds.blocked(queue, [environments[name] for name in known], enabled)
        order = this_pass.order(queue)
        for key in order:
            job = snapshot.resolved[key]
            decision = (
                blocked
                # Before anything is kept for it: what waits for somebody to act takes nothing from others.
                or room.misfit(queue, key, job, enabled)
                or _at_limit(limits, queue, order.share, job)
                or room.place(queue, order, key, job, enabled)
            )
            yield key, decision
            if isinstance(decision, Placement):
                limits.charge(queue, order.share, job)
                if room.grants.grant(key, decision.environment):
                    order.stay()
            elif blocked or decision.ends_share_queue or all(name in room.closed for name in enabled):
                order.leave()
            elif decision.environments:
                limits.waits(queue, job)


def _at_limit(limits: Limits, queue: Queue, share: str, job: Resolved) -> Hold | None:
    violation = limits.violation(queue, share, job)
    return None if violation is None else holds.at_limit(violation)
