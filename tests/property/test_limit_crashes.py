"""Limits and consumable resources hold at every moment while operators die, answers are lost and watches break.

The real operator runs in virtual time, as in `test_crash_properties`. Whatever is generated: no more runs than the
queue may have, no more licences are held than there are, and no token is used twice.
"""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchyard.api import names
from batchyard.kube.errors import Unavailable
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS, JOBS
from fakes.clock import run_virtual
from fakes.cluster import Cluster, watching
from fakes.kubejobs import has_ended
from objects.specs import asking_container

LIMIT, LICENCES, TOKENS = 3, 4, 4
DEFINITIONS: dict[str, list[dict[str, Any]]] = {
    "plain": [],
    "licensed": [{"name": "licence", "quantity": 2}],
    "token": [{"name": "token"}],
    "both": [{"name": "licence"}, {"name": "token", "quantity": 2}],
}
DOWN = Unavailable(0, "Timeout", "the API server fell silent")


class Story:
    """A cluster with a limited queue, and what must hold in it whenever a Kubernetes Job is made."""

    def __init__(self) -> None:
        self.cluster = Cluster(resync_seconds=20.0)
        self.cluster.furnish(cpu="8")
        self.cluster.put("JobQueue", "urgent", limits={"maxRunningJobs": LIMIT})
        self.cluster.put("ConsumableResource", "licence", total=LICENCES)
        self.cluster.put("ConsumableResource", "token", type="NonReplenishable", total=TOKENS)
        retries = {"attempts": 3, "backoff": {"initialSeconds": 1, "maxSeconds": 5}}
        for name, needed in DEFINITIONS.items():
            container = asking_container()
            fields: dict[str, Any] = {"container": container, "retryStrategy": retries, "consumableResources": needed}
            self.cluster.put("JobDefinition", name, **fields)
        self.submitted = 0
        self.tokens = 0
        """Used by all Kubernetes Jobs that were ever made."""
        self.broken: list[str] = []
        """Said at the end: what is raised here would end in the operator's log."""
        self.connected = True

    def on_job(self, old: Object | None, new: Object | None) -> None:
        if old is not None or new is None:
            return
        self.tokens += self._needs(new, "token")
        live = [job for job in self.cluster.store.objects(JOBS) if not has_ended(job)]
        if len(live) > LIMIT:
            self.broken.append("more run than the queue may have")
        if sum(self._needs(job, "licence") for job in live) > LICENCES:
            self.broken.append("more licences are held than there are")
        if self.tokens > TOKENS:
            self.broken.append("more tokens are used than there are")

    @staticmethod
    def _needs(job: Object, resource: str) -> int:
        definition = job["metadata"]["labels"][names.DEFINITION]
        return next((each.get("quantity", 1) for each in DEFINITIONS[definition] if each["name"] == resource), 0)

    async def act(self, verb: str, choice: int) -> None:
        cluster = self.cluster
        live = [job for job in cluster.store.objects(JOBS) if not has_ended(job)]
        match verb:
            case "submit":
                self.submitted += 1
                cluster.submit(f"job-{self.submitted}", jobDefinition=sorted(DEFINITIONS)[choice % len(DEFINITIONS)])
            case "succeed" | "fail" if live:
                cluster.jobs.finish(live[choice % len(live)], int(verb == "fail"))
            case "lose":
                cluster.api.fail_next("create", JOBS, DOWN, after_effect=choice % 2 == 0, times=1 + choice % 6)
            case "break":
                cluster.api.disconnect_all()
            case "cut":
                self.connected = False
                cluster.api.cut_at_write(1 + choice % 5, takes_effect=choice % 2 == 0)
            case "replace":
                await cluster.restart_operator()
                await cluster.pass_time(17)
                self.connected = True
            case "delete":  # of what ended and was counted; what could be missed is in the decision record
                await cluster.pass_time(5)
                self._delete_one(choice)
        await cluster.pass_time((0.05, 0.5, 3.0)[choice % 3])

    def _delete_one(self, choice: int) -> None:
        done = [
            job["metadata"]["name"]
            for job in self.cluster.store.objects(BATCHJOBS)
            if (job.get("status") or {}).get("state") in ("Succeeded", "Failed")
        ]
        if done and self.connected:
            self.cluster.delete("BatchJob", done[choice % len(done)])

    async def come_to_rest(self) -> None:
        """A last operator ends all that can still run; then its counts are the truth."""
        await self.cluster.restart_operator()
        still = 0
        for _ in range(3 * self.submitted + 3):
            await self.cluster.pass_time(20)
            left = [job for job in self.cluster.store.objects(JOBS) if not has_ended(job)]
            for job in left:
                self.cluster.jobs.finish(job)
            still = 0 if left else still + 1
            if still == 2:  # each longer than any back-off
                break
        await self.cluster.pass_time(20)
        token = self.cluster.get("ConsumableResource", "token")["status"]
        assert token["consumption"]["consumed"] == self.tokens
        assert token["available"] == TOKENS - self.tokens
        licence = self.cluster.get("ConsumableResource", "licence")["status"]
        assert (licence["inUse"], licence["available"]) == (0, LICENCES)
        statuses = [job["status"] for job in self.cluster.store.objects(BATCHJOBS)]
        waiting = {each["reason"] for each in statuses if each["state"] not in ("Succeeded", "Failed")}
        assert waiting <= {"ConsumableResourceUnavailable"}
        assert self.broken == []


verbs = st.sampled_from(
    [*["submit"] * 4, *["succeed"] * 3, "fail", "fail", "lose", "break", "cut", "replace", "delete"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(verbs, st.integers(0, 30)), min_size=10, max_size=40))
def test_limits_hold_and_nothing_is_used_twice_whatever_happens(actions: list[tuple[str, int]]) -> None:
    async def play() -> None:
        story = Story()
        await story.cluster.start_operator()
        try:
            with watching(story.cluster.store, JOBS, story.on_job):
                for verb, choice in actions:
                    await story.act(verb, choice)
                await story.come_to_rest()
        finally:
            await story.cluster.stop_operators()

    run_virtual(play())
