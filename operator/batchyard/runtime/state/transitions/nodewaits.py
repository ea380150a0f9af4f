"""Which jobs wait for nodes that are made, and which environments are left alone as none came.

Nothing of it is written down. A process that takes over tries those environments once more, at the cost of a wait.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from batchyard.core.lifecycle.ending.outcome import no_capacity
from batchyard.core.model.cluster.leftalone import LeftAlone, Unmet
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.jobruns import NO_RUNS
from batchyard.core.model.pods.podset import PodSets
from batchyard.core.model.pods.withoutspot import of_part
from batchyard.core.model.run import Pod
from batchyard.core.model.status import NO_NODE_CAME, Status
from batchyard.core.scheduling.decisions import Placement
from batchyard.runtime.state.runs import Runs

_KEPT_SECONDS = 600.0
"""For how long it is remembered, once jobs may be tried again, that one of them is tried first."""


class NodeWaits:
    """A part of the cache, whose `jobs`, what they came to, `environments`, `runs` and grants it looks at."""

    def __init__(
        self,
        jobs: Mapping[Key, BatchJob],
        resolved: Mapping[Key, Resolved],
        environments: Mapping[str, Environment],
        runs: Runs,
        granted: Collection[Key],
        clock: Callable[[], float],
    ) -> None:
        self.unmet: Unmet = {}
        self.left_alone: dict[tuple[str, PodSets], LeftAlone] = {}
        """By environment and pods."""
        self._jobs = jobs
        self._resolved = resolved
        self._environments = environments
        self._runs = runs
        self._granted = granted
        self._clock = clock
        self._tried: dict[tuple[str, PodSets], Key] = {}
        """The job that finds out whether nodes come again."""

    def take(self, unmet: Unmet) -> list[Key]:
        """Take in what a pass has found; returns the jobs of which that is new."""
        before, self.unmet = self.unmet, unmet
        self._forget_old(self._clock())
        for what, key in list(self._tried.items()):
            where = key, what[0]
            if key in self._granted or where in unmet:
                continue
            if not self._runs_in(*where):
                self._leave_to_another(what)
            elif where in before:  # a node is on its way for it
                del self._tried[what]
                self.left_alone.pop(what, None)
        return [key for key, environment in unmet if (key, environment) not in before]

    def _leave_to_another(self, what: tuple[str, PodSets]) -> None:
        """Have another job find out, as this one is gone before it was known."""
        del self._tried[what]
        if (known := self.left_alone.get(what)) is not None:
            self.left_alone[what] = replace(known, until=self._clock())

    def _runs_in(self, job: Key, environment: str) -> bool:
        """Whether a job has a run in an environment that may have got its node: it was not just withdrawn."""
        known = self._jobs.get(job)
        runs = NO_RUNS if known is None else self._runs.of(known.uid)
        several = (*runs.mains.values(), *runs.indexes.values())
        return any(run.environment == environment and run.slots_taken and not run.deleting for run in several)

    def give_up(self, job: Key, environment: str, why: str, *, on_demand: bool) -> None:
        """Leave an environment alone with pods like those of a job, as no node came for them there.

        `on_demand` says that they were of the part of its work that is not on spot.
        """
        resolved, found = self._resolved.get(job), self._environments.get(environment)
        if resolved is None or found is None or (seconds := found.leave_alone_seconds) is None:
            return
        now = self._clock()
        what = environment, of_part(resolved.pods, on_demand=on_demand)
        known = self.left_alone.get(what)
        if self._tried.get(what) == job:
            del self._tried[what]
        elif known is not None and now < known.until:
            why = known.message  # of many that are given up together, one says why
        self.left_alone[what] = LeftAlone(now, now + seconds, why)

    def _forget_old(self, now: float) -> None:
        """Forget where jobs may be tried again since long ago."""
        for what in [what for what, each in self.left_alone.items() if each.until + _KEPT_SECONDS <= now]:
            del self.left_alone[what]
            self._tried.pop(what, None)

    def granted(self, placement: Placement) -> None:
        """Note who finds out whether nodes come again; the others wait for that."""
        resolved, environment = self._resolved.get(placement.key), self._environments.get(placement.environment)
        if not placement.finds_out or resolved is None or environment is None:
            return
        what = placement.environment, of_part(resolved.pods, on_demand=placement.on_demand)
        if (known := self.left_alone.get(what)) is not None:
            # As long as it may wait: until then nothing is known.
            seconds = max(environment.leave_alone_seconds or 0, environment.unschedulable_seconds)
            self._tried[what] = placement.key
            self.left_alone[what] = replace(known, until=self._clock() + seconds)

    def observe_pod(self, pod: Pod) -> None:
        """See from the pod of a single index of an array that there is no capacity; of other jobs, their runs tell."""
        run = self._runs.find((pod.owner[0], pod.run)) if pod.got_no_capacity else None
        if run is not None and run.index is not None and not run.ended:
            self.give_up(pod.owner, run.environment, no_capacity(pod), on_demand=run.on_demand)

    def observe_transition(self, job: BatchJob, before: Status, after: Status) -> None:
        """See from a job that no node came for it."""
        last = after.attempts[-1] if after.attempts else None
        if last is None or last.reason != NO_NODE_CAME or last.stopped_at is None:
            return
        if _open(before) or len(before.attempts) < len(after.attempts):
            run = self._runs.find((job.key[0], last.job_name))
            on_demand = run is not None and run.on_demand
            self.give_up(job.key, last.environment, last.message, on_demand=on_demand)


def _open(status: Status) -> bool:
    return bool(status.attempts) and status.attempts[-1].stopped_at is None
