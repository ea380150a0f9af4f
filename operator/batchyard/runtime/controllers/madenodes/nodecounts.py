"""Counts what became of the nodes that were made: how many were asked for, and how many went from under running jobs.

A count goes on from what the environment's status says when this process begins to act, and is written there. What
happens while no process acts is not counted: a count may lose something, and has nothing twice.
"""

from collections import Counter
from collections.abc import Iterable

from batchyard.api import names
from batchyard.core.insight.interruptions import NodeHistory, has_made_nodes, node_of, outlasts
from batchyard.core.model.cluster.nodeclaim import NodeClaim
from batchyard.core.model.environment import Environment
from batchyard.objects.kinds.computeenvironment import read_history
from batchyard.objects.meta import Object
from batchyard.runtime.state.cache import Cache


class NodeCounts:
    """The history of each environment that has nodes made. Before the first `look` it is what statuses say."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._catalogue = cache.catalogue
        self._histories: dict[str, tuple[str, NodeHistory]] = {}
        """By environment, with its uid: one that is made anew begins anew."""
        self._seen: dict[str, NodeClaim] | None = None
        """The claims at the last look; None before the first, and while claims cannot be read."""
        self._settled: set[str] = set()
        """Claims that were counted as interruptions, or were being deleted before anybody looked."""

    def of(self, environment: Environment) -> NodeHistory:
        """Return the history of an environment."""
        uid, history = self._histories.get(environment.name, ("", NodeHistory()))
        return history if uid == environment.uid else read_history(self._status(environment))

    def look(self, now: float) -> None:
        """Count what has happened to claims since the last look."""
        provisioned = self._catalogue.provisioned
        if provisioned.missing:
            self._seen = None
            return
        claims, before = provisioned.claims, self._seen
        known = self._take_up(claims.values())
        if before is None:
            self._settled = {claim.name for claim in claims.values() if claim.deleting}
        else:
            self._count_new(known, (claim for name, claim in claims.items() if name not in before))
            self._count_lost((claim for name, claim in before.items() if name not in claims), now)
            self._settled.intersection_update(claims)
        self._seen = dict(claims)

    def _take_up(self, claims: Iterable[NodeClaim]) -> set[str]:
        """Begin with environments that are new here, and forget those that are gone; returns those known before."""
        environments = self._catalogue.environments
        made = {name: each for name, each in environments.items() if has_made_nodes(each)}
        kept = {name: self._histories[name] for name in made if self._histories.get(name, ("",))[0] == made[name].uid}
        known = set(kept)
        for name in made.keys() - kept.keys():
            environment = made[name]
            status = self._status(environment)
            history = read_history(status)
            if "scaleUps" not in status:
                there = (claim for claim in claims if claim.environment == name)
                history = history.asked_for(sum(claim.created >= environment.created for claim in there))
            kept[name] = (environment.uid, history)
        self._histories = kept
        return known

    def _count_new(self, known: set[str], claims: Iterable[NodeClaim]) -> None:
        for name, number in Counter(claim.environment for claim in claims).items():
            if name in known:
                uid, history = self._histories[name]
                self._histories[name] = uid, history.asked_for(number)

    def count_interruption(self, claim: NodeClaim, now: float) -> None:
        """Count that the node of a claim is taken away from under running jobs, if it was not counted yet."""
        if claim.name not in (self._seen or {}) or claim.name in self._settled:
            return
        self._settled.add(claim.name)
        if claim.environment in self._histories:
            uid, history = self._histories[claim.environment]
            self._histories[claim.environment] = uid, history.interrupted(now)

    def _count_lost(self, gone: Iterable[NodeClaim], now: float) -> None:
        """Count nodes that have gone without waiting for the jobs there, whatever was the cause of it."""
        pools = self._catalogue.provisioned.pools
        lost = [
            claim
            for claim in gone
            if claim.environment in self._histories and outlasts(pools.get(claim.environment), claim)
        ]
        occupied = self._cache.runs.live.nodes() if lost else set()
        for claim in lost:
            if node_of(claim, self._catalogue.nodes.values()) in occupied:
                self.count_interruption(claim, now)

    def _status(self, environment: Environment) -> Object:
        return self._catalogue.statuses.get((names.COMPUTE_ENVIRONMENT, "", environment.name), {})
