"""Jobs that wait for jobs, under the same generated misfortune: none starts too early, none is forgotten.

The stories are those of `test_crash_properties`, told about jobs with dependencies of every type, circles included.
"""

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchyard.api import names
from batchyard.kube.errors import NotFound
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS
from fakes.clock import run_virtual
from property.test_crash_properties import TERMINAL, Action, Story, actions, play

Wishes = dict[int, dict[int, str]]
"""By job number: the jobs it depends on, and how."""

FOREVER, BRIEF = 10**6, 2
MEETS = {"Succeeded": {"Succeeded"}, "Failed": {"Failed"}, "Finished": TERMINAL, "Sequential": {"Succeeded"}}
NEVER_RAN = ("DependencyNotMet", "DependencyCycle")


class Dependents(Story):
    """A story about jobs that depend on each other."""

    def __init__(self, wishes: Wishes, brief: set[int]) -> None:
        super().__init__()
        self._wishes = {
            f"job-{job}": {f"job-{o}": kind for o, kind in others.items()} for job, others in wishes.items()
        }
        self._brief = {f"job-{job}" for job in brief}
        self._ends: defaultdict[str, set[str]] = defaultdict(set)
        """Every final state that was ever stored, by the job's name."""
        self._deleted: set[str] = set()

    def _wished(self, name: str) -> dict[str, str]:
        return self._wishes.get(name, {})

    async def submit(self, number: int) -> None:
        name = f"job-{number}"
        wanted = [{"job": other, "type": kind} for other, kind in self._wished(name).items()]
        ttl = BRIEF if name in self._brief else FOREVER
        try:
            self.cluster.get("BatchJob", name)
        except NotFound:
            self.cluster.submit(name, dependsOn=wanted, ttlSecondsAfterFinished=ttl)

    async def delete_job(self, number: int) -> None:
        self._deleted.add(f"job-{number}")
        await super().delete_job(number)

    def on_job(self, old: Object | None, new: Object | None) -> None:
        super().on_job(old, new)
        if old is None and new is not None:
            for other, kind in self._wished(new["metadata"]["labels"][names.JOB]).items():
                assert self._ends[other] & MEETS[kind], f"started before {other} had ended as wished"

    def on_batchjob(self, old: Object | None, new: Object | None) -> None:
        super().on_batchjob(old, new)
        status = (new or {}).get("status") or {}
        if new is not None and status.get("state") in TERMINAL:
            self._ends[new["metadata"]["name"]].add(status["state"])

    async def come_to_rest(self) -> None:
        """Whatever is missing comes at last: then nobody waits for ever."""
        for process in self.processes:
            process.api.heal()
        if not self.informed:
            await self.act(("pass_time", 120.0))
        await self.act(("terminate",))
        for number in range(4):
            await self.submit(number)
        await super().come_to_rest()

    def check_rest(self) -> None:
        super().check_rest()
        cache = self.processes[0].operator.cache
        assert not cache.persistence.unpersisted_dependents
        wished = {
            (job["metadata"]["name"], other)
            for job in self.cluster.store.objects(BATCHJOBS)
            for other in self._wished(job["metadata"]["name"])
        }
        assert wished == {(job[1], other[1]) for other, jobs in cache.dependents.items() for job in jobs}
        assert all(cache.dependents.values()), "an empty entry is left"

    def _check_truth(self, job: Object, runs: list[Object]) -> None:
        name, status = job["metadata"]["name"], job["status"]
        if status["reason"] not in NEVER_RAN:
            super()._check_truth(job, runs)
            known = {each["job"]: each["state"] for each in status.get("dependencies", ())}
            assert status["attempts"] == [] or all(
                known[other] in MEETS[kind] for other, kind in self._wished(name).items()
            )
            return
        assert status["state"] == "Failed"
        assert status["attempts"] == []
        if status["reason"] == "DependencyCycle":
            assert name in self._reached_from(name), "there is no such circle"
        else:
            culprit = status["dependencies"][-1]
            assert culprit["state"] not in MEETS[self._wished(name)[culprit["job"]]]
            assert culprit["state"] in self._ends[culprit["job"]] or culprit["job"] in self._deleted

    def _reached_from(self, name: str) -> set[str]:
        reached: set[str] = set()
        ring = set(self._wished(name))
        while ring - reached:
            reached |= ring
            ring = {other for each in ring for other in self._wished(each)}
        return reached


wishes = st.dictionaries(
    st.integers(0, 3),
    st.dictionaries(st.integers(0, 3), st.sampled_from(sorted(MEETS)), max_size=3),
).map(lambda drawn: {job: {o: kind for o, kind in others.items() if o != job} for job, others in drawn.items()})

misfortunes = st.lists(actions, max_size=40)

STORIES: dict[str, tuple[Wishes, set[int], list[Action]]] = {
    "one of two ends and is deleted while the operator is dead": (
        {2: {0: "Succeeded", 1: "Succeeded"}},
        set(),
        [
            *(("submit", number) for number in range(3)),
            ("pass_time", 1.0),
            ("finish", 0, 0),
            ("pass_time", 10.0),
            ("pass_time", 1.0),
            ("cut", 1, False),
            ("delete_job", 0),
            ("pass_time", 10.0),
            ("kill",),
        ],
    ),
    "one expires while no status can be written": (
        {1: {0: "Succeeded", 2: "Finished"}},
        {0},
        [
            *(("submit", number) for number in range(3)),
            ("pass_time", 1.0),
            ("fail", "patch", BATCHJOBS, 0, False, 3),
            ("finish", 0, 0),
            ("pass_time", 3.0),
            ("kill",),
        ],
    ),
    "a run that ended well is deleted, and the operator died before it said so": (
        {1: {0: "Succeeded"}},
        set(),
        [
            ("submit", 0),
            ("submit", 1),
            ("pass_time", 1.0),
            ("fail", "patch", BATCHJOBS, 0, False, 9),
            ("finish", 0, 0),
            ("pass_time", 1.0),
            ("delete_run", 0),
            ("terminate",),
            ("kill",),
        ],
    ),
    "the operator dies when the first of a circle has failed": (
        {0: {1: "Succeeded"}, 1: {2: "Finished"}, 2: {0: "Failed"}},
        set(),
        [
            ("submit", 0),
            ("submit", 1),
            ("pass_time", 3.0),
            ("cut", 1, True),
            ("submit", 2),
            ("pass_time", 1.0),
            ("kill",),
        ],
    ),
    "a circle is closed while no operator runs": (
        {0: {1: "Succeeded"}, 1: {0: "Succeeded"}},
        set(),
        [("submit", 0), ("pass_time", 1.0), ("cut", 1, False), ("submit", 1), ("kill",)],
    ),
}


@pytest.mark.parametrize(("wished", "brief", "story"), STORIES.values(), ids=STORIES)
def test_what_could_go_wrong(wished: Wishes, brief: set[int], story: list[Action]) -> None:
    run_virtual(play(story, lambda: Dependents(wished, brief)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(wishes, st.sets(st.integers(0, 3)), misfortunes)
def test_none_starts_early_and_every_one_ends_once(wished: Wishes, brief: set[int], story: list[Action]) -> None:
    run_virtual(play(story, lambda: Dependents(wished, brief)))
