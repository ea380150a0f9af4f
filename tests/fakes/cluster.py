"""A cluster in virtual time: API server, Job controller, and operators that can be started, stopped and killed.

For component and property tests.
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
from batchyard.kube.protocol import Object
from batchyard.kube.resources import PODS, Resource
from fakes.clock import START, run_virtual
from fakes.contents import Contents
from fakes.jobcontroller import JobController
from fakes.kubejobs import NAMESPACE
from fakes.namerules import hold_to_name_rules
from fakes.process import Connection, Process
from fakes.store import Store


class Cluster(Contents):
    """What surrounds the operator, and handles to move it."""

    def __init__(self, *, graceful: bool = False, resync_seconds: float = 300.0) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(Store(now=lambda: datetime.fromtimestamp(START + loop.time(), UTC)))
        hold_to_name_rules(self.store)
        self.jobs = JobController(self.store, graceful=graceful)
        self._resync_seconds = resync_seconds
        self.add_namespace(NAMESPACE)
        self.processes: list[Process] = []

    @property
    def process(self) -> Process:
        """The current operator: the one that was started last."""
        return self.processes[-1]

    @property
    def api(self) -> Connection:
        """The connection of the current operator."""
        return self.process.api

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

    async def set_up(self, *, cpu: str = "4", request: str = "1", **definition: Any) -> Process:
        """All that a job needs to run, and an operator: where most tests begin."""
        self.furnish(cpu=cpu, request=request, **definition)
        return await self.start_operator()

    async def submit_and_start(self, *names: str, **spec: Any) -> None:
        """Submit jobs, `job` if none is named, and let the containers of each run as soon as it has a pod."""
        for name in names or ("job",):
            self.submit(name, **spec)
            await self.pass_time(1)
            self.jobs.start(f"{name}-1")

    def finish_all(self, prefix: str = "", exit_code: int = 0) -> None:
        """End every Kubernetes Job that has not ended, or those whose names begin so."""
        for name in self.active_jobs(prefix):
            self.jobs.finish(name, exit_code)

    async def evict(self, pod: Object) -> None:
        """Evict a pod as others do: by the API, which asks for its disruption."""
        metadata = pod["metadata"]
        await self.api.evict(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"])

    async def restart_operator(self, *, orderly: bool = False, after: float = 0.0, **options: Any) -> Process:
        """Kill the current operator, or stop it in order, and start another some seconds later.

        Only after an orderly stop the other acts at once: else the lease has to run out first.
        """
        await self.process.end(orderly=orderly)
        await self.pass_time(after)
        return await self.start_operator(**options)

    async def stop_operators(self) -> None:
        """Stop every operator that still runs."""
        for process in self.processes:
            await process.stop()

    async def pass_time(self, seconds: float) -> None:
        """Let everybody work for a while; in virtual time an hour takes milliseconds."""
        await asyncio.sleep(seconds)


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
