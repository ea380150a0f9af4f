"""Does what the loop decided: creates and deletes Kubernetes Jobs, writes job statuses, removes expired jobs.

Each of the actions performed here may be repeated at any
time: names are deterministic, an answer of "exists already" is success when what exists is ours, and a status is
rendered from the cache when its turn comes. Nothing is written unless this process holds the lease.
"""

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from math import ceil

from batchyard.api import names
from batchyard.api.reasons import Reason
from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.ondemand import on_demand
from batchyard.core.lifecycle import takeback
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.lifecycle.ending import retries
from batchyard.core.lifecycle.transitions import failed, to_runnable
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.status import TERMINAL, Status
from batchyard.core.planner.actions import CutPodShort, Expire, GiveBackSlots, ReadPods, StopRun
from batchyard.core.scheduling.capacity.serverless.sizes import charged_in, told_size
from batchyard.core.scheduling.decisions import Placement
from batchyard.kube.backoff import Backoff
from batchyard.kube.errors import AlreadyExists, ApiError, BadRequest, Conflict, Forbidden, Invalid, NotFound, TooLarge
from batchyard.kube.protocol import KubeApi, Object, Selection
from batchyard.kube.resources import BATCHJOBS, EVENTS, JOBS, PODS
from batchyard.objects.kinds.batchjobstatus import render_status
from batchyard.objects.kubernetes.event import build_event
from batchyard.objects.kubernetes.job import build_job, ended_condition
from batchyard.objects.kubernetes.pod import read_pod
from batchyard.objects.kubernetes.steering import steered
from batchyard.objects.ownership import belongs_to, owner_of
from batchyard.runtime.controllers.arrays import ArrayController
from batchyard.runtime.controllers.creation import InTheWayError, JobCreation
from batchyard.runtime.controllers.expectednodes import expected_hostnames
from batchyard.runtime.controllers.multinode import MultiNodeController
from batchyard.runtime.controllers.podevents import PodEvents
from batchyard.runtime.controllers.podlessruns import PodlessRuns
from batchyard.runtime.loop.actions import Announce, CreateRun, Performers, WriteStatus
from batchyard.runtime.state.cache import Cache

_log = logging.getLogger(__name__)

TRIES_AT_ONCE = 3
"""How often a Kubernetes Job is asked for, within seconds, while the API server does not clearly say no."""


