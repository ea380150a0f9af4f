"""When a run gives its slot back because its pod is not made, or finds no node; and when it is tried again.

Nothing of such a run has run, so it costs no attempt. It is tried again after a wait that grows with the runs taken
back in a row, which the job's attempts tell, and behind the jobs that came before that moment: else few of its kind
would keep a narrow environment from everybody else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from batchyard.api.models.computeenvironment import UNSCHEDULABLE_SECONDS
from batchyard.api.reasons import Reason
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult
from batchyard.core.lifecycle.ending.retries import LONGEST_POSTPONEMENT, Retry, chance_of
from batchyard.core.model.environment import Environment
from batchyard.core.model.pods.podset import describe_request
from batchyard.core.model.run import Pod, Refusal, Run
from batchyard.core.model.status import NO_NODE_CAME, TAKEN_BACK, Attempt
from batchyard.core.model.timers import clock

PROMPT_SECONDS = 5.0
"""How long a run whose pod the API server refuses keeps its slot: for what is over in a moment, as a quota may be."""

LOOK_SECONDS = 5.0
"""How often it is asked why a run has no pod, as long as nobody has said it."""

UNSEEN_SECONDS = 30.0
"""How long the Job controller may take to look at a Job, before it is asked why there is no pod."""

LONGEST_UNSEEN_SECONDS = 300.0
"""How long a run keeps its slot at least whose Job the Job controller has not looked at: it may only be slow."""

FIRST_WAIT_SECONDS = 10.0


class NoNodes(NamedTuple):
    """That no nodes come."""

    seconds: float
    """How long a pod may wait all the same."""
    message: str
    """Why, in the provider's words."""
    last: float
    """When that was heard last. It says nothing of pods that were made later."""
    pods: int = 1
    """For how many of the job's pods none is on its way."""


@dataclass(slots=True, frozen=True)
class Patience:
    """How long a run may keep its slot without running."""

    grace_seconds: float
    """The definition's `startupGraceSeconds`."""
    unschedulable_seconds: float
    scaling: str = ""
    """The environment, if its nodes are made as pods need them."""
    serverless: bool = False
    """Whether pods get capacity there without nodes of the environment."""
    quiet: bool = False
    """Whether a pod may wait there for a scheduler that says nothing of it."""
    no_nodes: NoNodes | None = None
    """Why its pods get none there, where that is known."""


def patience(grace_seconds: float, environment: Environment | None, no_nodes: NoNodes | None = None) -> Patience:
    """Return how long a job's run, which was granted with this grace time, may keep its slot."""
    if environment is None:
        return Patience(grace_seconds, UNSCHEDULABLE_SECONDS)
    offer = environment.serverless
    return Patience(
        grace_seconds,
        environment.unschedulable_seconds,
        environment.name if environment.grows else "",
        serverless=offer is not None,
        quiet=offer is not None and offer.node_labels is not None,
        no_nodes=no_nodes,
    )


@dataclass(slots=True, frozen=True)
class Holdup:
    """What keeps a run from starting, and until when that is borne."""

    reason: Reason
    message: str
    """Empty as long as nothing is known."""
    due: float
    ask_at: float | None = None
    """When to ask why, where that is not known."""
    at_the_end: tuple[Reason, str] | None = None
    """Reason and message of the run's end, where they are others."""

    def outcome(self) -> Outcome:
        """The end of the run."""
        reason = self.at_the_end[0] if self.at_the_end else self.reason
        return Outcome(RunResult.TAKEN_BACK, reason, self.last_words or UNKNOWN)

    @property
    def last_words(self) -> str:
        """What is said once it is not borne any more; empty as long as nothing is known."""
        return self.at_the_end[1] if self.at_the_end else self.message

    def of(self, whose: str) -> "Holdup":
        """The same of one pod of several, which its sentences name first."""
        message = self.message and f"{whose}: {self.message}"
        end = self.at_the_end and (self.at_the_end[0], f"{whose}: {self.at_the_end[1]}")
        return replace(self, message=message, at_the_end=end)

    def asks(self, now: float) -> bool:
        """Whether it is time to ask why."""
        return self.ask_at is not None and self.ask_at <= now

    def wake_at(self, now: float) -> float:
        """When to look again without being told to."""
        return self.due if self.ask_at is None or self.asks(now) else min(self.due, self.ask_at)


UNKNOWN = "the Kubernetes Job has no pod, and no Event says why"


