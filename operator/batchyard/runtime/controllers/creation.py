"""Creates Kubernetes Jobs, whichever run or node they are for: one that an earlier try has made is taken as it is.

Names are deterministic, so a try whose answer was lost, and one of an operator that is gone, has made the same Job.
"""

import logging
from collections.abc import Callable

from batchyard.kube.errors import AlreadyExists
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import JOBS
from batchyard.runtime.state.marks import Marks

_log = logging.getLogger(__name__)


class InTheWayError(Exception):
    """Something that will go, or that a person can take away, keeps an object of a job from being created."""


class JobCreation:
    """The requests by which Kubernetes Jobs come to be."""

    def __init__(self, api: KubeApi, marks: Marks) -> None:
        self._api = api
        self._marks = marks

    async def create(self, body: Object, namespace: str, *, whose: str, is_ours: Callable[[Object], bool]) -> Object:
        """Return the Job, made now or before. Raises InTheWayError where one that is not `whose` has its name."""
        name = body["metadata"]["name"]
        try:
            return await self._api.create(JOBS, self._marks.sign(body), namespace)
        except AlreadyExists:
            found = await self._api.get(JOBS, name, namespace)
        if not is_ours(found):
            raise InTheWayError(
                f"a Kubernetes Job {name} that does not belong to this {whose} exists in namespace {namespace}; "
                "delete it, or wait until it is gone"
            )
        return found

    async def rehearse(self, body: Object, namespace: str) -> None:
        """Ask the API server what it thinks of a Job, and make none; that its name is taken says nothing against it."""
        try:
            await self._api.create(JOBS, body, namespace, dry_run=True)
        except AlreadyExists:
            _log.debug("Kubernetes Job %s/%s exists already", namespace, body["metadata"]["name"])
