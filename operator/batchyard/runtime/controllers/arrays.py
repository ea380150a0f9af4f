"""What only arrays need of the API server: their Jobs, more slots, and a look at pods that no informer follows.

Like all writes, each may be repeated at any time: names are deterministic, and a parallelism is set to what was decided
once, never raised by an amount.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice

from batchyard.api import names
from batchyard.api.reasons import Reason
from batchyard.core.definition.runterms import judged_by
from batchyard.core.lifecycle.array.holdups import Overdue, overdue
from batchyard.core.lifecycle.ending.outcome import no_capacity
from batchyard.core.lifecycle.startup import asks_at
from batchyard.core.model.array import ArrayGrant, ArrayShape, IndexRun
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import Pod, PodReport, Run
from batchyard.core.model.status import TERMINAL
from batchyard.core.planner.actions import AbandonPod, DeletePods, WriteOffPod
from batchyard.core.planner.surroundings import surroundings
from batchyard.kube.errors import Conflict, NotFound
from batchyard.kube.protocol import KubeApi, Object, Selection
from batchyard.kube.resources import JOBS, PODS
from batchyard.objects.kubernetes.indexedjob import build_index_job, build_indexed_job
from batchyard.objects.kubernetes.pod import controlling_job, read_pod
from batchyard.objects.kubernetes.steering import steered
from batchyard.runtime.controllers.expectednodes import expected_hostnames
from batchyard.runtime.controllers.podevents import PodEvents
from batchyard.runtime.loop.actions import Performers
from batchyard.runtime.state.cache import Cache

INDEXES_AT_ONCE = 100
"""Failed indexes whose pods are read with one request: what is asked for stands in its address."""

NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"
"""The field selector of pods that have not ended."""

WAITING_AT_ONCE = 20
"""Pods that do not start of which one look reads: they all have the same template."""

LEAVING_AT_ONCE = 20
"""The same for pods that do not end although they were asked to."""

ASKS_AT_ONCE = 2
"""Of these, the pods whose Events are read."""

CREATIONS_AT_ONCE = 8


class ArrayController:
    """The requests that only arrays need. Whatever is raised means: the same again, later."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        clock: Callable[[], float],
        create: Callable[[BatchJob, Object], Awaitable[Object]],
        pod_events: PodEvents,
    ) -> None:
        self._api = api
        self._cache = cache
        self._clock = clock
        self._create = create
        self.shrunk: Counter[Key] = Counter()
        """How many pods arrays were made to lose, whose deletion was not seen yet by who watches them."""
        self._pod_events = pod_events

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(DeletePods, self.delete_pods)
        performers.register(AbandonPod, self.abandon)
        performers.register(WriteOffPod, self.write_off)

    async def grow(
        self, job: BatchJob, shape: ArrayShape, resolved: Resolved, environment: Environment, grant: ArrayGrant
    ) -> None:
        """Give an array the slots that it was granted. Raises TemplateError as building a Job does."""
        nodes = expected_hostnames(self._cache, job.key)
        if grant.slots:
            main = self._main(job)
            if main is None:
                body = build_indexed_job(job, resolved, shape, environment, grant.parallelism)
                self._cache.put_run(await self._create(job, steered(body, nodes)))
            elif main.indexed is not None and main.indexed.parallelism < grant.parallelism:
                # Never more than it has by now and was granted: it may have lost slots since.
                await self.set_parallelism(main, min(grant.parallelism, main.indexed.parallelism + grant.slots))

        async def start(run: IndexRun) -> None:
            body = build_index_job(job, resolved, shape, environment, run)
            self._cache.put_run(await self._create(job, steered(body, nodes)))

        for first in range(0, len(grant.retries), CREATIONS_AT_ONCE):
            some = map(start, grant.retries[first : first + CREATIONS_AT_ONCE])
            if failures := [each for each in await asyncio.gather(*some, return_exceptions=True) if each]:
                raise failures[0]

    async def set_parallelism(self, main: Run, parallelism: int) -> None:
        """Have an Indexed Job run so many indexes at the same time."""
        change = {"metadata": {"uid": main.uid}, "spec": {"parallelism": parallelism}}
        self._cache.put_run(await self._api.patch(JOBS, main.name, change, main.owner[0]))

    async def shrink(self, main: Run, slots: int, minimum_seconds: int) -> bool:
        """Take slots from what runs; returns whether that was done.

        The Job controller deletes what became ready last. So nothing is done while that has not run for so long.
        """
        if main.indexed is None:
            return False
        found, _ = await self._api.list(PODS, Selection(main.owner[0], pods_of(main.owner_uid), NOT_ENDED))
        pods = [pod for pod in _pods_of(main, found) if not pod.deleting]
        if minimum_seconds:
            newest = max((self._clock() if pod.started_at is None else pod.started_at for pod in pods), default=0.0)
            if self._clock() - newest < minimum_seconds:
                return False
        left = max(main.slots - slots, 0)
        lost = max(sum(bool(pod.node_name) for pod in pods) - left, 0)  # those without a node go first
        self.shrunk[main.owner] += lost
        await self.set_parallelism(main, left)
        self.count_restarts(main.owner, main.owner_uid, lost)
        return True

    async def give_back(self, key: Key) -> Overdue | None:
        """Take back the slots of indexes that cannot start; returns what that was, if anything.

        The Job controller deletes pods without a node first.
        """
        cache = self._cache
        job, status = cache.jobs.get(key), cache.statuses.get(key)
        if job is None or status is None or status.state in TERMINAL:
            return None
        main = self._main(job)
        pending: list[Pod] = []
        if main is not None and not main.ended:
            found, _ = await self._api.list(PODS, Selection(key[0], pods_of(job.uid), "status.phase=Pending"))
            pending = _pods_of(main, found)
        runs = cache.runs.of(job.uid)
        terms = judged_by(cache.resolved.get(key), runs.of_array)
        around = surroundings(cache.snapshot())
        patience = partial(around.patience, key, terms.startup_grace_seconds)
        taken = overdue(runs, pending, patience, self._clock())
        if taken is not None and main is not None and main.indexed is not None and taken.slots:
            await self.set_parallelism(main, max(main.slots - taken.slots, 0))
            cache.note_refusal((key[0], main.name), main.uid, None)
        for run in taken.runs if taken is not None else ():
            with suppress(NotFound, Conflict):
                await self._api.delete(JOBS, run.name, key[0], uid=run.uid, propagation="Foreground")
        await self.read_pods(key)
        return taken

    def count_restarts(self, key: Key, uid: str, count: int) -> None:
        """Enter that indexes of an array have lost their pods before they had ended, as it lost slots."""
        job, status = self._cache.jobs.get(key), self._cache.statuses.get(key)
        if count and job is not None and job.uid == uid and status is not None and status.array is not None:
            array = replace(status.array, restarts=status.array.restarts + count)
            self._cache.set_status(key, status._replace(array=array))

    async def read_pods(self, key: Key) -> None:
        """Read how indexes failed, and why pods do not start."""
        job, status = self._cache.jobs.get(key), self._cache.statuses.get(key)
        main = self._main(job) if job is not None else None
        if job is None or status is None or status.array is None or main is None or main.indexed is None:
            return
        others = self._cache.runs.of(job.uid).indexes.values()
        tried_again = IndexSet.of(run.index for run in others if run.index is not None)
        failed = main.indexed.failed - status.array.failed - status.array.succeeded - tried_again
        known = self._cache.runs.of(job.uid).report
        ends = {index: pod for index, pod in known.ends.items() if index in failed}
        ends |= {pod.index: pod for pod in known.abandoned.values() if pod.index is not None and pod.index in failed}
        unread = list(islice((index for index in failed if index not in ends), INDEXES_AT_ONCE))
        if unread:
            ends |= await self._ends(job, main, unread)
        waiting = await self._waiting(job, main) if main.active > main.ready else ()
        leaving = await self._leaving(job, main)
        abandoned = self._cache.runs.of(job.uid).report.abandoned
        self._cache.note_pod_report(key, job.uid, PodReport(ends, waiting, self._clock(), leaving, abandoned))

    async def abandon(self, action: AbandonPod) -> None:
        """Delete a pod that could not be started in time; what it waited for is remembered as how its run has ended."""
        key, uid, name = action.job, action.job_uid, action.pod
        known = self._cache.runs.of(uid).report
        waiting = next((pod for pod in known.waiting if pod.name == name), None)
        pod = waiting if waiting is not None else self._cache.runs.pod((key[0], name))
        now, _ = await self._read(key[0], name)
        if pod is None or now is None or now.uid != pod.uid or now.started_at is not None:
            return
        self._cache.note_pod_report(key, uid, replace(known, abandoned={**known.abandoned, pod.uid: pod}))
        with suppress(NotFound, Conflict):
            await self._api.delete(PODS, pod.name, key[0], uid=pod.uid)

    async def write_off(self, action: WriteOffPod) -> None:
        """Have a pod count as ended that somebody has deleted by force, since its node is lost.

        Kubernetes does the same where a node is deleted or out of service. Without it, the Job controller would wait
        for a kubelet that is not there any more.
        """
        pod, version = await self._read(action.namespace, action.pod)
        if pod is None or pod.uid != action.uid or not pod.forced or not pod.live:
            return
        message = f"deleted by force while node {pod.node_name} was lost"
        status = {"phase": "Failed", "reason": Reason.NODE_LOST, "message": message}
        change = {"metadata": {"resourceVersion": version}, "status": status}
        with suppress(NotFound, Conflict):
            await self._api.patch(PODS, pod.name, change, action.namespace, subresource="status")

    async def delete_pods(self, action: DeletePods) -> None:
        """Delete the pods of indexes that are to end: the Job controller counts them as failed.

        Which indexes have pods is asked anew: after the array has shrunk, these are not the lowest any more.
        """
        key = action.job
        job, status = self._cache.jobs.get(key), self._cache.statuses.get(key)
        main = self._main(job) if job is not None else None
        if job is None or job.array is None or status is None or status.array is None or main is None:
            return
        wished = job.array.stopped - status.array.succeeded - status.array.failed
        if len(wished) <= INDEXES_AT_ONCE:
            found = await self._pods_of_indexes(job, list(wished), NOT_ENDED) if wished else []
        else:
            found, _ = await self._api.list(PODS, Selection(key[0], pods_of(job.uid), NOT_ENDED))
        for pod in found:
            if controlling_job(pod) != main.uid:
                continue
            index = int(pod["metadata"]["labels"][names.COMPLETION_INDEX])
            if index in wished and "deletionTimestamp" not in pod["metadata"]:
                with suppress(NotFound, Conflict):
                    await self._api.delete(PODS, pod["metadata"]["name"], key[0], uid=pod["metadata"]["uid"])

    async def _read(self, namespace: str, name: str) -> tuple[Pod | None, str]:
        """A pod as it is now, if it is there, and the version of that."""
        found, _ = await self._api.list(PODS, Selection(namespace, fields=f"metadata.name={name}"))
        return (read_pod(found[0]), found[0]["metadata"]["resourceVersion"]) if found else (None, "")

    def _main(self, job: BatchJob) -> Run | None:
        return self._cache.runs.of(job.uid).indexed

    async def _ends(self, job: BatchJob, main: Run, indexes: list[int]) -> dict[int, Pod | None]:
        """The failed pod of each of these indexes, unless somebody has deleted it."""
        found = await self._pods_of_indexes(job, indexes, "status.phase=Failed")
        pods = sorted(_pods_of(main, found), key=lambda pod: pod.created)
        newest = {pod.index: pod for pod in pods}
        if (refused := next((pod for pod in newest.values() if pod.got_no_capacity), None)) is not None:
            waits = self._cache.node_waits
            waits.give_up(job.key, main.environment, no_capacity(refused), on_demand=main.on_demand)
        return {index: newest.get(index) for index in indexes}

    async def _pods_of_indexes(self, job: BatchJob, indexes: list[int], fields: str) -> list[Object]:
        listed = ",".join(map(str, indexes))
        selector = f"{pods_of(job.uid)},{names.COMPLETION_INDEX} in ({listed})"
        found, _ = await self._api.list(PODS, Selection(job.key[0], selector, fields))
        return found

    async def _leaving(self, job: BatchJob, main: Run) -> tuple[Pod, ...]:
        """Some of the pods that were asked to stop and have not ended."""
        if main.deleting:
            found = await self._some(job, NOT_ENDED, LEAVING_AT_ONCE)
        else:
            shown = main.indexed
            ended = shown.completed | shown.failed if shown is not None else IndexSet()
            known = self._cache.runs.of(job.uid).leaving
            indexes = list(islice((index for index in sorted(known) if index not in ended), LEAVING_AT_ONCE))
            found = await self._pods_of_indexes(job, indexes, NOT_ENDED) if indexes else []
        return tuple(pod for pod in _pods_of(main, found) if pod.asked_to_stop_at is not None)

    async def _waiting(self, job: BatchJob, main: Run) -> tuple[Pod, ...]:
        pods = _pods_of(main, await self._some(job, "status.phase=Pending", WAITING_AT_ONCE))
        silent = [pod for pod in pods if asks_at(pod, self._clock()) is not None][:ASKS_AT_ONCE]
        explained = {pod.uid: pod for pod in await asyncio.gather(*map(self._pod_events.explained, silent))}
        return tuple(explained.get(pod.uid, pod) for pod in pods)

    async def _some(self, job: BatchJob, fields: str, limit: int) -> list[Object]:
        pages = self._api.list_pages(PODS, Selection(job.key[0], pods_of(job.uid), fields), limit=limit)
        try:
            found, _ = await anext(pages)
        finally:
            await pages.aclose()
        return found


def _pods_of(main: Run, found: Iterable[Object]) -> list[Pod]:
    """Those pods of a list that the Indexed Job has made."""
    return [pod for pod in map(read_pod, found) if pod is not None and pod.job_uid == main.uid]


def pods_of(uid: str) -> str:
    """The label selector of the pods of an array's Indexed Job."""
    return f"{names.JOB_UID}={uid},{names.ARRAY}"
