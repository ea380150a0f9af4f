"""The operator is killed again and again while jobs of many kinds run: none is lost, none runs twice.

What counts as a run is that the scheduler has bound a pod, by the audit log of the API server. A small version by
default; KILLS=10 KILLS_JOBS=500 KILLS_ARRAYS=10 is the long one.
"""

import json
import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import JOBS, PODS
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess

pytestmark = pytest.mark.e2e

KILLS = int(os.environ.get("KILLS", "3"))
COUNT = int(os.environ.get("KILLS_JOBS", "40"))
WIDTH = 12
CYCLE_SECONDS = 5.0
"""About what it takes from one kill to the next."""

KINDS: dict[str, tuple[str, str, int]] = {
    "plain": ("Succeeded", "Completed", 1),
    "failing": ("Failed", "NonZeroExit", 2),
    "hungry": ("Failed", "OOMKilled", 2),
    "after": ("Succeeded", "Completed", 1),
    "spoilt": ("Failed", "DependencyNotMet", 0),
}
"""State, reason and number of runs in which jobs of each kind end."""

SIZE = 10
AT_ONCE = 4
ARRAYS: dict[str, tuple[str, str, int, int]] = {
    "array": ("Succeeded", "Completed", 1, SIZE),
    "array-failing": ("Failed", "IndexesFailed", 1 + SIZE, 2 * SIZE),
    "array-paired": ("Succeeded", "Completed", SIZE, SIZE),
}
"""State, reason, number of Kubernetes Jobs and of pods, of arrays of each kind at their end."""
ARRAY_COUNT = int(os.environ.get("KILLS_ARRAYS", "3"))


class Runs:
    """What was ever created for each BatchJob, and which of its pods were there at the same time."""

    def __init__(self, harness: Harness) -> None:
        self.jobs: defaultdict[str, set[str]] = defaultdict(set)
        self.pods: defaultdict[str, set[str]] = defaultdict(set)
        self.names: dict[str, str] = {}
        """The BatchJob of each pod, by the pod's name."""
        self.overlaps: set[str] = set()
        self._live: defaultdict[str, set[str]] = defaultdict(set)
        harness.api.watch(JOBS, harness.namespace, self._note_job)
        harness.api.watch(PODS, harness.namespace, self._note_pod)

    def _note_job(self, _: str, obj: dict[str, Any]) -> None:
        self.jobs[obj["metadata"]["labels"][names.JOB]].add(obj["metadata"]["uid"])

    def _note_pod(self, event: str, obj: dict[str, Any]) -> None:
        name, uid = obj["metadata"]["labels"][names.JOB], obj["metadata"]["uid"]
        self.pods[name].add(uid)
        self.names[obj["metadata"]["name"]] = name
        index = obj["metadata"].get("annotations", {}).get(names.COMPLETION_INDEX)
        live = self._live[name if index is None else f"{name}:{index}"]
        if event == "DELETED" or obj["status"]["phase"] in ("Succeeded", "Failed"):
            live.discard(uid)
        else:
            live.add(uid)
        if len(live) > 1:
            self.overlaps.add(name)

    def bound(self, harness: Harness) -> dict[str, int]:
        """How many pods of each BatchJob were bound to a node."""
        if harness.cluster.audit_log is None:
            return {name: len(pods) for name, pods in self.pods.items()}
        counts: Counter[str] = Counter()
        for event in _audited(harness, '"binding"'):
            if event["responseStatus"].get("code") == 201:
                counts[self.names.get(event["objectRef"]["name"], event["objectRef"]["name"])] += 1
        return dict(counts)

    def story(self, harness: Harness, name: str) -> str:
        """Who wrote what of the Job and the pods of an array, a line each."""
        lines = []
        for event in _audited(harness, f"{harness.namespace}/"):
            which = event["objectRef"]
            if which["resource"] in ("pods", "jobs") and which.get("name", "").startswith(name):
                what = "/".join(filter(None, (which["resource"], which.get("subresource"), which["name"])))
                agent = event["userAgent"].split("/")[0]
                lines.append(f"{event['stageTimestamp']} {agent} {event['verb']} {what}")
        return "\n".join(lines)


