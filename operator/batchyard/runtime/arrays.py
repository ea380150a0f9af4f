"""What only arrays need of the API server: their Jobs, more places for them, and a look at pods that no feed follows.

Called by the executor. Like all writes, each may be repeated at any time: names are deterministic, and a parallelism is
set to what was decided once, never raised by an amount.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from batchyard.api import names
from batchyard.core import takeback
from batchyard.core.arrayholdups import Overdue, overdue
from batchyard.core.arrayrecords import MAIN_RUN, ArrayGrant, ArrayPods, ArrayShape, IndexRun
from batchyard.core.arrays import places_of
from batchyard.core.environmentrecords import Environment
from batchyard.core.indexes import IndexSet
from batchyard.core.records import TERMINAL, BatchJob, Key, Pod, Resolved, Run
from batchyard.core.runterms import judged_by
from batchyard.kube.errors import Conflict, NotFound
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import JOBS, PODS
from batchyard.manifests.array import build_index_job, build_indexed_job
from batchyard.runtime import run_readers
from batchyard.runtime.cache import Cache

INDEXES_AT_ONCE = 100
"""Failed indexes whose pods are read with one request: what is asked for stands in its address."""

NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"
"""The field selector of pods that have not ended."""

WAITING_AT_ONCE = 20
"""Pods that do not start of which one look reads: they all have the same template."""

CREATIONS_AT_ONCE = 8


class ArrayKeeper:
    """The requests that only arrays need. Whatever is raised means: the same again, later."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        clock: Callable[[], float],
        create: Callable[[BatchJob, Object], Awaitable[Object]],
    ) -> None:
        self._api = api
        self._cache = cache
        self._clock = clock
        self._create = create
        self.shrunk: Counter[Key] = Counter()
        """How many pods arrays were made to lose, whose deletion was not seen yet by who watches them."""

    async def grow(
        self, job: BatchJob, shape: ArrayShape, resolved: Resolved, environment: Environment, grant: ArrayGrant
    ) -> None:
        """Give an array the places that it was granted. Raises TemplateError as building a Job does."""
        if grant.slots:
            main = self._main(job)
            if main is None:
                body = build_indexed_job(job, resolved, shape, environment, grant.parallelism)
                self._cache.put_run(await self._create(job, body))
            elif main.indexed is not None and main.indexed.parallelism < grant.parallelism:
                # Never more than it has by now and was granted: it may have lost places since.
                await self.set_parallelism(main, min(grant.parallelism, main.indexed.parallelism + grant.slots))

        async def start(run: IndexRun) -> None:
            self._cache.put_run(await self._create(job, build_index_job(job, resolved, shape, environment, run)))

        for first in range(0, len(grant.retries), CREATIONS_AT_ONCE):
            some = map(start, grant.retries[first : first + CREATIONS_AT_ONCE])
            if failures := [each for each in await asyncio.gather(*some, return_exceptions=True) if each]:
                raise failures[0]

    async def set_parallelism(self, main: Run, parallelism: int) -> None:
        """Have an Indexed Job run so many indexes at the same time."""
        change = {"metadata": {"uid": main.uid}, "spec": {"parallelism": parallelism}}
        self._cache.put_run(await self._api.patch(JOBS, main.name, change, main.owner[0]))

    async def shrink(self, main: Run, places: int, minimum_seconds: int) -> bool:
        """Take places from what runs; returns whether that was done.

        The Job controller deletes what became ready last. So nothing is done while that has not run for so long.
        """
        if main.indexed is None:
            return False
        found, _ = await self._api.list(
            PODS, main.owner[0], label_selector=pods_of(main.owner_uid), field_selector=NOT_ENDED
        )
        pods = [pod for pod in _pods_of(main, found) if not pod.deleting]
        if minimum_seconds:
            newest = max((self._clock() if pod.started_at is None else pod.started_at for pod in pods), default=0.0)
            if self._clock() - newest < minimum_seconds:
                return False
        left = max(places_of(main) - places, 0)
        lost = max(sum(bool(pod.node_name) for pod in pods) - left, 0)  # those without a node go first
        self.shrunk[main.owner] += lost
        await self.set_parallelism(main, left)
        self.count_restarts(main.owner, main.owner_uid, lost)
        return True

    async def give_back(self, key: Key) -> Overdue | None:
        """Take back the places of indexes that cannot start; returns what that was, if anything.

        The Job controller deletes pods without a node first.
        """
        cache = self._cache
        job, status = cache.jobs.get(key), cache.statuses.get(key)
        if job is None or status is None or status.state in TERMINAL:
            return None
        main = self._main(job)
        pending: list[Pod] = []
        name = status.environment
        if main is not None and not main.ended:
            name = main.environment
            found, _ = await self._api.list(
                PODS, key[0], label_selector=pods_of(job.uid), field_selector="status.phase=Pending"
            )
            pending = _pods_of(main, found)
        others = list(cache.runs.indexes.get(job.uid, {}).values())
        terms = judged_by(cache.resolved.get(key), [*others, main] if main is not None else others)
        patience = takeback.patience(terms.startup_grace_seconds, cache.catalogue.environments.get(name))
        taken = overdue(main, others, cache.runs.pods.get(job.uid, {}), pending, patience, self._clock())
        if taken is not None and main is not None and main.indexed is not None and taken.places:
            left = min(main.indexed.parallelism, main.indexed.unfinished) - taken.places
            await self.set_parallelism(main, max(left, 0))
            cache.note_refusal((key[0], main.name), main.uid, None)
        for run in taken.runs if taken is not None else ():
            with suppress(NotFound, Conflict):
                await self._api.delete(JOBS, run.name, key[0], uid=run.uid, propagation="Foreground")
        await self.look(key)
        return taken

    def count_restarts(self, key: Key, uid: str, count: int) -> None:
        """Enter that indexes of an array have lost their pods before they had ended, as it lost places."""
        job, status = self._cache.jobs.get(key), self._cache.statuses.get(key)
        if count and job is not None and job.uid == uid and status is not None and status.array is not None:
            array = replace(status.array, restarts=status.array.restarts + count)
            self._cache.set_status(key, replace(status, array=array))

    async def look(self, key: Key) -> None:
        """Read how indexes failed, and why pods do not start."""
        job, status = self._cache.jobs.get(key), self._cache.statuses.get(key)
        main = self._main(job) if job is not None else None
        if job is None or status is None or status.array is None or main is None or main.indexed is None:
            return
        others = self._cache.runs.indexes.get(job.uid, {}).values()
        tried_again = IndexSet.of(run.index for run in others if run.index is not None)
        failed = main.indexed.failed - status.array.failed - status.array.succeeded - tried_again
        known = self._cache.runs.looked.get(job.uid, ArrayPods()).ends
        ends = {index: pod for index, pod in known.items() if index in failed}
        unread = list(islice((index for index in failed if index not in ends), INDEXES_AT_ONCE))
        if unread:
            ends |= await self._ends(job, main, unread)
        waiting = await self._waiting(job, main) if main.active > main.ready else ()
        self._cache.look_at(key, job.uid, ArrayPods(ends, waiting, self._clock()))

    async def halt(self, key: Key) -> None:
        """Delete the pods of indexes that are to end: the Job controller counts them as failed.

        Which indexes have pods is asked anew: after the array has shrunk, these are not the lowest any more.
        """
        job, status = self._cache.jobs.get(key), self._cache.statuses.get(key)
        main = self._main(job) if job is not None else None
        if job is None or job.array is None or status is None or status.array is None or main is None:
            return
        wished = job.array.stopped - status.array.succeeded - status.array.failed
        if len(wished) <= INDEXES_AT_ONCE:
            found = await self._pods_of_indexes(job, list(wished), NOT_ENDED) if wished else []
        else:
            found, _ = await self._api.list(PODS, key[0], label_selector=pods_of(job.uid), field_selector=NOT_ENDED)
        for pod in found:
            if run_readers.controlling_job(pod) != main.uid:
                continue
            index = int(pod["metadata"]["labels"][names.COMPLETION_INDEX])
            if index in wished and "deletionTimestamp" not in pod["metadata"]:
                with suppress(NotFound, Conflict):
                    await self._api.delete(PODS, pod["metadata"]["name"], key[0], uid=pod["metadata"]["uid"])

    def _main(self, job: BatchJob) -> Run | None:
        return self._cache.runs.mains.get(job.uid, {}).get(MAIN_RUN)

    async def _ends(self, job: BatchJob, main: Run, indexes: list[int]) -> dict[int, Pod | None]:
        """The failed pod of each of these indexes, unless somebody has deleted it."""
        found = await self._pods_of_indexes(job, indexes, "status.phase=Failed")
        pods = sorted(_pods_of(main, found), key=lambda pod: pod.created)
        newest = {pod.index: pod for pod in pods}
        return {index: newest.get(index) for index in indexes}

    async def _pods_of_indexes(self, job: BatchJob, indexes: list[int], field_selector: str) -> list[Object]:
        listed = ",".join(map(str, indexes))
        selector = f"{pods_of(job.uid)},{names.COMPLETION_INDEX} in ({listed})"
        found, _ = await self._api.list(PODS, job.key[0], label_selector=selector, field_selector=field_selector)
        return found

    async def _waiting(self, job: BatchJob, main: Run) -> tuple[Pod, ...]:
        pages = self._api.list_pages(
            PODS,
            job.key[0],
            label_selector=pods_of(job.uid),
            field_selector="status.phase=Pending",
            limit=WAITING_AT_ONCE,
        )
        try:
            found, _ = await anext(pages)
        finally:
            await pages.aclose()
        return tuple(_pods_of(main, found))


def _pods_of(main: Run, found: Iterable[Object]) -> list[Pod]:
    """Those pods of a list that the Indexed Job has made."""
    return [pod for pod in map(run_readers.pod, found) if pod is not None and pod.job_uid == main.uid]


def pods_of(uid: str) -> str:
    """The label selector of the pods of an array's Indexed Job."""
    return f"{names.JOB_UID}={uid},{names.ARRAY}"
