"""What tenants with the `edit` role can do where the chart's admission policy is not there, and what they cannot."""

import pytest

from batchyard.api import names
from e2e.clusterapi import JOBS, REVISIONS, ClusterApi, Json, path_of, until
from e2e.harness import Harness, exit_codes
from e2e.operatorprocess import OperatorProcess
from e2e.tenants import Tenant
from localcluster.images import SHELL

pytestmark = pytest.mark.e2e

KEPT = "example.com/mine"
"""A finalizer: the garbage collector deletes what names an owner of another namespace, and this keeps it there."""


@pytest.fixture(scope="module", autouse=True)
def furnished(shared: Harness) -> None:
    """What the tests submit jobs to."""
    shared.apply(
        shared.simulated_environment(),
        shared.queue("queue", "simulated"),
        shared.simulated_definition("short"),
        shared.simulated_definition("long", duration="600s"),
    )


def forged(owner: Json, name: str, like: Json | None = None) -> Json:
    """A Job that ends at once and says that it is a run of a BatchJob, or all that another Job says."""
    said, uid = owner["metadata"]["name"], owner["metadata"]["uid"]
    reference = {"apiVersion": names.API_VERSION, "kind": "BatchJob", "name": said, "uid": uid, "controller": True}
    metadata: Json = {"labels": {names.JOB: said, names.JOB_UID: uid, names.RUN: "1"}}
    if like is not None:
        metadata = {key: like["metadata"][key] for key in ("labels", "annotations")}
    container = {"name": "main", "image": SHELL, "resources": {"requests": {"cpu": "900"}}}
    pod = {"restartPolicy": "Never", "nodeName": "nowhere", "containers": [container]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "finalizers": [KEPT], "ownerReferences": [reference], **metadata},
        "spec": {"activeDeadlineSeconds": 1, "template": {"metadata": {"labels": metadata["labels"]}, "spec": pod}},
    }


def test_a_job_that_names_the_uid_of_a_foreign_job_is_not_believed(
    tenant: Tenant, shared: Harness, harness: Harness, operator: OperatorProcess
) -> None:
    """It fails here, which the job of the other namespace must not, whether it runs or waits."""
    harness.apply(
        harness.simulated_environment(),
        harness.queue("queue", "simulated"),
        harness.simulated_definition("long", duration="600s"),
        harness.job("running", "long", "queue"),
        harness.job("array", "long", "queue", array={"size": 2}),
        harness.job("waiting", "long", "queue", suspend=True),
    )
    victims = ("running", "array", "waiting")
    harness.wait_reason("running", "ContainerRunning")
    harness.wait_status("array", lambda status: bool(status.get("array", {}).get("running") == 2))
    harness.wait_reason("waiting", "Suspended")
    [run] = harness.jobs_of("running")
    found = harness.batchjobs()
    before = harness.statuses()
    made = [f"{name}-{number}" for name in victims for number in (1, 2)] + ["copied"]
    tenant.create(
        *(forged(found[name], f"{name}-{number}") for name in victims for number in (1, 2)),
        forged(found["running"], "copied", run),
    )

    def failed() -> bool:
        jobs = [shared.api.get(path_of(JOBS, shared.namespace, name)) for name in made]
        return all(_ended(job) for job in jobs)

    try:
        until(failed, 60, lambda: shared.kubectl("get", "jobs,pods"))
        operator.restart()
        shared.apply(shared.job("after", "short", "queue"))
        shared.wait_state("after", "Succeeded")
        assert harness.statuses() == before
        used = harness.wait_shown("computeenvironments", "simulated", lambda status: "used" in status)["used"]
        assert used["cpu"] == "3"
    finally:
        for name in made:
            tenant.kubectl("patch", "job", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


def _ended(job: Json) -> bool:
    conditions = {each["type"] for each in job.get("status", {}).get("conditions", [])}
    return "Failed" in conditions or "deletionTimestamp" in job["metadata"]


@pytest.mark.parametrize("pods_too", [False, True])
def test_a_job_whose_labels_are_taken_off_is_not_run_twice_at_the_same_time(
    tenant: Tenant, shared: Harness, operator: OperatorProcess, pods_too: bool
) -> None:
    """The run counts as deleted, as the docs say, and the next one begins when the first is not there any more."""
    name = f"unlabelled-{pods_too}".lower()
    tenant.create(shared.job(name, "long", "queue"))
    shared.wait_state(name, "Running")
    taken = [f"job/{name}-1"]
    if pods_too:
        taken += [f"pod/{each['metadata']['name']}" for each in shared.pods_of(name)]
    for each in reversed(taken):
        tenant.kubectl("label", each, f"{names.JOB_UID}-")
    shared.wait_state(name, "Runnable")
    why = f"Kubernetes Job {name}-1 in namespace {shared.namespace} still exists" if pods_too else "waits for pod"
    shared.wait_status(name, lambda status: why in status["message"])
    operator.restart()
    assert _runs(shared, name) == [f"{name}-1"]
    tenant.kubectl("delete", "job", f"{name}-1")
    status = shared.wait_state(name, "Running")
    assert status["jobName"] == f"{name}-2"
    assert _runs(shared, name) == [f"{name}-2"]
    assert exit_codes(status)[0] is None
    tenant.kubectl("delete", "batchjob", name)


def _runs(shared: Harness, name: str) -> list[str]:
    found = (each["metadata"]["name"] for each in shared.api.list(JOBS, shared.namespace))
    return [each for each in found if each.startswith(f"{name}-")]


def test_a_revision_that_a_stateful_set_makes_is_none(
    tenant: Tenant, shared: Harness, api: ClusterApi, operator: OperatorProcess
) -> None:
    """It has the labels of one of ours, and holds what the tenant wants to be run under that name."""
    [ours] = api.list(REVISIONS, shared.namespace, labelSelector=f"{names.DEFINITION}=short")
    labels = {**ours["metadata"]["labels"], "app": "forging"}
    for number in ("1", "7"):
        said = {**labels, names.REVISION: number, "app": f"forging-{number}"}
        template = {"metadata": {"labels": said}, "spec": {"containers": [{"name": "main", "image": "evil"}]}}
        spec = {
            "selector": {"matchLabels": {"app": said["app"]}},
            "serviceName": "x",
            "replicas": 0,
            "template": template,
        }
        tenant.create({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": said["app"]}, "spec": spec})

    def made() -> bool:
        found = api.list(REVISIONS, shared.namespace, labelSelector=f"{names.DEFINITION}=short")
        return len(found) == 3

    until(made, 30, lambda: shared.kubectl("get", "statefulsets,controllerrevisions", "--show-labels"))
    operator.restart()
    tenant.create(
        shared.job("latest", "short", "queue"),
        shared.job("first", "short:1", "queue"),
        shared.job("seventh", "short:7", "queue"),
    )
    for name in ("latest", "first"):
        shared.wait_state(name, "Succeeded")
        [pod] = shared.pods_of(name)
        assert [each["image"] for each in pod["spec"]["containers"]] == [SHELL]
    assert "short has no revision 7: it has 1" in shared.wait_reason("seventh", "RevisionNotFound")["message"]
    shown = api.get(path_of((names.API_VERSION, "jobdefinitions"), shared.namespace, "short"))
    assert shown["status"]["latestRevision"] == 1
