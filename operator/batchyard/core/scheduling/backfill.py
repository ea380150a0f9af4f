"""Which jobs may start before a larger one that waits, since they do not delay it.

Comes after placement and preemption. The first job that an environment is full for holds a reservation there: the
moment at which it fits at the latest. What came later, or waits in a queue of lower priority, may use what is free
until then if it has ended by that time, or fits beside it then. This is EASY backfill (Lifka, "The ANL/IBM SP
Scheduling System", 1995) with time limits in the place of users' estimates. Arrays wait for their turn: an index of
theirs that ends is followed by the next one.

Where others make room for somebody (`promises`), he may have it earlier than that; what is on its way out is lent to
nobody, as it may come at any moment.
"""

from collections.abc import Iterable, Iterator, Mapping

from batchyard.api.reasons import Reason
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import Key
from batchyard.core.model.pods.podset import Assignment, PodSets, together, total_of
from batchyard.core.model.pods.zones import are_together, in_zone
from batchyard.core.model.resources import fits, subtract
from batchyard.core.scheduling.capacity.ledger import amount_of
from batchyard.core.scheduling.capacity.serverless.sizes import request_in
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.promises import CEILINGS, narrowed
from batchyard.core.scheduling.reservation import End, Reservation, latest_end, reserve
from batchyard.core.scheduling.schedulingpass import SchedulingPass

_ALL = frozenset({"cpu", "memory", "pods"})
"""What nearly every job takes of: where it is used up, nobody is looked at."""


def backfill(this_pass: SchedulingPass) -> Iterator[Placement]:
    """Place further jobs, and charge the ledger and the limits for them."""
    snapshot, ledger, limits = this_pass.snapshot, this_pass.ledger, this_pass.limits
    backlog, resolved, pools = snapshot.backlog, snapshot.resolved, snapshot.pools
    fronts = _fronts(this_pass)
    gaps = {
        name for name in fronts if not any(amount <= 0 for each, amount in ledger.free(name).items() if each in _ALL)
    }
    if not gaps:
        return
    reservations = _Reservations(this_pass, fronts)
    for front in set(fronts.values()):
        limits.reserve(snapshot.queues[backlog.queue_of(front)], backlog.share_of(front), resolved[front])
    for queue in this_pass.queues:
        names = [name for name in queue.environments if name in gaps]
        if not names or not queue.enabled:
            continue
        order, too_large = this_pass.order(queue), set[tuple[str, PodSets]]()
        choosy = any(pools[name].is_choosy for name in names)
        for key in this_pass.behind(order):
            job = resolved[key]
            kind = (key[0] if choosy else "", job.pods)
            if kind in too_large:
                continue
            roomy = _roomy(this_pass, names, key)
            if not roomy:
                too_large.add(kind)  # what is free only gets less
                continue
            # Where nothing can be promised, nobody goes first: seen once somebody would fit, and not looked at again.
            if closed := {name for name in roomy if not reservations.made(name)}:
                gaps -= closed
                names = [name for name in names if name in gaps]
            if not names:
                break
            for name in roomy:
                if (
                    name in gaps
                    and key not in snapshot.demands
                    and limits.violation(queue, order.share, job) is None
                    and order.may_use(name, pools[name].capacity, request_in(pools[name].environment, job))
                    and (nodes := reservations.take(name, key, job)) is not None
                ):
                    request = request_in(pools[name].environment, job)
                    order.charge(name, request)
                    limits.charge(queue, order.share, job)
                    this_pass.spread.charge(name, key, job, nodes)
                    zone = ledger.zone_of(name, nodes) if are_together(job.pods) else None
                    yield Placement(key, name, request, nodes=nodes, zone=zone)
                    break


def _roomy(this_pass: SchedulingPass, environments: Iterable[str], key: Key) -> list[str]:
    """Which of these have room for a job now."""
    snapshot, pods = this_pass.snapshot, this_pass.snapshot.resolved[key].pods
    open_to = (name for name in environments if snapshot.environments[name].admits(key[0]))
    return [name for name in open_to if (name, pods) not in snapshot.left_alone and this_pass.ledger.fits(name, pods)]


