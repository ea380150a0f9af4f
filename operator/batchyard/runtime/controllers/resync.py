"""Finds what Kopf's watches missed: its re-LIST after a break reports no deletions, and a watch may die unnoticed.

Every few minutes Batchyard's own kinds are listed and the cache is brought in line: what is gone is removed, what is
new or changed is taken in. `prime` does the same in full at the start. The informers of other kinds do this by
themselves, save for runs that the operator knew of before their informer did.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from batchyard.api import names
from batchyard.api.kinds import KINDS
from batchyard.kube.errors import ApiError, NotFound
from batchyard.kube.protocol import KubeApi, Selection
from batchyard.kube.resources import BATCHJOBS, JOBS, OWN
from batchyard.objects.meta import key_of
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)

_FEW = tuple(kind for kind in KINDS if kind != names.BATCH_JOB)


class Resync:
    """Brings the cache in line with what exists of Batchyard's own kinds."""

    def __init__(self, api: KubeApi, cache: Cache) -> None:
        self._api = api
        self._cache = cache

    async def prime(self) -> None:
        """Read everything, statuses included: what a process does before it starts to decide."""
        await self._catalogue()
        known = self._cache.intakes[names.BATCH_JOB].uids()
        async for page, _ in self._api.list_pages(BATCHJOBS):
            for obj in page:
                known.pop(key_of(obj), None)
                self._put(lambda job: self._cache.put_batchjob(job, fresh_status=True), obj)
        for key, uid in known.items():
            self._cache.remove_batchjob(key, uid)

    async def run(self, seconds: float) -> None:
        """Resync for ever, `seconds` apart."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await self.once()
            except ApiError as error:
                _log.warning("The resync failed, next in %.0f s: %s", seconds, error.message)

    async def once(self) -> None:
        """Compare once; of BatchJobs, which may be many, only the metadata is listed."""
        await self._catalogue()
        # Known before the LIST: a job that comes while it runs must not be mistaken for a deleted one.
        known = self._cache.intakes[names.BATCH_JOB].uids()
        for obj in await self._api.list_metadata(BATCHJOBS):
            key, metadata = key_of(obj), obj["metadata"]
            known.pop(key, None)
            job = self._cache.jobs.get(key)
            if job is None or job.uid != metadata["uid"] or job.generation < metadata.get("generation", 1):
                await self._take_in(key)
        for key, uid in known.items():
            _log.info("BatchJob %s/%s was deleted unseen", *key)
            self._cache.remove_batchjob(key, uid)
        await self._runs()

    async def _runs(self) -> None:
        """Forget runs that are gone. Their informer cannot tell of one that came and went before it had heard of it."""
        known = self._cache.runs.uids()
        there = await self._api.list_metadata(JOBS, Selection(labels=names.JOB_UID))
        uids = {obj["metadata"]["uid"] for obj in there}
        for key, uid in known.items():
            if uid not in uids:
                self._cache.remove_run(key, uid)

    async def _take_in(self, key: tuple[str, str]) -> None:
        try:
            obj = await self._api.get(BATCHJOBS, key[1], key[0])
        except NotFound:
            return
        self._put(self._cache.put_batchjob, obj)

    @staticmethod
    def _put(take_in: Callable[[Any], None], obj: Any) -> None:
        """Take an object in; one that cannot be read must not keep the others from being so."""
        try:
            take_in(obj)
        except Exception:
            kind, name = obj.get("kind", "object"), "/".join(filter(None, key_of(obj)))
            _log.exception("%s %s could not be taken in; it is skipped until it changes", kind, name)

    async def _catalogue(self) -> None:
        """The kinds of which there are few are read in full."""
        for kind in _FEW:
            intake = self._cache.intakes[kind]
            known = intake.uids()
            items, _ = await self._api.list(OWN[kind])
            for obj in items:
                self._put(intake.put, obj)
            for key in known.keys() - {key_of(obj) for obj in items}:
                _log.info("%s %s was deleted unseen", OWN[kind], "/".join(filter(None, key)))
                intake.remove(key, known[key])
