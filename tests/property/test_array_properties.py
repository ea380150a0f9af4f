"""Whatever happens to arrays: each ends once, and no index runs twice at a time or more often than allowed.

The real operator in virtual time, against the API server and the Job controller in memory: indexes end in any way and
order, other jobs come and go before and behind the arrays, requests are lost, operators die in the middle of a write.
"""

import asyncio
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchyard.api import names
from batchyard.core.model.indexset import IndexSet
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS, JOBS, PODS
from fakes.clock import run_virtual
from fakes.cluster import Cluster, watching
from fakes.kubejobs import has_ended

VCPUS = 4
SIZE = 6
ATTEMPTS = 2
ARRAYS = ("early", "late", "paired", "sequence", "again")
TERMINAL = {"Succeeded", "Failed"}

Action = tuple[Any, ...]


class Story:
    """A cluster with five arrays in two queues, and what must hold at every moment."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        retry = {"attempts": ATTEMPTS, "backoff": {"initialSeconds": 1, "maxSeconds": 2}}
        self.cluster.furnish(cpu=str(VCPUS), retryStrategy=retry)
        self.cluster.put_queues(patient=0, urgent=5)
        self.finals: dict[str, str] = {}
        self.others = 0
        self.disrupted: Counter[str] = Counter()

    async def play(self, actions: list[Action]) -> None:
        with (
            watching(self.cluster.store, PODS, self.check_pods),
            watching(self.cluster.store, BATCHJOBS, self.check_end),
        ):
            await self.cluster.start_operator()
            self.cluster.submit("early", jobQueue="patient", array={"size": SIZE})
            self.cluster.submit("late", jobQueue="patient", array={"size": SIZE, "maxConcurrency": 2})
            paired = [{"job": "early", "type": "NToN"}]
            self.cluster.submit("paired", jobQueue="patient", array={"size": SIZE}, dependsOn=paired)
            self.cluster.submit(
                "sequence", jobQueue="patient", array={"size": SIZE}, dependsOn=[{"type": "Sequential"}]
            )
            self.cluster.submit("again", jobQueue="patient", array={"size": SIZE, "rerun": {"job": "late"}})
            await self.cluster.pass_time(1)
            for action in actions:
                await self.act(*action)
            await self.finish()
        await self.cluster.stop_operators()

    # What is always true.

    def check_pods(self, _: Object | None, pod: Object | None) -> None:
        live = Counter(
            (each["metadata"]["labels"][names.JOB], index)
            for each in self.cluster.pods()
            if (index := each["metadata"].get("annotations", {}).get(names.COMPLETION_INDEX)) is not None
            and each.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        )
        assert not live or max(live.values()) == 1, live
        running = [each for each in self.cluster.pods() if each.get("status", {}).get("phase") == "Running"]
        assert len(running) <= VCPUS

    def check_end(self, _: Object | None, job: Object | None) -> None:
        if job is not None and (state := (job.get("status") or {}).get("state")) in TERMINAL:
            assert self.finals.setdefault(job["metadata"]["name"], state) == state

    # What happens.

    async def act(self, kind: str, number: int, flag: bool) -> None:
        match kind:
            case "end":
                self.end_one(number, failed=flag)
            case "start":
                self.start_one(number)
            case "other":
                self.others += 1
                self.cluster.submit(f"other-{self.others}", jobQueue="urgent")
            case "crash":
                self.cluster.api.cut_at_write(1 + number % 5, takes_effect=flag)
                await self.cluster.pass_time(2)
                await self.restart()
            case "kill":
                await self.restart()
            case "lose":
                verb = ("create", "patch", "list")[number % 3]
                self.cluster.api.lose_next(verb, (JOBS, JOBS, PODS)[number % 3], after_effect=flag)
            case "disrupt":
                self.disrupt_one(number, gone=flag)
        await self.cluster.pass_time(number % 4)

    async def restart(self) -> None:
        await self.cluster.restart_operator()
        await self.cluster.pass_time(20)

    def live_jobs(self) -> list[Object]:
        """Kubernetes Jobs of one pod that have not ended."""
        return [
            job
            for job in self.cluster.store.objects(JOBS)
            if names.ARRAY not in job["metadata"]["labels"]
            and not has_ended(job)
            and "deletionTimestamp" not in job["metadata"]
        ]

    def active(self) -> list[tuple[str, int]]:
        """Indexed Jobs and the indexes of theirs that have a pod."""
        return [
            (job["metadata"]["name"], index)
            for job in self.cluster.store.objects(JOBS)
            if names.ARRAY in job["metadata"]["labels"] and not has_ended(job)
            for index in self.cluster.jobs.indexed.active(job["metadata"]["name"])
        ]

    def start_one(self, number: int) -> None:
        if active := self.active():
            name, index = active[number % len(active)]
            self.cluster.jobs.indexed.start(name, index)

    def end_one(self, number: int, *, failed: bool) -> None:
        choices: list[Any] = [*self.active(), *self.live_jobs()]
        if not choices:
            return
        match choices[number % len(choices)]:
            case (name, index):
                self.cluster.jobs.indexed.finish(name, index, exit_code=int(failed))
            case job:
                self.cluster.jobs.finish(job, int(failed))

    def disrupt_one(self, number: int, *, gone: bool) -> None:
        choices: list[Any] = [*self.active(), *self.live_jobs()]
        if not choices:
            return
        match choices[number % len(choices)]:
            case (name, index):
                self.disrupted[self.cluster.kube_job(name)["metadata"]["labels"][names.JOB]] += 1
                self.cluster.jobs.indexed.disrupt(name, index, gone=gone)
            case job:
                self.disrupted[job["metadata"]["labels"][names.JOB]] += 1
                self.cluster.jobs.disrupt(job)

    async def finish(self) -> None:
        """Let everything that is left come to a good end."""
        self.cluster.api.heal()
        for _ in range(200):
            await self.cluster.pass_time(3)
            if all(self.cluster.state(name)[0] in TERMINAL for name in ARRAYS):
                break
            for name, index in self.active():
                self.cluster.jobs.indexed.finish(name, index)
            for job in self.live_jobs():
                self.cluster.jobs.finish(job)
        await self.cluster.pass_time(5)
        for name in ARRAYS:
            self.check_array(name)

    def check_array(self, name: str) -> None:
        status = self.cluster.status(name)
        assert status["state"] in TERMINAL, (name, status)
        array = status["array"]
        succeeded = IndexSet.parse(array.get("succeededIndexes", ""))
        failed = IndexSet.parse(array.get("failedIndexes", ""))
        chosen = IndexSet.parse(array.get("chosenIndexes", f"0-{SIZE - 1}"))
        assert (succeeded | failed, len(succeeded) + len(failed)) == (chosen, len(chosen))
        assert (status["state"] == "Succeeded") == (bool(chosen) and not failed)
        if name == "again":
            assert chosen == IndexSet.parse(self.cluster.array_status("late").get("failedIndexes", ""))
        assert status["interruptions"] == self.disrupted[name]
        assert array["waiting"] == array["running"] == array["starting"] == 0
        for job in self.cluster.store.objects(JOBS):
            labels, annotations = job["metadata"]["labels"], job["metadata"]["annotations"]
            if labels[names.JOB] == name:
                assert int(annotations[names.ATTEMPT]) <= ATTEMPTS


KINDS = ("end", "end", "end", "start", "other", "crash", "kill", "lose", "disrupt")
actions = st.tuples(st.sampled_from(KINDS), st.integers(0, 30), st.booleans())


async def _play(story: list[Action]) -> None:
    await asyncio.create_task(Story().play(story))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(actions, max_size=25))
def test_every_array_ends_once_whatever_happens(story: list[Action]) -> None:
    run_virtual(_play(story))
