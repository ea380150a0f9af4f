"""Whatever happens, in whatever order, every job ends once: the whole operator under generated misfortune.

The real operator (informers, cache, loop, work queue, executor, election) runs in virtual time against the API server
and the Job controller in memory, while pods end, objects are deleted, jobs are held, released, cancelled and
terminated, requests fail before or after they took effect, watches break and operators die in the middle of a write or
take over from each other.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchyard.api import names
from batchyard.api.quantities import parse_bytes
from batchyard.kube.errors import Conflict, Forbidden, NotFound, TooManyRequests, Unavailable
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS, JOBS, PODS, SERVICES, Resource
from fakes.clock import run_virtual
from fakes.cluster import Cluster, watching
from fakes.process import Process
from objects.specs import multi_node

VCPUS = 3
TOGETHER = (10, 11)
"""Numbers of the multi-node jobs."""
NODES = 2
"""Of these jobs, each with a request of 1 vCPU."""
ATTEMPTS = 3
FATAL = 42
"""The exit code after which a rule wants no further attempt."""
KILLED = 137
MEBIBYTES = 64
TERMINAL = {"Succeeded", "Failed"}
FREE = {"Interrupted", "JobDeleted"}
STOPPED = {"Cancelled", "Terminated"}
FAILURES = {"NonZeroExit", "OOMKilled", "CannotStartContainer"}
ERRORS = (
    Unavailable(0, "Timeout", "the API server fell silent"),
    TooManyRequests(429, "TooManyRequests", "slow down"),
    Forbidden(403, "Forbidden", "exceeded quota"),
    Conflict(409, "Conflict", "the object has been modified"),
)

Action = tuple[Any, ...]


def ended(job: Object, *conditions: str) -> bool:
    found = (job.get("status") or {}).get("conditions") or ()
    return any(each["type"] in (conditions or ("Complete", "Failed")) for each in found)


def owner_of(job: Object) -> str:
    return str(job["metadata"]["labels"][names.JOB_UID])


def memory_of(job: Object) -> int:
    """MiB that the job's pod asks for."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return parse_bytes(container["resources"]["requests"]["memory"]) // 2**20


def run_of(labelled: Object) -> str:
    """The name of the run that a Job, or a pod's Job, belongs to: of a multi-node job, the main node's."""
    labels = labelled["metadata"]["labels"]
    return f"{labels[names.JOB]}-{labels[names.RUN]}"


def is_main(job: Object) -> bool:
    return names.MAIN_UID not in job["metadata"]["annotations"]


