"""A cluster in virtual time: API server, Job controller, and operators that can be started, stopped and killed.

For component and property tests. Each operator process has an API connection of its own, so its writes are counted
apart and its death cuts it off in the middle of whatever it was doing.
"""

import asyncio
import functools
import inspect
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from batchyard.core.admission.protection import NOTHING_PROTECTED, Protection
from batchyard.core.insight.visibility import Visibility
from batchyard.kube.errors import ApiError, NotFound, Unavailable
from batchyard.kube.protocol import Object
from batchyard.kube.resources import JOBS, LEASES, NAMESPACES, NODES, OWN, PODS, Resource
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.process.leader import LeaderElection
from batchyard.runtime.process.operator import Operator
from batchyard.runtime.state.marks import MarkKey
from fakes.api import FakeApi
from fakes.clock import run_virtual
from fakes.jobcontroller import JobController
from fakes.namerules import hold_to_name_rules
from fakes.store import Store
from fakes.watches import follow_all
from objects.api import manifest

START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
NAMESPACE = "media"

DOWN = Unavailable(503, "ServiceUnavailable", "the API server is down")
RESOURCES = OWN


class Connection(FakeApi):
    """One process's way to the API server; `cut` ends it for good."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._cut = False
        self._writes_left: int | None = None
        self._last_takes_effect = False

    def cut(self) -> None:
        """Nothing more passes in either direction."""
        if not self._cut:
            self._cut = True
            self.store.listeners.remove(self._publish)

    def cut_at_write(self, number: int, *, takes_effect: bool) -> None:
        """Cut at the n-th write from now on (renewals of the lease not counted), before or after it is carried out."""
        self._writes_left, self._last_takes_effect = number, takes_effect

    def lose_next(self, verb: str, resource: Resource, *, after_effect: bool = True, times: int = 1) -> None:
        """Leave the next requests without an answer, after or before they are carried out."""
        self.fail_next(verb, resource, DOWN, after_effect=after_effect, times=times)

    def disconnect_all(self) -> None:
        """End every open watch; whoever follows a kind lists it anew."""
        for watched in {watcher.resource for watcher in self._watchers}:
            self.disconnect(watched)

    def heal(self) -> None:
        """Take back every failure ordered that has not happened yet."""
        self._failures.clear()

    async def _arrive(self, verb: str, resource: Resource) -> ApiError | None:
        failure = await super()._arrive(verb, resource)
        if self._cut:
            raise DOWN
        if self._writes_left is not None and verb in _WRITES and resource != LEASES:
            self._writes_left -= 1
            if self._writes_left <= 0:
                self.cut()
                if not self._last_takes_effect:
                    raise DOWN
                return DOWN
        return failure


_WRITES = frozenset({"create", "update", "patch", "delete"})


class Process:
    """One running operator."""

    def __init__(
        self,
        store: Store,
        identity: str,
        *,
        resync_seconds: float,
        skew: float = 0.0,
        visibility: Visibility = Visibility.ALL,
        protection: Protection = NOTHING_PROTECTED,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.api = Connection(store)
        self.metrics = Metrics()
        self.stopped: list[str] = []
        self.skew = skew
        """What this process's clock is ahead of the API server's."""
        self.election = LeaderElection(
            self.api, "batchyard-system", "operator", identity, clock=loop.time, rng=lambda: 0.5
        )
        self.operator = Operator(
            self.api,
            self.election,
            self.metrics,
            MarkKey(self.api, "batchyard-system", "operator-marks", lambda count: b"k" * count),
            clock=lambda: START + loop.time() + self.skew,
            monotonic=loop.time,
            resync_seconds=resync_seconds,
            visibility=visibility,
            protection=protection,
            stopped=self.stopped.append,
        )
        self._watches = asyncio.create_task(follow_all(self.api, self.operator.cache))

    async def start(self) -> None:
        await self.operator.start()

    async def stop(self) -> None:
        """End in order, as on SIGTERM."""
        await self.operator.stop()
        await self._end_watches()

    async def kill(self) -> None:
        """End without a last word: nothing more reaches the API server, the lease is not given up."""
        self.api.cut()
        await self.operator.stop()
        await self._end_watches()

    def deafen(self) -> None:
        """From now on nothing is heard of Batchyard's own kinds, as when their watches die unnoticed."""
        self._watches.cancel()

    async def _end_watches(self) -> None:
        self._watches.cancel()
        await asyncio.gather(self._watches, return_exceptions=True)

    def writes(self, *resources: Resource) -> list[tuple[str, str]]:
        """Verb and name of this process's writes to some kinds."""
        return [(verb, name) for verb, resource, name in self.api.writes if resource in resources]


