"""Asks why Kubernetes Jobs have no pods: the Job controller says so in Events, and nowhere else.

No informer follows Events: nothing of an API server is written more often, and few of them concern a run that is stuck.
"""

import re
from collections.abc import Callable

from batchyard.core.lifecycle.takeback import lacks_pods
from batchyard.core.model.job import Key
from batchyard.core.model.run import Refusal, Run
from batchyard.kube.protocol import KubeApi, Object, Selection
from batchyard.kube.resources import EVENTS
from batchyard.objects.kubernetes.event import last_seen
from batchyard.runtime.state.cache import Cache

_PREFIX = re.compile(r"^(\(combined from similar events\): )?(Error creating: )?")
_POD_NAME = re.compile(r'pods "[^"]*" is forbidden')


class PodlessRuns:
    """One question for each run that has no pods."""

    def __init__(self, api: KubeApi, cache: Cache, clock: Callable[[], float]) -> None:
        self._api = api
        self._cache = cache
        self._clock = clock

    async def ask(self, key: Key) -> None:
        """Read what the Job controller says about the runs of a job that lack pods."""
        job = self._cache.jobs.get(key)
        if job is None:
            return
        runs = self._cache.runs.of(job.uid)
        for run in runs.all:
            if lacks_pods(run, runs.pods.get(run.name)):
                await self._ask(run)
            elif run.refusal is not None and run.refusal.node is None:
                self._cache.note_refusal((key[0], run.name), run.uid, None)

    async def _ask(self, run: Run) -> None:
        namespace, now = run.owner[0], self._clock()
        found, _ = await self._api.list(
            EVENTS, Selection(namespace, fields=f"involvedObject.uid={run.uid},reason=FailedCreate")
        )
        message = words(max(found, key=last_seen)) if found else ""
        known = run.refusal
        since = known.since if known is not None and known.message else now
        self._cache.note_refusal((namespace, run.name), run.uid, Refusal(message, since, now))


def words(event: Object) -> str:
    """The API server's words, without the name of the pod: that is another one at each try."""
    return _POD_NAME.sub("its pod is forbidden", _PREFIX.sub("", event.get("message") or ""))