def live_pod(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


class Story:
    """A cluster, the misfortunes that can befall it, and what must hold at every moment."""

    def __init__(self) -> None:
        self.cluster = Cluster(graceful=True, resync_seconds=20.0)
        container = {"image": "busybox", "resources": {"requests": {"cpu": "1", "memory": f"{MEBIBYTES}Mi"}}}
        policy: dict[str, Any] = {
            "retryStrategy": {
                "attempts": ATTEMPTS,
                "backoff": {"initialSeconds": 1, "maxSeconds": 5},
                "evaluateOnExit": [{"onExitCode": str(FATAL), "action": "Exit"}],
                "onOutOfMemory": {"memoryMultiplier": 2, "maxMemory": f"{3 * MEBIBYTES}Mi"},
            },
            "startupGraceSeconds": 5,
        }
        self.cluster.furnish(cpu=str(VCPUS), container=container, **policy)
        self.cluster.define("together", **multi_node(NODES, container), **policy)
        self.processes: list[Process] = []
        self.failed_runs: defaultdict[str, set[str]] = defaultdict(set)
        """Names of the runs that did fail, by uid of their job."""
        self.fatal_runs: defaultdict[str, set[str]] = defaultdict(set)
        """Names of the runs that failed so that no other may follow, by uid of their job."""
        self.killed_runs: defaultdict[str, set[str]] = defaultdict(set)
        """Names of the runs that ran out of memory, by uid of their job."""
        self.without_image: set[str] = set()
        self.deleted_runs: defaultdict[str, set[str]] = defaultdict(set)
        """Names of the runs that somebody deleted, by uid of their job."""
        self.deleted_jobs: set[str] = set()
        """Names of all Kubernetes Jobs that somebody deleted."""
        self.witnessed: defaultdict[Process, set[str]] = defaultdict(set)
        """Uids of the pods that each process has seen together with their Jobs."""
        self.finals: dict[str, str] = {}
        self.informed = False
        """Whether the operator has had time to learn what is asked of every job."""

    # What must hold whenever something changes.

    def on_job(self, old: Object | None, new: Object | None) -> None:
        if old is not None or new is None:
            return
        uid, name = owner_of(new), run_of(new)
        jobs = self.cluster.store.objects(JOBS)
        live = {run_of(job) for job in jobs if owner_of(job) == uid and not ended(job)}
        live |= {
            run_of(pod)
            for pod in self.cluster.pods()
            if pod["metadata"]["labels"][names.JOB_UID] == uid and live_pod(pod)
        }
        assert live == {name}, f"two runs of one job at once: {live}"
        assert uid not in self.finals, "a job that had ended was started again"
        assert not any(owner_of(job) == uid and is_main(job) and ended(job, "Complete") for job in jobs), (
            "what had succeeded was repeated"
        )
        held = {(owner_of(job), run_of(job)): names.NODE in job["metadata"]["labels"] for job in jobs if not ended(job)}
        held |= self._outliving(jobs)
        assert sum(NODES if together else 1 for together in held.values()) <= VCPUS, "more granted than there is"
        asked = [job["spec"] for job in self.cluster.store.objects(BATCHJOBS) if job["metadata"]["uid"] == uid]
        withheld = any(spec.get("suspend") or spec.get("stop") for spec in asked)
        assert not (self.informed and withheld and is_main(new)), "a job that is held or stopped was started"
        assert self.fatal_runs[uid] <= self.deleted_runs[uid], "a rule that wanted no further attempt was ignored"
        kills = len(self.killed_runs[uid])
        assert MEBIBYTES <= memory_of(new) <= min(2**kills, 3) * MEBIBYTES, f"the memory after {kills} kills"

    def _outliving(self, jobs: list[Object]) -> dict[tuple[str, str], bool]:
        """Runs of which pods are left that whoever acts has seen; an operator started since may not know what they are.

        With whether they are of multi-node jobs.
        """
        there = {job["metadata"]["uid"] for job in jobs}
        seen = [self.witnessed[each] for each in self.processes if each.election.is_leader]
        return {
            (owner_of(pod), run_of(pod)): names.NODE in pod["metadata"]["labels"]
            for pod in self.cluster.pods()
            if live_pod(pod)
            and pod["metadata"]["ownerReferences"][0]["uid"] not in there
            and seen
            and all(pod["metadata"]["uid"] in each for each in seen)
        }

    def _witness(self) -> None:
        for process in self.processes:
            runs = process.operator.cache.runs
            for pod in self.cluster.pods():
                metadata = pod["metadata"]
                known = runs.pod((metadata["namespace"], metadata["name"]))
                if known is not None and known.uid == metadata["uid"]:
                    run = runs.find((metadata["namespace"], known.run))
                    if run is not None and run.uid == known.job_uid:
                        self.witnessed[process].add(known.uid)

    def on_batchjob(self, _: Object | None, new: Object | None) -> None:
        status = (new or {}).get("status") or {}
        if new is None or not status:
            return
        uid, state = new["metadata"]["uid"], status["state"]
        if uid in self.finals:
            assert state == self.finals[uid], "a final state changed"
        elif state in TERMINAL:
            self.finals[uid] = state
            if status["reason"] in STOPPED:
                self._check_stopped(new)
        attempts = status["attempts"]
        runs = [attempt["run"] for attempt in attempts]
        assert runs == sorted(set(runs))
        paid = [attempt["attempt"] for attempt in attempts if attempt.get("reason") not in FREE]
        assert paid == sorted(set(paid)), "an attempt was counted twice"
        assert all(number <= ATTEMPTS for number in paid)
        failures = {each["jobName"] for each in attempts if each.get("reason") in FAILURES}
        assert failures <= self.failed_runs[uid], "a failure was invented"
        kills = {each["jobName"] for each in attempts if "outOfMemory" in each}
        assert kills <= self.killed_runs[uid], "a lack of memory was invented"
        lost = {each["jobName"] for each in attempts if each.get("reason") == "JobDeleted"}
        assert lost <= self.deleted_runs[uid], "a run that nobody deleted was given up"

    def _check_stopped(self, job: Object) -> None:
        """It was asked for, and nothing of the job is left that would go on."""
        uid, reason = job["metadata"]["uid"], job["status"]["reason"]
        asked = job["spec"]["stop"]["mode"]
        assert reason == "Cancelled" or asked == "Terminate"
        for pod in self.cluster.pods():
            labels = pod["metadata"]["labels"]
            if labels[names.JOB_UID] == uid and live_pod(pod):
                # Somebody deleted the Kubernetes Job, and its pod ends unseen.
                assert labels["batch.kubernetes.io/job-name"] in self.deleted_jobs, "it still runs"
                assert "deletionTimestamp" in pod["metadata"], "it was left running"

    # What can happen. Each picks among what is there; with nothing to pick, nothing happens.

    def _pick(self, index: int, wanted: Callable[[Object], bool]) -> Object | None:
        found = [job for job in self.cluster.store.objects(JOBS) if wanted(job)]
        return found[index % len(found)] if found else None

    def _pod(self, job: Object) -> Object | None:
        try:
            return self.cluster.jobs.pod(job)
        except NotFound:
            return None

    def _unfinished(self, index: int) -> Object | None:
        """A Job whose pod can go on; one without its image never can."""

        def wanted(job: Object) -> bool:
            pod = self._pod(job)
            return (
                not ended(job)
                and job["metadata"]["uid"] not in self.without_image
                and "deletionTimestamp" not in job["metadata"]
                and pod is not None
                and live_pod(pod)
                and "deletionTimestamp" not in pod["metadata"]
            )

        return self._pick(index, wanted)

    async def submit(self, number: int) -> None:
        name = f"job-{number}"
        try:
            self.cluster.get("BatchJob", name)
        except NotFound:
            self.cluster.submit(name, jobDefinition="together" if number in TOGETHER else "transcode")

    async def run(self, index: int) -> None:
        if job := self._unfinished(index):
            self.cluster.jobs.start(job)

    async def finish(self, index: int, exit_code: int) -> None:
        if job := self._unfinished(index):
            uid = owner_of(job)
            if exit_code:
                self._failed(job)
            if exit_code == FATAL and is_main(job):
                self.fatal_runs[uid].add(run_of(job))
            if exit_code == KILLED and is_main(job):
                self.killed_runs[uid].add(run_of(job))
            self.cluster.jobs.finish(job, exit_code, "OOMKilled" if exit_code == KILLED else "")

    def _failed(self, job: Object) -> None:
        if is_main(job):
            self.failed_runs[owner_of(job)].add(run_of(job))

    async def disrupt(self, index: int) -> None:
        if job := self._unfinished(index):
            self.cluster.jobs.disrupt(job)

    async def lack_image(self, index: int) -> None:
        if job := self._unfinished(index):
            self.failed_runs[owner_of(job)].add(run_of(job))
            self.without_image.add(job["metadata"]["uid"])
            self.cluster.jobs.wait(job, "ImagePullBackOff", "no such image")

    async def delete_run(self, index: int) -> None:
        if job := self._pick(index, lambda job: "deletionTimestamp" not in job["metadata"]):
            if is_main(job):
                self.deleted_runs[owner_of(job)].add(run_of(job))
            self.deleted_jobs.add(job["metadata"]["name"])
            self.cluster.delete_kube_job(job["metadata"]["name"])

    async def delete_job(self, number: int) -> None:
        try:
            self.cluster.delete("BatchJob", f"job-{number}")
        except NotFound:
            return

    def _ask(self, number: int, change: Callable[[Object], None]) -> None:
        try:
            job = self.cluster.get("BatchJob", f"job-{number}")
        except NotFound:
            return
        change(job["spec"])
        self.cluster.store.update(BATCHJOBS, job)

    async def hold(self, number: int) -> None:
        self._ask(number, lambda spec: spec.update(suspend=True))

    async def release(self, number: int) -> None:
        self._ask(number, lambda spec: spec.update(suspend=False))

    async def stop(self, number: int, mode: str) -> None:
        def raised(spec: Object) -> None:
            if "stop" not in spec or mode == "Terminate":
                spec["stop"] = {"mode": mode, "reason": "no longer needed"}

        self._ask(number, raised)

    async def heed(self, index: int, exit_code: int) -> None:
        """The container of a pod that is being deleted ends within its grace period."""

        def wanted(job: Object) -> bool:
            pod = self._pod(job)
            ends = pod is not None and "deletionTimestamp" in pod["metadata"] and live_pod(pod)
            return ends and not ended(job) and job["metadata"]["uid"] not in self.without_image

        if job := self._pick(index, wanted):
            if exit_code:
                self._failed(job)
            self.cluster.jobs.finish(job, exit_code)

    async def terminate(self) -> None:
        """The grace period of every pod that is being deleted ends."""
        for pod in self.cluster.pods():
            if "deletionTimestamp" in pod["metadata"]:
                pod["metadata"].pop("finalizers", None)
                self.cluster.store.update(PODS, pod)

    async def fail(self, verb: str, resource: Resource, error: int, after_effect: bool, times: int) -> None:
        for process in self.processes:
            process.api.fail_next(verb, resource, ERRORS[error], after_effect=after_effect, times=times)

    async def break_watches(self, resource: Resource, expired: bool) -> None:
        if expired:
            self.cluster.store.compact()
        for process in self.processes:
            process.api.fail_next("watch", resource, ERRORS[0], times=2)
            process.api.disconnect(resource)

    async def blind(self, resource: Resource) -> None:
        """The youngest process hears nothing of a kind for about half a minute."""
        self.processes[-1].api.fail_next("watch", resource, ERRORS[0], times=5)
        self.processes[-1].api.disconnect(resource)

    async def cut(self, writes: int, takes_effect: bool) -> None:
        self.processes[0].api.cut_at_write(writes, takes_effect=takes_effect)

    async def stand_by(self, skew: int) -> None:
        if len(self.processes) < 2:
            self.processes.append(await self.cluster.start_operator(skew=float(skew)))

    async def kill(self) -> None:
        await self.processes.pop(0).kill()
        if not self.processes:
            await self.stand_by(0)

    async def restart(self) -> None:
        await self.processes.pop(0).stop()
        if not self.processes:
            await self.stand_by(0)

    async def pass_time(self, seconds: float) -> None:
        await self.cluster.pass_time(seconds)

    # The frame.

    async def act(self, action: Action) -> None:
        verb, *arguments = action
        await getattr(self, verb)(*arguments)
        self._witness()
        self._collect_garbage()
        for process in list(self.processes):
            if process.stopped:  # Kubernetes starts the operator's pod again
                self.processes.remove(process)
                await process.stop()
        if not self.processes:
            await self.stand_by(0)

    def _collect_garbage(self) -> None:
        owners = {job["metadata"]["uid"] for job in self.cluster.store.objects(BATCHJOBS)}
        for job in self.cluster.store.objects(JOBS):
            if owner_of(job) not in owners and "deletionTimestamp" not in job["metadata"]:
                self.cluster.delete_kube_job(job["metadata"]["name"])

    def _unended(self) -> list[Object]:
        jobs = self.cluster.store.objects(BATCHJOBS)
        return [job for job in jobs if (job.get("status") or {}).get("state") not in TERMINAL]

    async def come_to_rest(self) -> None:
        """With no more misfortune, nothing held, and pods that succeed, everything ends."""
        for process in self.processes:
            process.api.heal()
        if not self.informed:
            await self.pass_time(90.0)
            self.informed = True
            await self.pass_time(30.0)
        for number in (*range(5), *TOGETHER):
            await self.release(number)
        for _ in range(20):
            await self.act(("pass_time", 30.0))
            await self.act(("terminate",))
            while job := self._unfinished(0):
                self.cluster.jobs.finish(job)
            if self._rests():
                break
        await self.pass_time(90.0)
        await self.terminate()
        await self.pass_time(30.0)

    def _rests(self) -> bool:
        """Whether all has ended; what has is kept, pods, too."""
        runs_on = any(live_pod(pod) or "deletionTimestamp" in pod["metadata"] for pod in self.cluster.pods())
        return not runs_on and not self._unended() and all(map(ended, self.cluster.store.objects(JOBS)))

    def check_rest(self) -> None:
        assert [(job["metadata"]["name"], job.get("status")) for job in self._unended()] == [], "a job never ended"
        jobs = self.cluster.store.objects(JOBS)
        assert [job["metadata"]["name"] for job in jobs if not ended(job)] == [], "a run was left behind"
        for job in self.cluster.store.objects(BATCHJOBS):
            self._check_truth(job, [each for each in jobs if owner_of(each) == job["metadata"]["uid"]])
        cache = self.processes[0].operator.cache
        assert len(cache.backlog) == 0
        assert not cache.granted
        assert not any(amount for used in cache.used.values() for amount in used.values()), "capacity leaked"
        assert not cache.accounts.charges.charges
        assert not +cache.accounts.limit_usage.amounts, "slots of limits leaked"
        counted = sum(sum(counts.values()) for counts in cache.counts.values())
        assert counted == len(cache.jobs) == len(self.cluster.store.objects(BATCHJOBS))

    def _check_truth(self, job: Object, runs: list[Object]) -> None:
        status = job["status"]
        assert status["observedGeneration"] == job["metadata"]["generation"]
        assert "queuePosition" not in status
        assert all("stoppedAt" in attempt for attempt in status["attempts"])
        if status["reason"] in STOPPED:
            assert status["state"] == "Failed"
            assert "no longer needed" in status["message"]
            return
        last = status["attempts"][-1]
        if status["state"] == "Succeeded":
            assert last["exitCode"] == 0
            kept = {run["metadata"]["name"]: run["status"]["conditions"][-1]["type"] for run in runs}
            assert kept.get(last["jobName"], "Complete") == "Complete"
        else:
            assert last["attempt"] == ATTEMPTS or last.get("exitCode") == FATAL
            assert last["reason"] in FAILURES


async def play(actions: list[Action], begin: Callable[[], Story] = Story) -> None:
    story = begin()
    broken: list[AssertionError] = []

    def guarded(
        check: Callable[[Object | None, Object | None], None],
    ) -> Callable[[Object | None, Object | None], None]:
        """A listener runs inside the operator's request, which would swallow what it raises."""

        def listener(old: Object | None, new: Object | None) -> None:
            try:
                check(old, new)
            except AssertionError as error:
                broken.append(error)

        return listener

    with ExitStack() as stack:
        stack.enter_context(watching(story.cluster.store, JOBS, guarded(story.on_job)))
        stack.enter_context(watching(story.cluster.store, BATCHJOBS, guarded(story.on_batchjob)))
        await story.stand_by(0)
        for action in actions:
            await story.act(action)
            if broken:
                raise broken[0]
        await story.come_to_rest()
        story.check_rest()
        await story.kill()  # whatever was kept in memory only is lost
        await story.come_to_rest()
        if broken:
            raise broken[0]
        story.check_rest()
        await asyncio.gather(*(process.stop() for process in story.processes))


def do(verb: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Action]:
    return st.tuples(st.just(verb), *arguments)


numbers = st.integers(0, 3)
whom = numbers | st.sampled_from(TOGETHER)
pauses = st.sampled_from([0.01, 0.1, 0.4, 0.6, 1.0, 3.0, 10.0, 40.0])
WRITES = [
    ("create", JOBS),
    ("patch", BATCHJOBS),
    ("delete", JOBS),
    ("get", JOBS),
    ("delete", BATCHJOBS),
    ("create", SERVICES),
]
fail = st.tuples(st.sampled_from(WRITES), st.integers(0, len(ERRORS) - 1), st.booleans(), st.integers(1, 3)).map(
    # Only a silent API server leaves open whether a request took effect.
    lambda drawn: ("fail", *drawn[0], drawn[1], drawn[2] and drawn[1] == 0, drawn[3])
)
actions = st.one_of(
    do("submit", whom),
    do("submit", whom),
    do("pass_time", pauses),
    do("pass_time", pauses),
    do("run", numbers),
    do("run", numbers),
    do("finish", numbers, st.sampled_from([0, 1, FATAL, KILLED])),
    do("finish", numbers, st.sampled_from([0, 1, 1, KILLED])),
    do("disrupt", numbers),
    do("lack_image", numbers),
    do("delete_run", numbers),
    do("delete_job", whom),
    do("hold", whom),
    do("release", whom),
    do("stop", whom, st.sampled_from(["Cancel", "Terminate", "Terminate"])),
    do("heed", numbers, st.sampled_from([0, 143])),
    do("terminate"),
    fail,
    do("break_watches", st.sampled_from([JOBS, PODS, BATCHJOBS]), st.booleans()),
    do("blind", st.sampled_from([JOBS, PODS, BATCHJOBS])),
    do("cut", st.integers(1, 4), st.booleans()),
    do("stand_by", st.sampled_from([0, 20, -20])),
    do("kill"),
    do("restart"),
)


STORIES: dict[str, list[Action]] = {
    "a create that took effect seems to have failed": [
        ("fail", "create", JOBS, 0, True, 1),
        ("submit", 0),
        ("pass_time", 3.0),
    ],
    "so it seems, and the job ends before it is tried again": [
        ("fail", "create", JOBS, 0, True, 1),
        ("submit", 0),
        ("pass_time", 0.1),
        ("finish", 0, 1),
        ("pass_time", 3.0),
    ],
    "the operator dies between two kills": [
        ("submit", 0),
        ("pass_time", 1.0),
        ("finish", 0, KILLED),
        ("pass_time", 10.0),
        ("cut", 1, False),
        ("finish", 0, KILLED),
        ("kill",),
        ("pass_time", 10.0),
    ],
    "a rule's word is lost with the operator": [
        ("submit", 0),
        ("pass_time", 1.0),
        ("cut", 1, False),
        ("finish", 0, FATAL),
        ("pass_time", 1.0),
        ("kill",),
        ("pass_time", 10.0),
    ],
    "the second run is deleted while the first, which failed, is kept": [
        ("submit", 0),
        ("pass_time", 1.0),
        ("finish", 0, 1),
        ("pass_time", 10.0),
        ("delete_run", 1),
        ("pass_time", 1.0),
        ("terminate",),
    ],
    "a run without image is given up, but not deleted before the operator dies": [
        ("submit", 0),
        ("pass_time", 1.0),
        ("lack_image", 0),
        ("fail", "delete", JOBS, 0, False, 30),
        ("pass_time", 10.0),
        ("kill",),
    ],
    "the next leader has not seen the last run of the one before": [
        ("submit", 0),
        ("pass_time", 1.0),
        ("finish", 0, 1),
        ("stand_by", 0),
        ("blind", JOBS),
        ("blind", PODS),
        ("pass_time", 3.0),
        ("restart",),
        ("pass_time", 10.0),
    ],
    "a job is submitted anew under the name of one whose run still ends": [
        ("submit", 0),
        ("pass_time", 1.0),
        ("run", 0),
        ("delete_job", 0),
        ("submit", 0),
        ("pass_time", 10.0),
        ("terminate",),
    ],
    "a run is deleted while nobody watches, right after its creation": [
        ("break_watches", JOBS, True),
        ("submit", 0),
        ("pass_time", 0.1),
        ("delete_run", 0),
        ("terminate",),
        ("pass_time", 40.0),
    ],
    "a run is deleted before anybody has seen its pod": [
        ("blind", PODS),
        ("submit", 0),
        ("pass_time", 0.4),
        ("delete_run", 0),
        ("pass_time", 40.0),
        ("terminate",),
    ],
    "a job is deleted while nobody watches": [
        ("submit", 0),
        ("pass_time", 1.0),
        ("break_watches", BATCHJOBS, True),
        ("delete_job", 0),
        ("terminate",),
        ("pass_time", 40.0),
    ],
    "a job is stopped while its creation is not answered": [
        ("fail", "create", JOBS, 0, True, 3),
        ("submit", 0),
        ("pass_time", 0.1),
        ("stop", 0, "Cancel"),
        ("pass_time", 3.0),
        ("stop", 0, "Terminate"),
        ("pass_time", 3.0),
        ("heed", 0, 143),
    ],
    "the operator dies between the end of a terminated run and the status": [
        ("submit", 0),
        ("pass_time", 1.0),
        ("run", 0),
        ("pass_time", 1.0),
        ("fail", "patch", BATCHJOBS, 0, False, 30),
        ("stop", 0, "Terminate"),
        ("pass_time", 1.0),
        ("heed", 0, 0),
        ("pass_time", 1.0),
        ("kill",),
        ("pass_time", 40.0),
    ],
    "a job is held and released while nobody watches": [
        ("submit", 0),
        ("pass_time", 1.0),
        ("finish", 0, 1),
        ("break_watches", BATCHJOBS, True),
        ("hold", 0),
        ("pass_time", 10.0),
        ("release", 0),
        ("hold", 0),
        ("kill",),
        ("pass_time", 40.0),
    ],
    "the operator dies between two nodes, and the main node ends before the next one acts": [
        ("submit", 10),
        ("submit", 0),
        ("submit", 1),
        ("pass_time", 1.0),
        ("cut", 1, True),
        ("run", 1),
        ("pass_time", 0.1),
        ("finish", 1, 1),
        ("kill",),
        ("pass_time", 3.0),
        ("terminate",),
        ("pass_time", 40.0),
    ],
    "another node is lost, and the operator dies before it has stopped the main node": [
        ("submit", 10),
        ("pass_time", 1.0),
        ("run", 0),
        ("pass_time", 1.0),
        ("fail", "delete", JOBS, 0, False, 30),
        ("disrupt", 1),
        ("pass_time", 1.0),
        ("kill",),
        ("pass_time", 10.0),
        ("terminate",),
    ],
    "a node is created, but its answer is lost while the main node ends": [
        ("submit", 10),
        ("pass_time", 1.0),
        ("fail", "create", JOBS, 0, True, 2),
        ("run", 0),
        ("pass_time", 0.1),
        ("finish", 0, 0),
        ("pass_time", 10.0),
        ("terminate",),
    ],
    "jobs are deleted, their pods take their time to end, and another waits for that": [
        *[("submit", number) for number in range(3)],
        ("pass_time", 1.0),
        ("run", 0),
        ("pass_time", 1.0),
        ("delete_job", 0),
        ("delete_job", 1),
        ("submit", 3),
        ("pass_time", 10.0),
        ("terminate",),
        ("pass_time", 3.0),
    ],
    "a multi-node job is deleted, and one of its pods takes its time to end": [
        ("submit", 10),
        ("pass_time", 1.0),
        ("run", 0),
        ("pass_time", 1.0),
        ("run", 1),
        ("submit", 0),
        ("submit", 1),
        ("pass_time", 1.0),
        ("delete_job", 10),
        ("pass_time", 10.0),
        ("terminate",),
        ("pass_time", 3.0),
    ],
    "a status seems not to have been written": [
        *[("submit", number) for number in range(4)],
        ("submit", 4),
        ("fail", "patch", BATCHJOBS, 0, True, 8),
        ("pass_time", 1.0),
        ("finish", 0, 0),
        ("finish", 0, 0),
        ("finish", 0, 0),
        ("pass_time", 10.0),
    ],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_what_has_gone_wrong_before(story: list[Action]) -> None:
    run_virtual(play(story))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(actions, max_size=40))
def test_every_job_ends_once_whatever_happens(story: list[Action]) -> None:
    run_virtual(play(story))