class Cluster:
    """What surrounds the operator, and handles to move it."""

    def __init__(self, *, graceful: bool = False, resync_seconds: float = 300.0) -> None:
        loop = asyncio.get_running_loop()
        self.store = Store(now=lambda: datetime.fromtimestamp(START + loop.time(), UTC))
        hold_to_name_rules(self.store)
        self.jobs = JobController(self.store, graceful=graceful)
        self._resync_seconds = resync_seconds
        self.store.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        self.processes: list[Process] = []

    @property
    def api(self) -> Connection:
        """The connection of the current operator."""
        return self.processes[-1].api

    async def start_operator(
        self,
        *,
        skew: float = 0.0,
        visibility: Visibility = Visibility.ALL,
        protection: Protection = NOTHING_PROTECTED,
    ) -> Process:
        """Start one more operator, which becomes the current one, and let it come to rest."""
        process = Process(
            self.store,
            f"operator-{len(self.processes) + 1}",
            resync_seconds=self._resync_seconds,
            skew=skew,
            visibility=visibility,
            protection=protection,
        )
        self.processes.append(process)
        await process.start()
        await self.pass_time(0.2)
        return process

    async def stop_operators(self) -> None:
        """Stop every operator that still runs."""
        for process in self.processes:
            await process.stop()

    async def pass_time(self, seconds: float) -> None:
        """Let everybody work for a while; in virtual time an hour takes milliseconds."""
        await asyncio.sleep(seconds)

    # Objects.

    def put(self, kind: str, name: str, /, **fields: Any) -> Object:
        """Create an object of Batchyard's kinds, or change its spec."""
        resource = RESOURCES[kind]
        namespace = NAMESPACE if resource.namespaced else ""
        body = manifest(kind, name=name, **fields)
        try:
            old = self.store.get(resource, name, namespace)
        except NotFound:
            return self.store.create(resource, body, namespace)
        return self.store.update(resource, {**old, "spec": body["spec"]})

    def get(self, kind: str, name: str) -> Object:
        resource = RESOURCES[kind]
        return self.store.get(resource, name, NAMESPACE if resource.namespaced else "")

    def delete(self, kind: str, name: str) -> None:
        resource = RESOURCES[kind]
        self.store.delete(resource, name, NAMESPACE if resource.namespaced else "")

    def add_node(self, name: str = "node-1", *, cpu: str = "4", memory: str = "16Gi", **labels: str) -> None:
        status = {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        self.store.create(NODES, {"metadata": {"name": name, "labels": labels}, "status": status})

    def submit(self, name: str = "job", **fields: Any) -> Object:
        return self.put("BatchJob", name, **fields)

    def furnish(self, *, cpu: str = "4", request: str = "1", **definition: Any) -> None:
        """One node, environment, queue and definition, so that a job can run."""
        self.add_node(cpu=cpu)
        self.put("ComputeEnvironment", "on-prem")
        self.put("JobQueue", "urgent")
        self.define(request=request, **definition)

    def define(self, *, request: str = "1", **fields: Any) -> None:
        container = {"image": "busybox", "resources": {"requests": {"cpu": request}}}
        self.put("JobDefinition", "transcode", **{"container": container, **fields})

    # What became of them.

    def status(self, name: str = "job") -> dict[str, Any]:
        found: dict[str, Any] = self.get("BatchJob", name).get("status") or {}
        return found

    def state(self, name: str = "job") -> tuple[str, str]:
        """State and reason."""
        status = self.status(name)
        return status.get("state", ""), status.get("reason", "")

    def kube_job(self, name: str) -> Object:
        return self.store.get(JOBS, name, NAMESPACE)

    def kube_jobs(self) -> list[str]:
        return [job["metadata"]["name"] for job in self.store.objects(JOBS)]

    def pods(self) -> list[Object]:
        return self.store.objects(PODS)

    def condition(self, kind: str, name: str, condition: str = "Ready") -> tuple[str, str, str]:
        """Status, reason and message of a condition."""
        conditions = (self.get(kind, name).get("status") or {}).get("conditions") or ()
        found = next((each for each in conditions if each["type"] == condition), None)
        return (found["status"], found["reason"], found["message"]) if found else ("", "", "")


def in_cluster(**options: Any) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Callable[..., None]]:
    """Run a test, whose first argument is the `Cluster`, in virtual time; operators still running are stopped."""

    def decorate(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
        async def main(arguments: dict[str, Any]) -> None:
            cluster = Cluster(**options)
            try:
                await test(cluster, **arguments)
            finally:
                await cluster.stop_operators()

        @functools.wraps(test)
        def run(**arguments: Any) -> None:
            random.seed(0)  # back-offs have jitter
            run_virtual(main(arguments))

        signature = inspect.signature(test)
        others = list(signature.parameters.values())[1:]
        run.__dict__["__signature__"] = signature.replace(parameters=others)
        del run.__dict__["__wrapped__"]
        return run

    return decorate


@contextmanager
def watching(store: Store, resource: Resource, told: Callable[[Object | None, Object | None], None]) -> Iterator[None]:
    """Tell of every change of a kind, old and new object, at the moment it happens."""

    def listener(change: tuple[Resource, Object | None, Object | None]) -> None:
        if change[0] == resource:
            told(change[1], change[2])

    store.listeners.append(listener)
    try:
        yield
    finally:
        store.listeners.remove(listener)
