"""Which environments get no nodes: what Karpenter has told of each, and machines of which no node comes."""

from collections.abc import Callable, Collection, Mapping

from batchyard.core.model.cluster.failure import Failure
from batchyard.core.model.cluster.nodeclaim import Mishap, NodeClaim
from batchyard.core.model.environment import Environment
from batchyard.core.model.timers import lies_ahead
from batchyard.runtime.state.kinds.failurelog import LASTS_SECONDS, FailureLog

NOT_REGISTERED = "NodeNotRegistered"
"""The reason of machines that were launched and do not join the cluster, of which Karpenter says nothing for long."""


class Failures:
    """By environment, whether that exists or not: claims may be seen before their environment is."""

    def __init__(self, environments: Mapping[str, Environment], claims: Mapping[str, NodeClaim]) -> None:
        self.on_failure: Callable[[str], None] = lambda _: None
        """Told the environment when more is heard of a failure."""
        self._environments = environments
        self._claims = claims
        self._logs: dict[str, FailureLog] = {}
        self._unregistered: dict[str, dict[str, float]] = {}
        """When machines were launched that have not joined the cluster, by environment and claim."""
        self._registered: dict[str, float] = {}
        """When the youngest was launched that has."""

    @property
    def heard_of(self) -> Collection[str]:
        """Environments of which anything was told."""
        return self._logs.keys()

    def note(self, environment: str, mishap: Mishap) -> None:
        """Take in that a node did not come."""
        if self._log(environment).note(mishap):
            self.on_failure(environment)

    def note_claim(self, claim: NodeClaim) -> None:
        """Take in what a claim tells of its machine."""
        name, at = claim.environment, claim.launched_at
        self.forget_claim(claim)
        if claim.mishap is not None:
            self.note(name, claim.mishap)
        if at is None:
            return
        self._log(name).note_launch(at)
        if claim.node:
            self._registered[name] = max(at, self._registered.get(name, at))
        elif not claim.deleting:
            self._unregistered.setdefault(name, {})[claim.name] = at

    def forget_claim(self, claim: NodeClaim) -> None:
        """A claim is gone. When its machine was launched stays known."""
        waiting = self._unregistered.get(claim.environment, {})
        waiting.pop(claim.name, None)
        if not waiting:
            self._unregistered.pop(claim.environment, None)

    def told(self, environment: Environment) -> Failure | None:
        """What was told last of an environment, however long ago."""
        log = self._logs.get(environment.name)
        return None if log is None else log.failure(environment.created)

    def heard(self, environment: Environment) -> Failure | None:
        """The same, whatever was launched since: that may have been for others."""
        log = self._logs.get(environment.name)
        return None if log is None else log.failure(environment.created, launches_end_it=False)

    def present(self, environment: Environment, now: float) -> Failure | None:
        """What keeps nodes of an environment from coming now; what was not heard of for long does not any more."""
        told = self.told(environment)
        if told is not None and not lies_ahead(told.last + LASTS_SECONDS, now, 2 * LASTS_SECONDS):
            told = None
        late = self._late(environment, now)
        return told if late is None or (told is not None and told.last >= late.last) else late

    def _late(self, environment: Environment, now: float) -> Failure | None:
        """Machines that are overdue, unless younger ones have joined the cluster."""
        name, patience = environment.name, environment.unschedulable_seconds
        launched = self._unregistered.get(name)
        if not launched:
            return None
        youngest = self._registered.get(name, 0.0)
        due = [at + patience for at in launched.values() if at > youngest and at + patience <= now]
        if not due:
            return None
        what = "machine was launched and has" if len(due) == 1 else "machines were launched and have"
        words = f"{len(due)} {what} not joined the cluster within {patience} s"
        return Failure(NOT_REGISTERED, words, min(due), max(due))

    def _log(self, environment: str) -> FailureLog:
        if environment not in self._logs:
            self._forget()
        return self._logs.setdefault(environment, FailureLog())

    def _forget(self) -> None:
        """Keep only what environments that exist may need, or that may be about to be seen."""
        kept = self._environments.keys() | {claim.environment for claim in self._claims.values()}
        for each in (self._logs, self._registered):
            for name in each.keys() - kept:
                del each[name]