def test_an_operator_killed_at_random_loses_nothing_and_runs_nothing_twice(
    harness: Harness, operator: OperatorProcess
) -> None:
    rng = random.Random(7)  # noqa: S311 - the same story each time
    runs = Runs(harness)
    # Enough work for all of the kills: what is done has to be waiting for them.
    seconds = max(2, int(KILLS * CYCLE_SECONDS * WIDTH / COUNT))
    again = {"attempts": 2, "backoff": {"initialSeconds": 1, "jitter": 0}}
    failing = {"sim.batchyard.dev/exit-code": "3"}
    hungry = {"sim.batchyard.dev/exit-code": "137", "sim.batchyard.dev/reason": "OOMKilled"}
    harness.apply(
        harness.simulated_environment(maxVcpus=WIDTH),
        harness.queue("simulated", "simulated"),
        harness.simulated_definition("plain", duration=f"{seconds}s"),
        harness.simulated_definition("failing", duration="1s", annotations=failing, retryStrategy=again),
        harness.simulated_definition("hungry", duration="1s", annotations=hungry, retryStrategy=again),
    )
    kinds = {f"{kind}-{index:03}": kind for index, kind in enumerate(rng.choices(list(KINDS), k=COUNT))}
    arrays = {f"{kind}-{index // len(ARRAYS)}": kind for index, kind in zip(range(ARRAY_COUNT), cycle(ARRAYS))}
    harness.apply(
        *(_job(harness, name, kind, kinds, rng) for name, kind in kinds.items()),
        *(_array(harness, name, kind) for name, kind in arrays.items()),
    )
    for _ in range(KILLS):
        time.sleep(rng.uniform(0.0, 3.0))
        operator.replace()

    statuses = harness.wait_finished([*kinds, *arrays], seconds=300)
    of_arrays = {name: statuses.pop(name) for name in arrays}
    bound = runs.bound(harness)
    assert {name: (status["state"], status["reason"]) for name, status in of_arrays.items()} == {
        name: ARRAYS[kind][:2] for name, kind in arrays.items()
    }
    # The Job controller may be told too late that places are given back, and stop pods: these indexes are said to
    # restart, unless the operator is killed before it hears of them.
    restarts = {name: status["array"].get("restarts", 0) for name, status in of_arrays.items()}
    for name, kind in arrays.items():
        jobs, pods = ARRAYS[kind][2:]
        story = runs.story(harness, name)
        assert len(runs.jobs[name]) == jobs, story
        assert pods + restarts[name] <= bound[name] <= pods + AT_ONCE, story
    assert {name: (status["state"], status["reason"]) for name, status in statuses.items()} == {
        name: KINDS[kind][:2] for name, kind in kinds.items()
    }
    expected = {name: KINDS[kind][2] for name, kind in kinds.items()}
    assert {name: len(status["attempts"]) for name, status in statuses.items()} == expected
    assert {name: len(runs.jobs[name]) for name in kinds} == expected
    assert {name: bound.get(name, 0) for name in kinds} == expected
    assert runs.overlaps == set()
    assert {status["interruptions"] for status in statuses.values()} == {0}


def _audited(harness: Harness, text: str) -> Iterator[dict[str, Any]]:
    """What the API server was asked to write in the namespace of the test, of the lines with that text."""
    log = harness.cluster.audit_log
    if log is None:
        return
    with log.open() as lines:
        for line in lines:
            if harness.namespace in line and text in line:
                event = json.loads(line)
                if event["objectRef"].get("namespace") == harness.namespace:
                    yield event


def _array(harness: Harness, name: str, kind: str) -> dict[str, Any]:
    if kind == "array-paired":
        partner = [{"job": name.replace("array-paired", "array"), "type": "NToN"}]
        return harness.job(name, "plain", "simulated", array={"size": SIZE}, dependsOn=partner)
    definition = "failing" if kind == "array-failing" else "plain"
    return harness.job(name, definition, "simulated", array={"size": SIZE, "maxConcurrency": AT_ONCE})


def _job(harness: Harness, name: str, kind: str, kinds: dict[str, str], rng: random.Random) -> dict[str, Any]:
    wanted = {"after": "plain", "spoilt": "failing"}.get(kind)
    if wanted is None:
        return harness.job(name, kind, "simulated")
    other = rng.choice([each for each, found in kinds.items() if found == wanted])
    return harness.job(name, "plain", "simulated", dependsOn=[{"job": other}])
