"""Nodes that are taken away from under running jobs: which these are, and how often that happens.

What is seen of a cloud that takes a machine back is that the provisioner deletes its claim, some time before the
machine is gone. Nothing but the capacity type tells that from a claim that somebody has deleted.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import exp

from batchyard.core.model.cluster.node import Node
from batchyard.core.model.cluster.nodeclaim import NodeClaim, NodePool
from batchyard.core.model.environment import Environment
from batchyard.core.model.managed import CAPACITY_TYPE, SPOT

DECAY_SECONDS = 3600.0
"""After how long an interruption counts for a rate by 1/e only."""


@dataclass(slots=True, frozen=True)
class Interruptions:
    """How many nodes of an environment were taken away while jobs ran there, and how often."""

    nodes: int = 0
    last_at: float = 0.0
    """When that happened last; nothing where it never did."""
    per_hour: float = 0.0
    """The rate as it was then, that one included."""

    def one_more(self, at: float) -> "Interruptions":
        """The same after one more."""
        return Interruptions(self.nodes + 1, at, self.rate(at) + 1)

    def rate(self, now: float) -> float:
        """How many there are an hour: each counts exp(-age / 1 h), so that nothing but one number has to be kept.

        Where they come evenly, that is on average what comes in an hour.
        """
        return self.per_hour * exp(-max(now - self.last_at, 0.0) / DECAY_SECONDS)


@dataclass(slots=True, frozen=True)
class NodeHistory:
    """What has become of the nodes of an environment since it exists."""

    scale_ups: int = 0
    """How many were asked for."""
    interruptions: Interruptions = field(default_factory=Interruptions)

    def asked_for(self, nodes: int) -> "NodeHistory":
        """The same after so many more were asked for."""
        return replace(self, scale_ups=self.scale_ups + nodes)

    def interrupted(self, at: float) -> "NodeHistory":
        """The same after one more was taken away."""
        return replace(self, interruptions=self.interruptions.one_more(at))


def has_made_nodes(environment: Environment | None) -> bool:
    """Whether an environment is there whose nodes are made. One that is refused for now keeps those that it has."""
    return environment is not None and (environment.managed is not None or bool(environment.refusal))


def outlasts(pool: NodePool | None, claim: NodeClaim) -> bool:
    """Whether the NodePool of a claim stays: with it, all of its claims go, and no cloud has taken any of them."""
    return (
        pool is not None
        and pool.environment == claim.environment
        and not pool.deleting
        # Else the claim is one of an earlier pool of that name.
        and pool.created <= claim.created
    )


def taken_back(
    claims: Iterable[NodeClaim], pools: Mapping[str, NodePool], environments: Mapping[str, Environment]
) -> Iterator[NodeClaim]:
    """Return the claims whose machine is about to go, whatever runs there. Others that are deleted wait for jobs."""
    for claim in claims:
        if (
            claim.deleting
            and claim.labels.get(CAPACITY_TYPE) == SPOT
            and has_made_nodes(environments.get(claim.environment))
            and outlasts(pools.get(claim.environment), claim)
        ):
            yield claim


def node_of(claim: NodeClaim, nodes: Iterable[Node]) -> str:
    """Return the name of a claim's node; empty where it has none yet. It may be there before its claim names it."""
    return claim.node or next((node.name for node in nodes if node.machine == claim.machine), "")