def _fronts(this_pass: SchedulingPass) -> dict[str, Key]:
    """The job that waits for room in each environment before all others.

    There is none where what is free is kept back for shares that are not active yet: no end of a run changes that.
    """
    snapshot, fronts = this_pass.snapshot, dict[str, Key]()
    kept_back: set[str] = set()
    for key, hold in this_pass.holds:
        for name in hold.environments:
            fronts.setdefault(name, key)
        if hold.reason == Reason.RESERVED_FOR_OTHER_SHARES:
            kept_back.update(snapshot.queues[snapshot.backlog.queue_of(key)].environments)
    return {name: key for name, key in fronts.items() if name not in kept_back}


class _Reservations:
    """What is promised to the fronts; made for an environment when somebody could use what is free there."""

    def __init__(self, this_pass: SchedulingPass, fronts: Mapping[str, Key]) -> None:
        self._pass = this_pass
        self._fronts = fronts
        self._placed = list(this_pass.placements.values())
        self._made: dict[str, Reservation | None] = {}

    def made(self, environment: str) -> Reservation | None:
        """What is promised to the front of an environment; None where that cannot be said."""
        if environment not in self._made:
            self._made[environment] = self._reserve(environment)
        return self._made[environment]

    def take(self, environment: str, key: Key, job: Resolved) -> Assignment | None:
        """Find nodes where the job delays nobody, and charge them; what it takes beside the fronts is noted."""
        zones = self._pass.spread.order(environment, key, job)
        ways = [*((in_zone(job.pods, zone), False) for zone in zones), (job.pods, True)]
        found = (self._take(environment, key, job, pods, further=further) for pods, further in ways)
        return next((nodes for nodes in found if nodes is not None), None)

    def _take(self, environment: str, key: Key, job: Resolved, pods: PodSets, *, further: bool) -> Assignment | None:
        reservation, promise = self.made(environment), self._pass.promises.get(environment)
        ledger = self._pass.ledger
        if reservation is None:
            return None
        if promise is not None and key in promise.to:
            return ledger.take(environment, pods, further=further)
        end = latest_end(job, None, self._pass.now)
        # Nodes may be in several environments: what is promised on one counts for all that goes there.
        outlived = [each for each in self._made.values() if each is not None and each.at < end]
        total = total_of(ledger.charged(environment, pods))
        # What the ceilings leave beside who was promised room; all that the job asks for where there are none.
        if reservation.at < end and not fits(total, {**total, **reservation.spare.get(CEILINGS, {})}):
            return None
        kept = {node for each in outlived for node in each.spare if node != CEILINGS}
        tight = {node for node in kept if any(not _fits_beside(node, each, pods) for each in outlived)}
        nodes = ledger.take(environment, pods, tight, further=further)
        if nodes is not None and _touches(nodes, outlived):  # several pods of the job on one node
            ledger.undo(environment, nodes, pods)
            nodes = ledger.take(environment, pods, kept, further=further)
        if nodes is not None:
            for each in outlived:
                _note(each, nodes)
            if reservation.at < end and CEILINGS in reservation.spare:
                reservation.spare[CEILINGS] = subtract(reservation.spare[CEILINGS], total)
        return nodes

    def _reserve(self, environment: str) -> Reservation | None:
        ends = list(self._pass.ends(environment))
        for placement in self._placed:
            if placement.environment == environment and placement.array is None:
                at = latest_end(self._pass.snapshot.resolved[placement.key], None, self._pass.now)
                ends.append(End(at, placement.nodes, amount_of(placement.request, 1)))
        front = self._pass.snapshot.resolved[self._fronts[environment]].pods
        by_ends = reserve(self._pass.ledger, environment, front, ends)
        promise = self._pass.promises.get(environment)
        if promise is None:
            return by_ends
        if by_ends is None or by_ends.at >= promise.at:
            return Reservation(promise.at, dict(promise.spare))
        return Reservation(by_ends.at, narrowed(by_ends.spare, promise.spare))


def _fits_beside(node: str, reservation: Reservation, pods: PodSets) -> bool:
    """Whether any of the pods fits on a node beside those that it is kept for."""
    return node not in reservation.spare or all(fits(each.takes, reservation.spare[node]) for each in pods)


def _touches(nodes: Assignment, reservations: Iterable[Reservation]) -> bool:
    """Whether more goes to a node than is spare there."""
    return any(
        node in each.spare and not fits(amount, each.spare[node])
        for node, amount in together(nodes).items()
        for each in reservations
    )


def _note(reservation: Reservation, nodes: Assignment) -> None:
    for node, amount in together(nodes).items():
        if node in reservation.spare:
            reservation.spare[node] = subtract(reservation.spare[node], amount)
