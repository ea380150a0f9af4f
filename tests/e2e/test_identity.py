"""The chart's policy on a real API server: a tenant cannot make or change what looks like Batchyard's, and need not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import JOBS, PODS, REVISIONS, ClusterApi, Json, path_of, until
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess
from e2e.tenants import REFUSED, Tenant, policy_of_the_chart
from localcluster import Cluster, LocalClusterError
from localcluster.images import SHELL

pytestmark = pytest.mark.e2e

QUEUE = {names.QUEUE: "another"}


def refused(tenant: Tenant, *args: str, input: str | None = None) -> None:  # noqa: A002 - subprocess's word
    """Run kubectl, which the policy must refuse."""
    with pytest.raises(LocalClusterError, match=REFUSED):
        tenant.kubectl(*args, input=input)


@pytest.fixture(scope="module", autouse=True)
def policy(shared: Harness, cluster: Cluster) -> Iterator[None]:
    """The policy in force."""
    with policy_of_the_chart(cluster, shared):
        yield


@pytest.fixture(scope="module")
def running(shared: Harness, tenant: Tenant) -> str:
    """The name of the Kubernetes Job of a BatchJob that the tenant has submitted, and that runs on."""
    shared.apply(
        shared.simulated_environment(),
        shared.queue("queue", "simulated"),
        shared.simulated_definition("long", duration="600s"),
        shared.simulated_definition("short"),
    )
    tenant.create(shared.job("own", "long", "queue"))
    return str(shared.wait_state("own", "Running")["jobName"])


def pod(**metadata: Any) -> Json:
    container = {"name": "main", "image": SHELL, "resources": {"requests": {"cpu": "1000"}}}
    return {"metadata": metadata, "spec": {"restartPolicy": "Never", "containers": [container]}}


def job(name: str, template: Json | None = None, *, suspend: bool = True, **metadata: Any) -> Json:
    spec = {"suspend": suspend, "template": template or pod()}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, **metadata}, "spec": spec}


@pytest.mark.parametrize(
    "made",
    [
        job("labelled", labels=QUEUE),
        job("annotated", annotations={names.REQUEST: "{}"}),
        job("templated", pod(labels={names.JOB_UID: "x"})),
        job("both", pod(annotations={names.MARK: "x"})),
        {"apiVersion": "v1", "kind": "Pod", **pod(name="decoy", labels={names.JOB_UID: "x"})},
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"generateName": "generated-", "labels": {"batchyard.dev/anything": ""}},
            "spec": {"template": pod()},
        },
    ],
    ids=lambda made: made["metadata"].get("name", "generated"),
)
def test_a_tenant_cannot_make_what_looks_like_ours(tenant: Tenant, made: Json) -> None:
    refused(tenant, "create", "-f", "-", input=json.dumps(made))


def test_the_refusal_names_the_labels(tenant: Tenant) -> None:
    made = job("named", pod(labels={names.JOB_UID: "x"}), labels={**QUEUE, "team": "a"})
    with pytest.raises(LocalClusterError, match=r"leave batchyard\.dev/queue, batchyard\.dev/job-uid as it was"):
        tenant.create(made)


def test_a_tenant_cannot_change_what_our_objects_say(tenant: Tenant, shared: Harness, running: str) -> None:
    [own] = shared.pods_of("own")
    for kind, name in (("job", running), ("pod", own["metadata"]["name"])):
        refused(tenant, "label", kind, name, f"{names.JOB_UID}-")
        refused(tenant, "label", kind, name, "--overwrite", f"{names.QUEUE}=another")
        refused(tenant, "annotate", kind, name, "batchyard.dev/new=x")
    refused(tenant, "annotate", "job", running, "--overwrite", f"{names.REQUEST}={{}}")


def test_everything_else_about_them_can_be_changed(tenant: Tenant, shared: Harness, running: str) -> None:
    [own] = shared.pods_of("own")
    for kind, name in (("job", running), ("pod", own["metadata"]["name"])):
        tenant.kubectl("label", kind, name, "team=a")
        tenant.kubectl("annotate", kind, name, "example.org/note=seen")
    assert shared.statuses()["own"]["state"] == "Running"


def test_jobs_of_others_run_as_ever(tenant: Tenant, shared: Harness, api: ClusterApi) -> None:
    tenant.create(job("ordinary", pod(labels={"team": "a"}), suspend=False, annotations={"example.org/batchyard": "x"}))

    def made() -> list[Json]:
        return api.list(PODS, shared.namespace, labelSelector="batch.kubernetes.io/job-name=ordinary")

    until(made, 30, lambda: shared.kubectl("describe", "job", "ordinary"))
    tenant.kubectl("label", "job", "ordinary", "--overwrite", "team=b")
    tenant.kubectl("delete", "job", "ordinary")


def test_our_own_jobs_run_to_their_end(tenant: Tenant, shared: Harness, running: str) -> None:
    tenant.create(shared.job("short", "short", "queue"))
    tenant.create(shared.job("array", "short", "queue", array={"size": 3}))
    for name in ("short", "array"):
        shared.wait_state(name, "Succeeded")


def test_a_revision_cannot_be_made_through_the_labels_of_a_stateful_set(
    tenant: Tenant, shared: Harness, api: ClusterApi
) -> None:
    ours = {names.DEFINITION: "short", names.REVISION: "7"}
    for name, more in (("forging", ours), ("ordinary", {})):
        selected = {"app": name}
        template = {
            "metadata": {"labels": {**selected, **more}},
            "spec": {"containers": [{"name": "main", "image": SHELL}]},
        }
        spec = {"selector": {"matchLabels": selected}, "serviceName": "x", "replicas": 0, "template": template}
        tenant.create({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec})

    def revisions(name: str) -> list[Json]:
        return api.list(REVISIONS, shared.namespace, labelSelector=f"app={name}")

    until(lambda: revisions("ordinary"), 30, lambda: shared.kubectl("get", "statefulsets,controllerrevisions"))
    assert revisions("forging") == []


def test_a_job_that_got_past_the_policy_is_not_believed(
    tenant: Tenant, shared: Harness, running: str, operator: OperatorProcess
) -> None:
    """Made by an administrator, as if the policy were not there; the operator restarts and reads everything anew."""
    [ours] = shared.jobs_of("own")
    copied = ("labels", "annotations", "ownerReferences")
    metadata = {key: ours["metadata"][key] for key in copied}
    shared.apply(job("own-2", **metadata))
    operator.restart()
    tenant.create(shared.job("after", "short", "queue"))
    shared.wait_state("after", "Succeeded")

    def used(status: Json) -> bool:
        return bool(status.get("used", {}).get("cpu") == "1")

    shared.wait_shown("computeenvironments", "simulated", used)
    assert shared.statuses()["own"]["state"] == "Running"
    assert shared.api.get(path_of(JOBS, shared.namespace, "own-2"))["spec"]["suspend"] is True
