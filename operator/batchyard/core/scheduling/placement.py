"""Which waiting jobs start now, and where: strict priority between queues, the queue's own order within one.

The order within a queue is first come, first served, or that of `fairshare`; what follows holds for both. The first job
of a queue that finds its environments full closes them to everything behind it and to every queue of lower priority, so
no stream of small jobs can starve a large one. A job that no environment could hold even when empty closes nothing and
keeps nothing: it waits aside and delays nobody. Who is held back by a limit of its queue or its share, or for lack of a
consumable resource (`limits`), closes nothing either. In a queue with the policy Bypass, the first one closes them to
queues of lower priority alone, until it has been at the head for long enough (`order.bypass`), or what is on its way
out is enough for it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from batchyard.api.reasons import Reason
from batchyard.core.model.cluster.leftalone import LeftAlone, still
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import Assignment, PodSets, total_of
from batchyard.core.model.pods.zones import in_zone
from batchyard.core.model.queue import Queue
from batchyard.core.scheduling import holds
from batchyard.core.scheduling.arrays.grants import ArrayGrants
from batchyard.core.scheduling.arrays.leaving import leaves
from batchyard.core.scheduling.capacity.coming.room import is_thought_up
from batchyard.core.scheduling.capacity.coming.supply import within
from batchyard.core.scheduling.capacity.serverless.sizes import request_in
from batchyard.core.scheduling.decisions import Hold, Placement
from batchyard.core.scheduling.departures import with_departures
from batchyard.core.scheduling.fairshare.order import FairShareOrder
from batchyard.core.scheduling.limits import Limits
from batchyard.core.scheduling.ondemandshare import OnDemandShares
from batchyard.core.scheduling.order.bypass import Kind, Line
from batchyard.core.scheduling.schedulingpass import SchedulingPass

_LATELY_SECONDS = 60.0
"""For how long a node that did not come says that others will not come either."""

D = TypeVar("D", bound=Placement | Hold)


class _Room:
    """Which environment has room for whom; `closed`, `refused` and `held` only ever grow while the stage lasts."""

    def __init__(self, this_pass: SchedulingPass) -> None:
        self.snapshot, self.now = this_pass.snapshot, this_pass.now
        self.pools, self.oldest_unmet = this_pass.snapshot.pools, this_pass.oldest_unmet
        self.ledger = this_pass.ledger
        self.grants = ArrayGrants(this_pass.snapshot.demands)
        self.on_demand = OnDemandShares(this_pass.snapshot, this_pass.now)
        self.spread = this_pass.spread
        self.closed: dict[str, Queue] = {}
        self.refused: set[tuple[str, PodSets]] = set()
        self.candidates: dict[tuple[str, str, PodSets], list[str]] = {}
        """Of a queue, a namespace where that matters, and pods: the environments that could hold them when empty."""
        self.held: dict[tuple[str, str, PodSets], Hold] = {}
        """Why an ordinary job of a queue does not start: the next one that asks for the same does not, either."""
        self.choosy = {
            queue.name
            for queue in this_pass.queues
            if any(name in self.pools and self.pools[name].is_choosy for name in queue.environments)
        }
        """The queues of which an environment takes jobs of some namespaces only."""
        self.tells_apart = False
        """Whether the queue that is looked at is one."""
        self.let_pass: dict[str, Queue] = {}
        """The environments for which somebody waits who lets others go first, and the queue of the first of them."""
        self.finding_out = self.on_demand.finding_out
        self.awaiting: set[str] = set()
        """The environments of which that is so for any."""
        self.awaited: set[tuple[str, PodSets]] = set()
        """Those of whom one waits until its provisioner has asked for nodes for others."""
        self.passed: dict[str, list[tuple[Queue, PodSets]]] = {}
        """What those ask for who wait there for room, as long as nobody has gone first."""

    def _kind(self, share: str, key: Key, resolved: Resolved) -> Kind:
        return share, key[0] if self.tells_apart else "", resolved.pods

    def open_to(self, namespace: str, enabled: list[str]) -> list[str]:
        """Which of these environments take jobs of a namespace."""
        return [name for name in enabled if self.snapshot.environments[name].admits(namespace)]

    def misfit(self, queue: Queue, key: Key, resolved: Resolved, enabled: list[str]) -> Hold | None:
        """Say why no environment could hold a job even when empty, if so."""
        if (bound := self.grants.fixed(key)) and bound not in enabled:
            return holds.bound_to(bound)
        candidates = self._candidates(queue, key, resolved, enabled)
        if bound in candidates or (candidates and not bound):
            return None
        return self._once(queue, key, resolved, lambda: holds.misfit(queue, resolved, enabled, self.pools))

    def _left_alone(self, environment: str, pods: PodSets) -> LeftAlone | None:
        """Why no further node is asked for in an environment for pods, if so; also while one job finds that out."""
        if (environment, pods) in self.finding_out:
            return self.snapshot.left_alone[environment, pods]
        return still(self.snapshot.left_alone, environment, pods, self.now)

    def place(
        self, line: Line, order: FairShareOrder, key: Key, resolved: Resolved, enabled: list[str]
    ) -> Placement | Hold | None:
        """Find the first environment, in the queue's order, that has room for the request.

        None where there is no room, and the job is behind one of its share that waits for the same room.
        """
        if (leaving := leaves(self.snapshot, key, self.now)) is not None:
            return holds.left_alone([(self.grants.fixed(key), leaving)], self.now)
        queue = line.queue
        decision = self._once(queue, key, resolved, lambda: self._placed(queue, order, key, resolved, enabled))
        if isinstance(decision, Placement):
            return decision
        if decision.reason == Reason.INSUFFICIENT_INSTANCE_CAPACITY:
            # It keeps nothing for itself. One of each kind is told, as the others will be tried after that one.
            if self._is_ordinary(key, resolved):
                line.aside.add(self._kind(order.share, key, resolved))
            return decision
        return self._waits(line, order.share, key, resolved, decision, enabled)

    def _waits(
        self, line: Line, share: str, key: Key, resolved: Resolved, hold: Hold, enabled: list[str]
    ) -> Hold | None:
        """Close to others what a job waits for, or let them go first there."""
        bound = self.grants.fixed(key)
        names = [bound] if bound else self._candidates(line.queue, key, resolved, enabled)
        names = [name for name in names if self._left_alone(name, resolved.pods) is None]
        names = next(([name] for name in names if (name, resolved.pods) in self.awaited), names)
        since = self.snapshot.statuses[key].head_since
        if line.at_head(share, names):
            since = line.since(since)
        elif line.lets_pass(since):
            if self._is_ordinary(key, resolved):
                line.behind.add(self._kind(share, key, resolved))
            return None
        for name in names:
            if not line.lets_pass(since):
                self.closed.setdefault(name, line.queue)
            elif name not in self.closed:
                self.let_pass.setdefault(name, line.queue)
                if hold.reason == Reason.INSUFFICIENT_CAPACITY:
                    self.passed.setdefault(name, []).append((line.queue, resolved.pods))
        return line.told(hold, since)

    def close_below(self, priority: int) -> None:
        """Close to a queue of this priority what somebody of a higher one waits for, whoever else may go first."""
        for name, queue in self.let_pass.items():
            if queue.priority > priority:
                self.closed.setdefault(name, queue)

    def stands_behind(self, line: Line, share: str, key: Key, resolved: Resolved) -> bool:
        """Whether one of the same size was looked at in vain, so that a job of its share need not be."""
        return (
            self._kind(share, key, resolved) in line.behind
            and self.snapshot.statuses[key].head_since is None
            and self._is_ordinary(key, resolved)
        )

    def stands_aside(self, line: Line, share: str, key: Key, resolved: Resolved) -> bool:
        """Whether one of its share that asks for the same is not tried now, as no node came for such."""
        return self._kind(share, key, resolved) in line.aside and self._is_ordinary(key, resolved)

    def _take(self, environment: str, pods: PodSets, *, further: bool) -> Assignment | None:
        """Find nodes and charge them, unless those who let others go first there are about to start.

        Nodes that other environments have in common with one that is closed are kept for who waits there. Unless
        `further` ones may be asked for, they have to be there or on their way.
        """
        ledger, barred = self.ledger, self._barred(environment)
        nodes = ledger.take(environment, pods, barred, further=further)
        if nodes is not None and (passed := self.passed.pop(environment, None)):
            ledger.undo(environment, nodes, pods)
            coming = with_departures(self.snapshot, ledger)
            for queue, others in passed:
                if coming.fits(environment, others):
                    self.closed.setdefault(environment, queue)
            nodes = ledger.take(environment, pods, barred, further=further)
        return nodes

    def _barred(self, environment: str) -> Collection[str]:
        if environment not in self.ledger.space.overlapping:
            return ()
        return {node for name in self.closed if name != environment for node in self.pools[name].members}

    def _once(self, queue: Queue, key: Key, resolved: Resolved, decide: Callable[[], D]) -> D | Hold:
        """Decide on a job, unless an ordinary one of its queue that asks for the same was held before: so is this."""
        if not self._is_ordinary(key, resolved):
            return decide()
        what = queue.name, key[0] if self.tells_apart else "", resolved.pods
        if (held := self.held.get(what)) is not None:
            return held
        decision = decide()
        if isinstance(decision, Hold):
            self.held[what] = decision
        return decision

    def _is_ordinary(self, key: Key, resolved: Resolved) -> bool:
        return resolved.ungrown is None and not self.grants.fixed(key)

    def _placed(
        self, queue: Queue, order: FairShareOrder, key: Key, resolved: Resolved, enabled: list[str]
    ) -> Placement | Hold:
        pods = resolved.pods
        constraints = pods[0].constraints
        candidates = self._candidates(queue, key, resolved, enabled)
        left_alone = self._all_left_alone(candidates, pods)
        candidates = self.grants.order(key, candidates, self.closed, left_alone, self.ledger, pods)
        kept_back = False
        for name in candidates:
            asked, further = self.on_demand.asked(name, key, resolved)
            if not further:
                left_alone = {**left_alone, name: self.snapshot.left_alone[name, asked]}
            further = name not in left_alone
            if (name, pods) in self.awaited or (name in self.awaiting and self._awaits_asking(name, asked)):
                return holds.awaits_asking(queue, name)
            if name in self.closed or (name, asked) in self.refused:
                continue
            find = self._take if not constraints.spread else partial(self._spread_out, key, resolved)
            nodes = find(name, asked, further=further)
            if nodes is None and further and self._awaits_asking(name, asked):
                self.awaited.add((name, pods))
                self.awaiting.add(name)
                return holds.awaits_asking(queue, name)
            if nodes is None:
                self.refused.add((name, asked))
                continue
            pool = self.pools[name]
            request = resolved.request if pool.serverless is None else request_in(pool.environment, resolved)
            may_use = order.may_use(name, pool.capacity, request)
            if may_use and name not in self.closed:
                order.charge(name, request)
                self.on_demand.charge(name, key, resolved, on_demand=asked is not pods)
                if constraints.spread:
                    self.spread.charge(name, key, resolved, nodes)
                finds_out = (name, asked) in self.snapshot.left_alone and any(is_thought_up(node) for node, _ in nodes)
                if finds_out:
                    self.finding_out.add((name, asked))
                return Placement(
                    key,
                    name,
                    request,
                    nodes=nodes,
                    on_demand=asked is not pods,
                    finds_out=finds_out,
                    zone=self.ledger.zone_of(name, nodes) if constraints.one_zone else None,
                    instead=_instead(left_alone, queue.environments, name) if left_alone else "",
                )
            self.ledger.undo(name, nodes, asked)
            kept_back |= not may_use and name not in self.closed
        if candidates and all(name in left_alone for name in candidates) and not kept_back:
            return holds.left_alone([(name, left_alone[name]) for name in candidates], self.now)
        holder = next((self.closed[name] for name in candidates if name in self.closed), None)
        if kept_back:
            return holds.kept_back(queue, resolved.request, candidates)
        return holds.full(queue, resolved, candidates, holder, self.pools)

    def _spread_out(
        self, key: Key, resolved: Resolved, environment: str, pods: PodSets, *, further: bool
    ) -> Assignment | None:
        """Find nodes in the zone where pods of a job that are spread are to be, if they are there or on their way."""
        for zone in self.spread.order(environment, key, resolved):
            if (nodes := self._take(environment, in_zone(pods, zone), further=False)) is not None:
                return nodes
        return self._take(environment, pods, further=further)

    def _all_left_alone(self, environments: Iterable[str], pods: PodSets) -> dict[str, LeftAlone]:
        """Which of these are left alone by such pods."""
        if not self.snapshot.left_alone:
            return {}
        return {name: each for name in environments if (each := self._left_alone(name, pods)) is not None}

    def _awaits_asking(self, environment: str, pods: PodSets) -> bool:
        """Whether there is room, and only too many others wait for nodes that were not asked for yet.

        Those will be in a moment: it is no reason to go on to the next environment, which may be dearer. Unless it is
        known that nodes do not come, or some have waited for too long to think that they do.
        """
        coming, total = self.ledger.coming(environment), total_of(pods)
        managed = self.snapshot.environments[environment].managed
        failure = self.snapshot.failures.get(environment)
        waited = self.now - self.oldest_unmet.get(environment, self.now)
        if managed is None or waited > managed.shortage_grace_seconds:
            return False
        if failure is not None and failure.last > self.now - _LATELY_SECONDS:
            return False
        if coming is None or coming.withheld or not coming.full:
            return False
        return within(total, self.ledger.left(environment)) and within(total, coming.left)

    def _candidates(self, queue: Queue, key: Key, resolved: Resolved, enabled: list[str]) -> list[str]:
        what = queue.name, key[0] if self.tells_apart else "", resolved.pods
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
        room.close_below(queue.priority)
        known = [name for name in queue.environments if name in environments]
        enabled = [name for name in known if environments[name].enabled and not environments[name].refusal]
        blocked = holds.blocked(queue, [environments[name] for name in known], enabled)
        order, line, room.tells_apart = this_pass.order(queue), Line(queue, this_pass.now), queue.name in room.choosy
        for key in order:
            job = snapshot.resolved[key]
            if line.behind and room.stands_behind(line, order.share, key, job):
                if not line.goes_on(looked=False):
                    order.leave()
                continue
            if line.aside and room.stands_aside(line, order.share, key, job):
                continue
            open_to = room.open_to(key[0], enabled) if room.tells_apart else enabled
            decision = (
                blocked
                # Before anything is kept for it: what waits for somebody to act takes nothing from others.
                or (None if open_to else holds.closed_to(key[0], queue, enabled))
                or room.misfit(queue, key, job, open_to)
                or _at_limit(limits, queue, order.share, job)
                or room.place(line, order, key, job, open_to)
            )
            if decision is not None:
                yield key, decision
            if isinstance(decision, Placement):
                limits.charge(queue, order.share, job)
                if room.grants.grant(key, decision.environment):
                    order.stay()
            elif (
                blocked
                or (decision is not None and decision.ends_share_queue)
                or all(name in room.closed for name in enabled)
                or not line.goes_on()
            ):
                order.leave()
            elif decision is not None and decision.environments:
                limits.waits(queue, job)


def _instead(left_alone: Mapping[str, LeftAlone], environments: Sequence[str], chosen: str) -> str:
    """Why a job does not start in an environment that its queue names before the chosen one."""
    before = environments[: environments.index(chosen)]
    return "; ".join(left_alone[name].message for name in before if name in left_alone)


def _at_limit(limits: Limits, queue: Queue, share: str, job: Resolved) -> Hold | None:
    violation = limits.violation(queue, share, job)
    return None if violation is None else holds.at_limit(violation)
