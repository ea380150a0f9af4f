"""Keeps a JobDefinition's revisions: proves the template, records each change, clears old revisions away.

A change becomes an immutable ControllerRevision, so a running job and its retries keep the template they were submitted
with.
"""

import logging
from collections.abc import Callable

from batchyard.api import names
from batchyard.core.definition import revisions
from batchyard.core.definition.errors import TemplateError
from batchyard.core.model.definition import Definition
from batchyard.core.model.job import Key
from batchyard.core.model.objectnames import revision_name
from batchyard.kube.errors import AlreadyExists, ApiError, BadRequest, Conflict, Invalid, NamespaceEnds, NotFound
from batchyard.kube.protocol import KubeApi
from batchyard.kube.resources import CONTROLLER_REVISIONS, JOBDEFINITIONS
from batchyard.objects.kinds.jobdefinition import Rejection, render_definition_status
from batchyard.objects.kubernetes.probe import build_probes
from batchyard.objects.kubernetes.revision import build_revision, read_revision
from batchyard.runtime.controllers.creation import JobCreation
from batchyard.runtime.loop.actions import ConfirmDefinition, Performers, ReconcileDefinition
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)


class DefinitionController:
    """Reconciles one JobDefinition at a time. A raised ApiError means: the same again, later."""

    def __init__(self, api: KubeApi, cache: Cache, clock: Callable[[], float]) -> None:
        self._api = api
        self._cache = cache
        self._clock = clock
        self._creation = JobCreation(api, cache.marks)
        self._proofs: dict[Key, tuple[str, Rejection | None]] = {}
        """Digest of the content that was proved last, and what spoke against it."""

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(ReconcileDefinition, self.reconcile)
        performers.register(ConfirmDefinition, self.confirm)

    async def confirm(self, action: ConfirmDefinition) -> None:
        """Read a definition for the new jobs that ask for its latest revision, which are let go on then.

        The watches of jobs and of definitions are not ordered among each other: a job may be seen before the change of
        its definition that was applied before it, and must not get the revision before that.
        """
        key = action.definition
        jobs = self._cache.awaiting_definition.get(key, set()).copy()
        if not jobs:
            return
        catalogue = self._cache.catalogue
        try:
            catalogue.put_definition(await self._api.get(JOBDEFINITIONS, key[1], key[0]))
        except NotFound:
            if (known := catalogue.definitions.get(key)) is not None:
                catalogue.remove_definition(key, known.uid)
        self._cache.confirm(key, jobs)

    async def reconcile(self, action: ReconcileDefinition) -> None:
        """Bring revisions and status of one definition up to date."""
        key = action.definition
        definition = self._cache.catalogue.definitions.get(key)
        if definition is None:
            self._proofs.pop(key, None)
            return
        rejection, protected = None, self._cache.catalogue.protection.refusal(key[0])
        if not definition.refusal and not protected:
            try:
                rejection = await self._prove(definition)
                await self._record(definition)
            except NamespaceEnds:
                _log.debug("JobDefinition %s/%s goes with its namespace", *key)
                return
            except ApiError as error:
                await self._write_status(definition, rejection, error.message)
                raise
            await self._clear_away(definition)
        await self._write_status(definition, rejection, protected=protected)

    async def _prove(self, definition: Definition) -> Rejection | None:
        """Look at the template, and ask the API server what it thinks of it, once per content.

        Raises NamespaceEnds.
        """
        digest, rejection = self._proofs.get(definition.key, ("", None))
        if digest == definition.digest:
            return rejection
        rejection = None
        try:
            for probe in build_probes(definition, revisions.content(definition.spec)):
                await self._creation.rehearse(probe, probe["metadata"]["namespace"])
        except TemplateError as error:
            rejection = Rejection(error.reason, error.message)
        except (Invalid, BadRequest) as error:
            rejection = Rejection.by_api_server(error.message)
        except NamespaceEnds:
            raise
        except ApiError as error:
            # Quota and the like, a webhook that cannot be called: says nothing about the template, and may be over by
            # the time a job needs it.
            _log.info("The template of JobDefinition %s/%s was not tried: %s", *definition.key, error.message)
            if not error.definite:
                return None
        self._proofs[definition.key] = (definition.digest, rejection)
        return rejection

    async def _record(self, definition: Definition) -> None:
        known = self._cache.catalogue.revisions.get(definition.key, {})
        status = self._cache.catalogue.statuses.get((names.JOB_DEFINITION, *definition.key), {})
        highest = max((each["revision"] for each in status.get("revisions") or ()), default=0)
        number = revisions.next_revision(known.values(), definition.digest, at_least=highest)
        if number is None:
            return
        namespace, name = definition.key
        content = revisions.content(definition.spec)
        body = build_revision(definition, number, content, definition.digest)
        try:
            created = await self._api.create(CONTROLLER_REVISIONS, body, namespace)
        except AlreadyExists:
            created = await self._api.get(CONTROLLER_REVISIONS, revision_name(name, number), namespace)
            found = read_revision(created)
            if found is None or found.owner_uid != definition.uid:
                raise
        self._cache.catalogue.put_revision(created)

    async def _clear_away(self, definition: Definition) -> None:
        known = self._cache.catalogue.revisions.get(definition.key, {})
        if len(known) <= definition.history_limit:
            return
        in_use = self._in_use(definition.key)
        for revision in revisions.expendable(known.values(), definition.history_limit, in_use, definition.inactive):
            namespace, name = definition.key
            object_name = revision_name(name, revision.number)
            try:
                await self._api.delete(CONTROLLER_REVISIONS, object_name, namespace)
            except ApiError as error:
                if not isinstance(error, NotFound) and not error.definite:
                    raise
                _log.info("Revision %s/%s was not deleted: %s", namespace, object_name, error.message)
            self._cache.catalogue.remove_revision((namespace, object_name), revision.uid)

    def _in_use(self, key: Key) -> set[int]:
        """Revisions that unfinished jobs were resolved to or ask for by number."""
        used: set[int | None] = set()
        for job in self._cache.referrers.of_definition(key):
            used |= {self._cache.statuses[job].revision, self._cache.jobs[job].pinned_revision}
        return {number for number in used if number is not None}

    async def _write_status(
        self, definition: Definition, rejection: Rejection | None, unrecorded: str = "", protected: str = ""
    ) -> None:
        catalogue = self._cache.catalogue
        entry = (names.JOB_DEFINITION, *definition.key)
        old = catalogue.statuses.get(entry, {})
        known = catalogue.revisions.get(definition.key, {}).values()
        new = render_definition_status(definition, known, rejection, old, self._clock(), unrecorded, protected)
        if new != old:
            namespace, name = definition.key
            try:
                await self._api.replace_status(JOBDEFINITIONS, name, new, namespace, uid=definition.uid)
            except (NotFound, Conflict):
                return
            catalogue.statuses[entry] = new