class BatchJobController:
    """The writes that jobs need. A raised ApiError means: the same again, later."""

    def __init__(
        self,
        api: KubeApi,
        cache: Cache,
        clock: Callable[[], float],
        backoff: Backoff,
    ) -> None:
        self._api = api
        self._cache = cache
        self._creation = JobCreation(api, cache.marks)
        self.nodes = MultiNodeController(api, cache, clock)
        self.pod_events = PodEvents(api, cache, clock)
        self.arrays = ArrayController(api, cache, clock, self._created, self.pod_events)
        self._questions = PodlessRuns(api, cache, clock)
        self._clock = clock
        self._backoff = backoff
        self._faults: Counter[Key] = Counter()
        """How often in a row creating the Kubernetes Job of a grant failed by what may be over in a moment."""

    def register(self, performers: Performers) -> None:
        """Say what is performed here, and in what belongs to it."""
        performers.register(CreateRun, self.create)
        performers.register(StopRun, self.stop)
        performers.register(CutPodShort, self.cut_short)
        performers.register(GiveBackSlots, self.give_back)
        performers.register(ReadPods, self.read_pods)
        performers.register(WriteStatus, self.write_status)
        performers.register(Announce, self.announce)
        performers.register(Expire, self.expire)
        self.arrays.register(performers)
        self.nodes.register(performers)
        self.pod_events.register(performers)

    async def create(self, action: CreateRun) -> None:
        """Create the Kubernetes Job of a granted placement."""
        cache, key = self._cache, action.job
        placement, job = cache.granted.get(key), cache.jobs.get(key)
        if placement is None or job is None:
            self._faults.pop(key, None)
            return
        resolved = cache.resolved.get(key)
        environment = cache.catalogue.environments.get(placement.environment)
        if resolved is None or environment is None or job.deleting:
            self._withdraw(placement)
            return
        if job.start_blocked:
            await self._find(placement, job)
            self._withdraw(placement)
            return
        try:
            await self._start(placement, job, resolved, environment)
        except TemplateError as error:
            self._fail(placement, error.reason, error.message)
        except (Invalid, BadRequest) as error:
            self._fail(placement, Reason.JOB_REJECTED, f"the API server refused the Kubernetes Job: {error.message}")
        except TooLarge as error:
            self._fail(
                placement,
                Reason.JOB_REJECTED,
                f"the Kubernetes Job is larger than the API server takes ({error.message}): shorten spec.parameters or"
                " the overrides of the job, or command, args and env of its JobDefinition, or hand long texts over in"
                " a ConfigMap",
            )
        except InTheWayError as error:
            self._postpone(placement, str(error))
        except ApiError as error:
            await self._refused(placement, job, error)
        else:
            self._taken(placement)

    async def _start(self, placement: Placement, job: BatchJob, resolved: Resolved, environment: Environment) -> None:
        if placement.on_demand:
            resolved = on_demand(resolved)
        resolved = charged_in(environment, resolved)
        if job.array is not None and placement.array is not None:
            await self.arrays.grow(job, job.array, resolved, environment, placement.array)
            return
        if resolved.gang is not None:
            body = await self.nodes.prepare(job, resolved, resolved.gang, environment, placement)
        else:
            body = build_job(job, resolved, environment, placement.run, placement.attempt)
            body = steered(body, expected_hostnames(self._cache, job.key))
        self._cache.put_run(await self._created(job, body))

    async def _created(self, job: BatchJob, body: Object) -> Object:
        """The Kubernetes Job, made now or by an earlier try whose answer was lost."""
        await self._check_remains(job)
        if (granted := self._cache.granted.get(job.key)) is not None:
            body["metadata"]["annotations"] |= _of_placement(granted) | self._size(granted)
        return await self._creation.create(
            body, job.key[0], whose="BatchJob", is_ours=lambda found: self._is_of(found, job)
        )

    def _size(self, placement: Placement) -> dict[str, str]:
        """What a Kubernetes Job tells of the size that its pods have where it was placed."""
        resolved = self._cache.resolved.get(placement.key)
        environment = self._cache.catalogue.environments.get(placement.environment)
        size = "" if resolved is None or environment is None else told_size(environment, resolved)
        return {names.CHARGED_AS: size} if size else {}

    async def _refused(self, placement: Placement, job: BatchJob, error: ApiError) -> None:
        """Give the slot back for what will not change at once; a fault that may be over in a moment is tried again."""
        if not error.definite:
            self._faults[job.key] += 1
            if self._faults[job.key] < TRIES_AT_ONCE:
                raise error
            # Nobody knows whether the last try has taken effect.
            if await self._find(placement, job):
                self._taken(placement)
                return
        self._postpone(placement, error.message)

    async def _find(self, placement: Placement, job: BatchJob) -> bool:
        """Look for the Jobs of a grant, which a try without an answer may have made; True if all are there."""
        missing = False
        for name in placement.job_names:
            try:
                found = await self._api.get(JOBS, name, placement.key[0])
            except NotFound:
                missing = True
                continue
            if self._is_of(found, job):
                self._cache.put_run(found)
            else:
                missing = True
        return not missing

    def _taken(self, placement: Placement) -> None:
        """Note that the API server holds what was granted; of an array its pods have yet to be taken, too."""
        status = self._cache.statuses.get(placement.key)
        if status is not None and status.refusals and placement.array is None:
            self._cache.set_status(placement.key, status._replace(refusals=0))
        self._withdraw(placement)

    def _withdraw(self, placement: Placement) -> None:
        self._faults.pop(placement.key, None)
        if self._cache.granted.get(placement.key) is placement:
            self._cache.withdraw(placement.key)

    def _is_of(self, obj: Object, job: BatchJob) -> bool:
        return self._cache.runs.believes(obj) and owner_of(obj) == (job.key, job.uid)

    async def _check_remains(self, job: BatchJob) -> None:
        """Look for what outlives a Kubernetes Job that counts as deleted, and that the informers do not show.

        That is a pod whose Job went before it, and a Job whose labels somebody took away or changed.
        """
        status = self._cache.statuses[job.key]
        selector = f"{names.JOB_UID}={job.uid}"
        if arraystatus.has_started(status) and not self._cache.runs.of(job.uid).mains:
            selector += f",{names.ARRAY}"
        elif not status.attempts or status.attempts[-1].reason != Reason.JOB_DELETED:
            return
        else:
            await self._check_estranged(job, status.attempts[-1].job_name)
        found, _ = await self._api.list(PODS, Selection(job.key[0], selector))
        for pod in map(read_pod, found):
            if pod is not None and pod.live:
                raise InTheWayError(f"pod {pod.name} of the deleted Kubernetes Job {pod.run} has not ended yet")

    async def _check_estranged(self, job: BatchJob, name: str) -> None:
        try:
            found = await self._api.get(JOBS, name, job.key[0])
        except NotFound:
            return
        if belongs_to(found, job.uid) and not ended_condition(found):
            raise InTheWayError(
                f"Kubernetes Job {name} in namespace {job.key[0]} still exists, but its labels or annotations are not "
                "those that Batchyard gave it any more; delete it, or wait until it has ended"
            )

    def _fail(self, placement: Placement, reason: str, message: str) -> None:
        """End a job whose Kubernetes Job can never be created."""
        key = placement.key
        if self._cache.granted.get(key) is placement:
            status = self._cache.statuses[key]
            self._cache.set_status(key, failed(status, reason, message, self._clock()))
        self._withdraw(placement)

    def _postpone(self, placement: Placement, message: str) -> None:
        """Give the slot back, so that others may have it, and try this job again after a back-off.

        Unless the slot is not held any more: the job is gone, or its Kubernetes Job turned out to exist.
        """
        key = placement.key
        if self._cache.granted.get(key) is placement:
            status = self._cache.statuses[key]
            self._cache.set_status(key, self._put_off(status, message, self._backoff.delay(status.refusals + 1)))
        self._withdraw(placement)

    def _put_off(self, status: Status, message: str, wait: float) -> Status:
        """Let a job ask for its slot, or an array for further ones, no sooner than after so many seconds."""
        not_before = self._clock() + wait
        status = status._replace(refusals=status.refusals + 1)
        if arraystatus.has_started(status):
            return arraystatus.on_hold(status._replace(not_before=not_before), message)
        return to_runnable(status, Reason.CREATE_FAILED, message, not_before=not_before)

    async def read_pods(self, action: ReadPods) -> None:
        """Find out why pods of a job are not made, do not start, or have failed, where no informer tells it."""
        await self._questions.ask(action.job)
        await self.arrays.read_pods(action.job)

    async def give_back(self, action: GiveBackSlots) -> None:
        """Take back the slots of an array whose indexes cannot start, and have it ask for them again later."""
        key = action.job
        taken = await self.arrays.give_back(key)
        job, status = self._cache.jobs.get(key), self._cache.statuses.get(key)
        if taken is not None and job is not None and status is not None and status.state not in TERMINAL:
            for each in taken.in_vain:
                self._cache.node_waits.give_up(key, each.environment, each.message, on_demand=each.on_demand)
            if not taken.refused:
                self._cache.set_status(key, arraystatus.on_hold(status, taken.message))
                return
            refusals = status.refusals + 1
            wait = takeback.wait_seconds(refusals, retries.chance_of(job.uid, refusals))
            self._cache.set_status(key, self._put_off(status, taken.message, wait))

    async def stop(self, action: StopRun) -> None:
        """Delete a Kubernetes Job with its pods; it counts as running until it is gone."""
        namespace = action.job[0]
        try:
            await self._api.delete(JOBS, action.name, namespace, uid=action.uid, propagation="Foreground")
        except (NotFound, Conflict):
            _log.debug("Kubernetes Job %s/%s is gone already", namespace, action.name)

    async def cut_short(self, action: CutPodShort) -> None:
        """Stop the containers that go on although the main one of their pod has failed, as at the end of a timeout.

        The pod stays, with its logs and the exit code of the main container.
        """
        pod = self._cache.runs.pod((action.namespace, action.pod))
        if pod is None or not pod.outlasting or pod.accepted_at is None:
            return
        seconds = max(ceil(self._clock() - pod.accepted_at), 1)
        if pod.deadline is not None and pod.deadline <= pod.accepted_at + seconds:
            return
        change = {"metadata": {"uid": pod.uid}, "spec": {"activeDeadlineSeconds": seconds}}
        with suppress(NotFound, Conflict):
            await self._api.patch(PODS, pod.name, change, action.namespace)

    async def expire(self, action: Expire) -> None:
        """Delete a finished BatchJob whose time to live is over; its Kubernetes Jobs go with it."""
        key = action.job
        job = self._cache.jobs.get(key)
        if job is None:
            return
        try:
            await self._api.delete(BATCHJOBS, key[1], key[0], uid=job.uid)
        except (NotFound, Conflict):
            _log.debug("BatchJob %s/%s is gone already", *key)

    async def announce(self, action: Announce) -> None:
        """Write an Event about a job, unless the same one is there already."""
        key, announcement = action.job, action.announcement
        job = self._cache.jobs.get(key)
        if job is None:
            return
        try:
            await self._api.create(EVENTS, build_event(job, announcement, self._clock()), key[0])
        except (AlreadyExists, NotFound, Forbidden) as error:
            _log.debug("No Event %s for BatchJob %s/%s: %s", announcement.reason, *key, error.message)

    async def write_status(self, action: WriteStatus) -> None:
        """Write a job's status, if it says anything else than the last one written."""
        cache, key = self._cache, action.job
        job = cache.jobs.get(key)
        if job is None:
            return
        status = cache.statuses[key]
        old = cache.persistence.written.get(key, {})
        new = render_status(job, status, old, self._clock())
        if new == old:
            cache.status_stored(key)
            return
        try:
            await self._api.replace_status(BATCHJOBS, key[1], new, key[0], uid=job.uid)
        except NotFound:
            return
        except Conflict:
            _log.info("BatchJob %s/%s was replaced by another of the same name", *key)
            return
        except ApiError as error:
            if error.definite:
                message = f"the status of BatchJob {'/'.join(key)} was refused: {error.message}"
                raise ApiError(error.status, error.reason, message) from error
            raise
        current = cache.jobs.get(key)
        if current is not None and current.uid == job.uid:
            if status.state in TERMINAL:
                cache.end_stored(key)
            else:
                cache.persistence.written[key] = new
            cache.status_stored(key)


def _of_placement(placement: Placement) -> dict[str, str]:
    """What a Kubernetes Job tells of where it was placed."""
    told = {
        names.INSTEAD: placement.instead or None,
        names.ON_DEMAND: "true" if placement.on_demand else None,
        names.ZONE: placement.zone,
    }
    return {name: value for name, value in told.items() if value is not None}
