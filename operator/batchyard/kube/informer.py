"""A collection of the API server, followed without gaps: LIST, then WATCH, and again whenever that breaks.

The runtime starts one per kind. What a watch can lose is made up for: objects that vanished while nobody
was watching are reported deleted after the next LIST, and an object replaced by another of the same name is
reported deleted first. Only names and uids are kept here; the callbacks remember what an object says.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing

from batchyard.kube.backoff import Backoff
from batchyard.kube.errors import ApiError, Forbidden, Gone, NotFound
from batchyard.kube.protocol import ALL, KubeApi, Object, Selection
from batchyard.kube.resources import Resource

logger = logging.getLogger(__name__)

OnUpsert = Callable[[Object, bool], None]
OnDelete = Callable[[str, str, str], None]

SHORT_WATCH_SECONDS = 1.0
WATCH_SECONDS = 300.0
"""For how long one watch is asked for; the API server tells meanwhile that it is there (BOOKMARK)."""
SILENT_WATCH_SECONDS = 45.0
"""The same of a kind of which it does not: less than a connection may be silent."""
MISSING_SECONDS = 30.0
"""How often it is looked whether a kind is there that was missing."""


class Informer:
    """Tells of every object of a kind: `on_upsert(object, initial)` and `on_delete(namespace, name, uid)`.

    `initial` is True for objects of the first LIST, before `synced`. After any LIST, unchanged objects
    are told of again. The callbacks must not block; one that raises is logged, and the informer goes on.

    An `optional` kind may be missing: while its CRD is not installed, or the operator may not list it, there is nothing
    of it, and that is all that there is to know.
    """

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        on_upsert: OnUpsert,
        on_delete: OnDelete,
        selection: Selection = ALL,
        *,
        optional: bool = False,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.synced = asyncio.Event()
        """Set once everything that existed at the start has been told of."""
        self.last_contact: float | None = None
        """When the API server was last heard from; with a live watch that is a minute ago at most."""
        self.missing = ""
        """Why there is nothing of an optional kind, as a sentence; empty where it can be followed."""
        self._api = api
        self._resource = resource
        self._on_upsert = on_upsert
        self._on_delete = on_delete
        self._selection = selection
        self._optional = optional
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._uids: dict[tuple[str, str], str] = {}
        self._version = ""
        self._failures = 0
        self._following: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Follow the collection until cancelled."""
        while True:
            self._following = asyncio.ensure_future(self._follow())
            try:
                await self._following
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise

    async def resync(self) -> None:
        """LIST anew and wait for it: afterwards nothing is missing that existed when this was called."""
        self.synced.clear()
        self._version = ""
        if self._following is not None:
            self._following.cancel()
        await self.synced.wait()

    async def _follow(self) -> None:
        while True:
            try:
                if not self._version and not await self._find():
                    await asyncio.sleep(MISSING_SECONDS)
                elif not await self._watch():
                    await self._pause("the watch ended at once")
            except ApiError as error:
                # A watch that is told that its kind is missing cannot know whether that is so: the LIST can.
                if isinstance(error, Gone) or self._says_missing(error):
                    self._version = ""
                await self._pause(error.message, quietly=self._says_missing(error), expected=isinstance(error, Gone))

    def _says_missing(self, error: ApiError) -> bool:
        return self._optional and isinstance(error, NotFound | Forbidden)

    async def _find(self) -> bool:
        """LIST; False where the kind is optional and missing."""
        try:
            await self._list()
        except ApiError as error:
            if not self._says_missing(error):
                raise
            self._miss(error)
            return False
        if self.missing:
            logger.info("%s can be followed now", self._resource)
            self.missing = ""
        return True

    def _miss(self, error: ApiError) -> None:
        """Take it that nothing is there, and say so once."""
        self.last_contact = self._clock()
        for key in list(self._uids):
            self._delete(key)
        why = f"the API server does not know {self._resource}: install its CRD"
        if isinstance(error, Forbidden):
            why = f"the operator may not list {self._resource}; have a ClusterRole allow that ({error.message})"
        if why != self.missing:
            logger.info("%s", why)
        self.missing = why
        self._failures = 0
        self.synced.set()

    async def _pause(self, why: str, *, quietly: bool = False, expected: bool = False) -> None:
        """Wait before the next try. Where an optional kind may be listed and not watched, that is said once.

        A version that is too old is `expected` where nothing has happened for long, and not worth a word at first.
        """
        self._failures += 1
        delay = self._backoff.delay(self._failures)
        later = logging.DEBUG if quietly else logging.WARNING
        level = (logging.DEBUG if expected else logging.INFO) if self._failures == 1 else later
        logger.log(level, "Following %s failed, next try in %.1f s: %s", self._resource, delay, why)
        await asyncio.sleep(delay)

    async def _list(self) -> None:
        seen: set[tuple[str, str]] = set()
        version = ""
        async with aclosing(self._api.list_pages(self._resource, self._selection)) as pages:
            async for page, version in pages:  # noqa: B007 - the last page's version is the one to watch from
                self.last_contact = self._clock()
                for obj in page:
                    seen.add(self._upsert(obj))
        for key in self._uids.keys() - seen:
            self._delete(key)
        self._version = version
        self.synced.set()

    async def _watch(self) -> bool:
        """Follow changes until the server ends the stream; False if it did so at once and said nothing."""
        started = self._clock()
        heard = False
        seconds = WATCH_SECONDS if self._resource.bookmarks else SILENT_WATCH_SECONDS
        watch = self._api.watch(self._resource, self._version, self._selection, timeout=seconds)
        async with aclosing(watch) as events:
            async for kind, obj in events:
                heard = True
                self._failures = 0
                self.last_contact = self._clock()
                if kind == "DELETED":
                    self._delete(_key(obj))
                elif kind != "BOOKMARK":
                    self._upsert(obj)
                self._version = obj["metadata"]["resourceVersion"]
        self.last_contact = self._clock()
        return heard or self._clock() - started >= SHORT_WATCH_SECONDS

    def _upsert(self, obj: Object) -> tuple[str, str]:
        key = _key(obj)
        uid = obj["metadata"]["uid"]
        if self._uids.get(key, uid) != uid:
            self._delete(key)
        self._uids[key] = uid
        try:
            self._on_upsert(obj, not self.synced.is_set())
        except Exception:
            logger.exception("%s %s/%s could not be taken in; it is skipped until it changes", self._resource, *key)
        return key

    def _delete(self, key: tuple[str, str]) -> None:
        uid = self._uids.pop(key, None)
        if uid is None:
            return
        try:
            self._on_delete(*key, uid)
        except Exception:
            logger.exception("The end of %s %s/%s could not be taken in", self._resource, *key)


def _key(obj: Object) -> tuple[str, str]:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
