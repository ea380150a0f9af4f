"""A tenant who writes whatever comes to mind: the operator lives, others' jobs run, and what statuses say is true.

30 seconds by default; BATCHYARD_STORM_SECONDS=600 is the long form, BATCHYARD_STORM_SEED another row of writes, and
BATCHYARD_STORM_POLICY=off a cluster without the chart's admission policy.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from statistics import median
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import (
    BATCHJOBS,
    JOBS,
    PODS,
    REVISIONS,
    ApiRefusedError,
    ClusterApi,
    Collection,
    Json,
    path_of,
    until,
)
from e2e.harness import TERMINAL, Harness
from e2e.operatorprocess import OperatorProcess
from e2e.tenants import Tenant, policy_of_the_chart
from localcluster import Cluster
from localcluster.images import SHELL
from objects.odd import Odd

pytestmark = pytest.mark.e2e

SECONDS = float(os.environ.get("BATCHYARD_STORM_SECONDS", "30"))
SEED = int(os.environ.get("BATCHYARD_STORM_SEED", "1"))
POLICY = os.environ.get("BATCHYARD_STORM_POLICY", "on")
DEFINITIONS = (names.API_VERSION, "jobdefinitions")
SERVICES = ("v1", "services")
KIB = 1024
MOST_SECONDS = 30.0
"""For a job of another tenant, which takes one or two on an idle machine."""


class Storm:
    """One write after the other, as a tenant."""

    def __init__(self, harness: Harness, api: ClusterApi, queue: str) -> None:
        self.done: Counter[str] = Counter()
        self._odd = Odd(SEED, oddity=0.01)
        self._random = self._odd.random
        self._harness = harness
        self._api = api
        self._queue = queue

    def step(self) -> None:
        """Write something; whether it is taken is the API server's to decide."""
        steps = {
            self._submit: 35,
            self._define: 12,
            self._change_job: 15,
            self._change_ours: 15,
            self._forge: 10,
            self._delete: 13,
        }
        step = self._random.choices(list(steps), list(steps.values()))[0]
        try:
            step()
        except ApiRefusedError:
            self.done["refused"] += 1
        else:
            self.done[step.__name__.strip("_")] += 1

    def _submit(self) -> None:
        spec = self._odd.spec(names.BATCH_JOB)
        if isinstance(spec, dict):
            spec["jobQueue"] = self._queue if self._likely() else spec.get("jobQueue")
            spec["jobDefinition"] = "short" if self._likely() else spec.get("jobDefinition")
            spec.pop("shareIdentifier", None)
        name = f"odd-{self._random.randrange(100)}"
        try:
            self._create(BATCHJOBS, names.BATCH_JOB, name, spec)
        except ApiRefusedError:
            self._api.delete(self._path(BATCHJOBS, name))  # for the next one of that name

    def _define(self) -> None:
        name = f"jobdefinition-{self._random.randrange(6)}"
        spec = self._odd.spec(names.JOB_DEFINITION)
        try:
            self._create(DEFINITIONS, names.JOB_DEFINITION, name, spec)
        except ApiRefusedError:
            self._api.patch(self._path(DEFINITIONS, name), {"spec": spec})

    def _create(self, collection: Collection, kind: str, name: str, spec: Any) -> None:
        body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": self._metadata(name), "spec": spec}
        self._api.post(self._path(collection), body)

    def _metadata(self, name: str) -> Json:
        marks = {self._key(): self._odd.text() for _ in range(self._random.randrange(3))}
        return {"name": name, self._random.choice(["labels", "annotations"]): marks}

    def _key(self) -> str:
        ours = [names.JOB, names.JOB_UID, names.QUEUE, names.ARRAY, names.MARK, names.REQUEST, "batchyard.dev/anything"]
        return self._random.choice([*ours, "kopf.zalando.org/last-handled-configuration", "team"])

    def _change_job(self) -> None:
        """Of a BatchJob that is there what may change, and what may not."""
        job = self._one_of(BATCHJOBS)
        change: Json = self._random.choice(
            [
                {"spec": {"suspend": self._likely()}},
                {"spec": {"stop": {"mode": self._random.choice(["Cancel", "Terminate"]), "reason": "x" * 1024}}},
                {"spec": {"stopIndexes": [{"indexes": "0-3", "reason": "a\tb"}]}},
                {"spec": {self._random.choice(["array", "parameters", "stop"]): self._odd.junk()}},
                {"status": {"state": "Succeeded"}},
                {"metadata": {"finalizers": ["batchyard.dev/unused", "example.com/mine"]}},
                {"metadata": {"finalizers": None, "labels": {self._key(): self._odd.text()}}},
            ]
        )
        self._api.patch(self._path(BATCHJOBS, job["metadata"]["name"]), change)

    def _change_ours(self) -> None:
        """Of a Kubernetes Job or a pod that Batchyard has made."""
        collection = self._random.choice([JOBS, JOBS, PODS])
        obj = self._one_of(collection)
        key = self._key()
        changes: list[Json] = [
            {"metadata": {"labels": {key: None}}},
            {"metadata": {"annotations": {key: self._odd.text()}}},
            {"metadata": {"ownerReferences": None}},
            {"metadata": {"finalizers": ["example.com/mine"]}},
        ]
        if collection == JOBS:
            changes += [
                {"spec": {"suspend": self._likely()}},
                {"spec": {"parallelism": self._random.randrange(50)}},
                {"spec": {"activeDeadlineSeconds": 1, "ttlSecondsAfterFinished": 0}},
            ]
        self._api.patch(self._path(collection, obj["metadata"]["name"]), self._random.choice(changes))

    def _forge(self) -> None:
        """A Job or a pod that says it belongs to a BatchJob."""
        owner = self._one_of(BATCHJOBS)["metadata"]
        reference = {
            "apiVersion": names.API_VERSION,
            "kind": names.BATCH_JOB,
            "name": owner["name"],
            "uid": owner["uid"],
        }
        labels = {names.JOB: owner["name"], names.JOB_UID: owner["uid"]} if self._random.random() < 0.5 else {}
        name = self._random.choice([f"{owner['name']}-{self._random.randrange(1, 4)}", "forged"])
        metadata = {"name": name, "labels": labels, "ownerReferences": [{**reference, "controller": self._likely()}]}
        pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": SHELL}]}
        if self._random.random() < 0.5:
            self._api.post(self._path(PODS), {"metadata": metadata, "spec": pod})
        else:
            spec = {"suspend": self._likely(), "template": {"metadata": {"labels": labels}, "spec": pod}}
            self._api.post(self._path(JOBS), {"metadata": metadata, "spec": spec})

    def _delete(self) -> None:
        collection = self._random.choice([BATCHJOBS, BATCHJOBS, JOBS, PODS, DEFINITIONS, REVISIONS, SERVICES])
        self._api.delete(self._path(collection, self._one_of(collection)["metadata"]["name"]))

    def _one_of(self, collection: Collection) -> Json:
        found = self._api.list(collection, self._harness.namespace, limit="50")
        if not found:
            raise ApiRefusedError("there is none")
        return self._random.choice(found)

    def _path(self, collection: Collection, name: str = "") -> str:
        return path_of(collection, self._harness.namespace, name, fieldValidation="Ignore")

    def _likely(self) -> bool:
        return self._random.random() < 0.8


