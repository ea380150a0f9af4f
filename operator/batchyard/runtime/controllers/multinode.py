"""Prepares multi-node jobs and starts their other nodes.

Like all writes, each may be repeated at any time: names are deterministic, and what exists already must be ours.
"""

from collections.abc import Callable

from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.ondemand import without_spot
from batchyard.core.lifecycle import multinode
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob
from batchyard.core.model.pods.gang import Gang
from batchyard.core.model.run import Pod, Refusal, Run
from batchyard.core.planner.actions import StartNode
from batchyard.core.scheduling.decisions import Placement
from batchyard.kube.errors import AlreadyExists, ApiError
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import SERVICES
from batchyard.objects.kubernetes.job import read_run
from batchyard.objects.kubernetes.multinode import build_main, build_node, build_service
from batchyard.objects.kubernetes.steering import steered
from batchyard.runtime.controllers.creation import InTheWayError, JobCreation
from batchyard.runtime.controllers.expectednodes import expected_hostnames
from batchyard.runtime.loop.actions import Performers
from batchyard.runtime.state.accounts.accounts import item_of
from batchyard.runtime.state.cache import Cache

_NO_ADDRESS = "192.0.2.1"
"""Stands in for the main pod's address (it is reserved for examples) where a node is only tried."""


class MultiNodeController:
    """The writes that only multi-node jobs need. Whatever is raised means: the same again, later."""

    def __init__(self, api: KubeApi, cache: Cache, clock: Callable[[], float]) -> None:
        self._api = api
        self._cache = cache
        self._clock = clock
        self._creation = JobCreation(api, cache.marks)

    def register(self, performers: Performers) -> None:
        """Say what is performed here."""
        performers.register(StartNode, self.start)

    async def prepare(
        self, job: BatchJob, resolved: Resolved, together: Gang, environment: Environment, placement: Placement
    ) -> Object:
        """Make sure that all nodes could be created and have names; returns the body of the main node's Job.

        All or nothing: a node that the API server refuses is found out before any runs.
        """
        body = build_main(job, resolved, together, environment, placement.run, placement.attempt, placement.zone)
        nodes = expected_hostnames(self._cache, job.key, together.group(together.main).request)
        body = steered(body, nodes[:1])
        main = Run(
            name=body["metadata"]["name"],
            uid="",
            owner=job.key,
            owner_uid=job.uid,
            number=placement.run,
            attempt=placement.attempt,
            queue=job.queue,
            environment=environment.name,
            revision=resolved.revision,
            request=placement.request,
            created=0.0,
            zone=placement.zone,
        )
        for group in together.groups:
            tried = next((node for node in group.nodes if node != together.main), None)
            if tried is not None and group.template != resolved.template:
                node = build_node(job, resolved, together, environment, main, tried, _NO_ADDRESS)
                await self._creation.rehearse(node, job.key[0])
        await self._provide_service(job)
        return body

    async def _provide_service(self, job: BatchJob) -> None:
        body = build_service(job)
        name, namespace = body["metadata"]["name"], job.key[0]
        try:
            await self._api.create(SERVICES, body, namespace)
        except AlreadyExists:
            found = await self._api.get(SERVICES, name, namespace)
            owners = found["metadata"].get("ownerReferences") or ()
            if not any(owner["uid"] == job.uid for owner in owners):
                raise InTheWayError(
                    f"a Service {name} that does not belong to this BatchJob exists in namespace {namespace}; "
                    "delete it, or wait until it is gone"
                ) from None

    async def start(self, action: StartNode) -> None:
        """Create the Job of a node, if the main node still runs and waits for it."""
        key, node = action.job, action.node
        cache = self._cache
        job, status, resolved = cache.jobs.get(key), cache.statuses.get(key), cache.resolved.get(key)
        if job is None or status is None or resolved is None or resolved.gang is None or job.deleting:
            return
        runs = cache.runs.of(job.uid)
        pod = runs.pods.get(status.job_name)
        if pod is None or node not in multinode.missing(resolved.gang, status, runs):
            return
        main = runs.mains[status.attempts[-1].run]
        together = resolved.gang.with_each(without_spot) if main.on_demand else resolved.gang
        try:
            await self._start(job, resolved, together, main, node, pod)
        except TemplateError as error:
            self._note(main, node, error.message)
        except InTheWayError as error:
            self._note(main, node, str(error), definite=False)
            raise
        except ApiError as error:
            self._note(main, node, error.message, definite=error.definite)
            raise
        else:
            self._note(main, node, "")

    def _note(self, main: Run, node: int, message: str, *, definite: bool = True) -> None:
        """Note what keeps a node from being created, or that nothing does: others are not forgotten for it."""
        found = self._cache.runs.find((main.owner[0], main.name))
        known = found.refusal if found is not None else None
        if known is not None and known.node != node:
            return
        if known is not None and (known.message, known.definite) == (message, definite):
            return  # noted as news, it would be asked for again at once
        since = known.since if known is not None else self._clock()
        new = Refusal(message, since, self._clock(), definite, node) if message else None
        self._cache.note_refusal((main.owner[0], main.name), main.uid, new)

    async def _start(self, job: BatchJob, resolved: Resolved, together: Gang, main: Run, node: int, pod: Pod) -> None:
        cache = self._cache
        environment = cache.catalogue.environments.get(main.environment)
        if environment is None:
            raise InTheWayError(f"environment {main.environment}, in which the main node runs, does not exist any more")
        with cache.accounts.starting(main):
            body = build_node(job, resolved, together, environment, main, node, pod.address)
            nodes = expected_hostnames(cache, item_of(main), together.group(node).request)
            body = steered(body, nodes)
            cache.put_run(await self._created(body, main))

    async def _created(self, body: Object, main: Run) -> Object:
        def is_ours(found: Object) -> bool:
            node = read_run(found) if self._cache.runs.believes(found) else None
            return node is not None and node.owner_uid == main.owner_uid and node.main_uid == main.uid

        return await self._creation.create(body, main.owner[0], whose="run", is_ours=is_ours)