def holdup(run: Run, pod: Pod | None, patience: Patience) -> Holdup | None:
    """Return what keeps a run's pod from being made, or from getting a node; None while nothing does."""
    if run.ended or run.deleting:
        return None
    if run.suspended_at is not None and (pod is None or not pod.live):
        return suspended(run, patience)
    if pod is not None and pod.live and not pod.node_name and (pod.unschedulable or patience.quiet):
        due = pod.created + patience.unschedulable_seconds
        if patience.scaling:
            return _without_node(pod, patience, due)
        return Holdup(Reason.UNSCHEDULABLE, pod.unschedulable, due)
    return _unmade(run, patience) if podless(run, pod) else None


def _without_node(pod: Pod, patience: Patience, due: float) -> Holdup:
    """What it means that a pod waits for a node which is being made. It says the same all the time, whatever the
    scheduler says of the other nodes meanwhile."""
    environment, no_nodes = patience.scaling, patience.no_nodes
    what, why = "capacity" if patience.serverless else "a node", pod.unschedulable or "no scheduler says why"
    asked = f"({describe_request(pod.request)}), asked for since {clock(pod.created)}"
    message = f"environment {environment} is getting {what} for a pod {asked}"
    if no_nodes is not None and no_nodes.last >= pod.created:
        due, why = min(due, pod.created + no_nodes.seconds), no_nodes.message
        message += f"; none has come so far: {why}"
    end = f"environment {environment} got no {what.removeprefix('a ')} for a pod {asked}: {why}"
    return Holdup(Reason.SCALING_UP, message, due, at_the_end=(NO_NODE_CAME, end))


def suspended(run: Run, patience: Patience) -> Holdup:
    """Return what the suspension of its Kubernetes Job means for a run."""
    message = f"Kubernetes Job {run.name} was suspended (spec.suspend) by somebody else; Batchyard does not do that"
    return Holdup(Reason.CREATE_FAILED, message, (run.suspended_at or run.created) + patience.grace_seconds)


def _unmade(run: Run, patience: Patience) -> Holdup:
    """What keeps the only pod of a Job from being made."""
    refusal = run.refusal
    if refusal is not None and refusal.message:
        return refused(run.name, refusal, patience)
    if run.started_at is not None:
        ask_at, due = run.started_at, run.started_at + patience.grace_seconds
    else:
        ask_at = run.created + UNSEEN_SECONDS
        due = run.created + max(LONGEST_UNSEEN_SECONDS, patience.grace_seconds)
    if refusal is not None:
        ask_at = refusal.looked_at + LOOK_SECONDS
    return Holdup(Reason.CREATE_FAILED, UNKNOWN if refusal else "", due, ask_at)


def podless(run: Run, pod: Pod | None) -> bool:
    """Whether a Job of one pod has none; once the Job has a start time, the Job controller has tried to make it."""
    return run.indexed is None and not run.active and pod is None and not run.ended and not run.deleting


def lacks_pods(run: Run, pod: Pod | None) -> bool:
    """Whether there should be pods, or more of them, than the Job controller has made."""
    return podless(run, pod) or (not run.ended and not run.deleting and lacking(run) > 0)


def lacking(main: Run) -> int:
    """How many pods of an Indexed Job are missing."""
    shown = main.indexed
    return 0 if shown is None else max(main.slots - shown.terminating - main.active, 0)


def refused(what: str, refusal: Refusal, patience: Patience) -> Holdup:
    """Return what a refusal of the API server means for a run."""
    seconds = min(PROMPT_SECONDS, patience.grace_seconds) if refusal.definite else patience.grace_seconds
    return Holdup(Reason.CREATE_FAILED, f"{what}: {refusal.message}", refusal.since + seconds)


def again(attempts: Iterable[Attempt], job_uid: str, outcome: Outcome, now: float) -> Retry:
    """Return when a job is tried again whose last attempt was taken back.

    At once where no node came: its environment is left alone meanwhile, and the next one of the queue is tried.
    """
    attempts = list(attempts)
    if outcome.reason == NO_NODE_CAME:
        return Retry(now, outcome.reason, f"{outcome.message} (run {attempts[-1].run} gave its slot back)")
    in_a_row = next((n for n, each in enumerate(reversed(attempts)) if each.reason not in TAKEN_BACK), len(attempts))
    wait = wait_seconds(in_a_row, chance_of(job_uid, attempts[-1].run))
    message = f"{outcome.message} (run {attempts[-1].run} gave its slot back; next try in {round(wait):g} s)"
    return Retry(now + wait, outcome.reason, message)


def wait_seconds(in_a_row: int, chance: float) -> float:
    """Seconds until the next try after so many in a row; `chance` spreads those that come together."""
    grown = FIRST_WAIT_SECONDS * 2.0 ** min(max(in_a_row - 1, 0), 20)
    return min(grown, LONGEST_POSTPONEMENT) * (1.0 - 0.5 * chance)