@pytest.fixture
def storm(shared: Harness, cluster: Cluster, tenant: Tenant) -> Iterator[Storm]:
    """A storm in the namespace of a tenant, with the chart's policy and roles in force."""
    shared.apply(
        shared.simulated_environment(maxVcpus=20),
        shared.queue("queue", "simulated"),
        shared.simulated_definition("short", duration="1s"),
    )
    policy = nullcontext() if POLICY == "off" else policy_of_the_chart(cluster, shared)
    with policy, tenant.api() as api:
        yield Storm(shared, api, shared.named("queue"))


@pytest.mark.timeout(SECONDS + 300)  # the long form takes longer than tests may
def test_a_tenants_storm_ends_nothing_and_holds_nobody_up(
    storm: Storm, shared: Harness, harness: Harness, operator: OperatorProcess
) -> None:
    logged = operator.log.stat().st_size
    operator.restart()  # its memory and its passes are those of this test
    harness.apply(
        harness.simulated_environment("good"), harness.queue("good", "good"), harness.simulated_definition("good")
    )
    took: list[float] = []
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        name, began = f"good-{len(took)}", time.monotonic()
        harness.apply(harness.job(name, "good", "good"))
        while harness.statuses()[name].get("state") not in TERMINAL:
            storm.step()
            assert time.monotonic() - began < MOST_SECONDS, harness.statuses()[name]
        took.append(time.monotonic() - began)
        assert harness.statuses()[name]["state"] == "Succeeded"
        assert operator.alive, operator.tail()
    metrics = operator.metrics()
    passes, short = metrics["batchyard_pass_seconds_count", ""], metrics["batchyard_pass_seconds_bucket", "1.0"]
    contained = {
        labels: value for (name, labels), value in metrics.items() if name == "batchyard_contained_errors_total"
    }
    print(f"{dict(storm.done)}; {len(took)} jobs of others took {median(took):.1f} s, the slowest {max(took):.1f} s")
    print(f"{passes:.0f} passes, {passes - short:.0f} above 1 s; {operator.memory_mib:.0f} MiB; contained {contained}")
    assert passes == short
    assert operator.memory_mib < 300
    assert contained == {}
    assert b"Traceback" not in operator.log.read_bytes()[logged:]
    _what_is_said_is_true(shared)


def _what_is_said_is_true(shared: Harness) -> None:
    """Once all is quiet: what runs has a Kubernetes Job, what has succeeded has run, and nothing is taken by nobody."""

    def settled() -> bool:
        statuses = shared.statuses()
        uids = {job["metadata"]["uid"]: name for name, job in shared.batchjobs().items()}
        live = {
            uids.get(job["metadata"]["labels"].get(names.JOB_UID, ""))
            for job in shared.api.list(JOBS, shared.namespace, labelSelector=names.MANAGED_BY)
        }
        for name, status in statuses.items():
            if status.get("state") in ("Starting", "Running") and name not in live:
                return False
            if status.get("state") == "Succeeded" and "array" not in status and status["attempts"][-1]["exitCode"] != 0:
                return False
        return True

    until(settled, 60, lambda: json.dumps(shared.statuses())[:5000])
    assert all(len(json.dumps(status)) < 256 * KIB for status in shared.statuses().values())
    kinds = "batchjobs,jobs,pods"
    shared.kubectl("delete", kinds, "--all", "--wait=false")
    for name in shared.kubectl("get", kinds, "-o", "name").split():
        shared.kubectl("patch", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}', check=False)

    def nothing_used(status: Json) -> bool:
        return not any(amount not in ("0", 0) for amount in (status.get("used") or {}).values())

    shared.wait_shown("computeenvironments", "simulated", nothing_used)
