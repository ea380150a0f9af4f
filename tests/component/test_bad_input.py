"""Objects that are wrong in every known way, taken in by an operator whose API server checks nothing.

The CRDs refuse them at apply time; those in a cluster may be older than the operator, or newer.
"""

from typing import Any

import pytest

from batchyard.kube.errors import Forbidden
from batchyard.kube.resources import BATCHJOBS, JOBS, NODES, OWN, PODS
from fakes.cluster import Cluster, in_cluster
from fakes.kubejobs import NAMESPACE
from fakes.scenarios import GOOD, furnish_good, still_works
from objects.api import BAD, NOT_YET, REFUSED, Bad, manifest

NAMES = {
    "ConsumableResource": "licence",
    "JobDefinition": "transcode",
    "JobQueue": "urgent",
    "ComputeEnvironment": "on-prem",
}
REFERS = {"JobDefinition": {"consumableResources": [{"name": "licence"}]}}


def apply(cluster: Cluster, bad: Bad) -> str:
    """Create the bad object under a name that others refer to; returns the name."""
    name = bad.name if bad.name != "sample" else NAMES.get(bad.kind, "bad")
    body = {**bad.manifest, "metadata": {"name": name}}
    resource = OWN[bad.kind]
    cluster.store.create(resource, body, NAMESPACE if resource.namespaced else "")
    return name


@pytest.mark.parametrize("bad", [*BAD, *REFUSED], ids=lambda bad: f"{bad.kind}-{bad.id}")
@in_cluster(resync_seconds=1)
async def test_a_bad_object_says_what_is_wrong_and_harms_nobody(cluster: Cluster, bad: Bad) -> None:
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    await cluster.start_operator()
    name = apply(cluster, bad)
    await cluster.pass_time(5)
    ready, reason, message = cluster.condition(bad.kind, name)
    assert (ready, reason) == ("False", "InvalidSpec")
    assert bad.operator_says in message or NOT_YET in message
    assert cluster.condition(bad.kind, name, "Stalled")[0] == "True"
    await still_works(cluster, **GOOD)


@pytest.mark.parametrize(
    "bad",
    [each for each in (*BAD, *REFUSED) if each.kind != "BatchJob" and each.name == "sample"],
    ids=lambda bad: f"{bad.kind}-{bad.id}",
)
@in_cluster()
async def test_jobs_that_refer_to_a_bad_object_do_not_run(cluster: Cluster, bad: Bad) -> None:
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    apply(cluster, bad)
    for kind, name in NAMES.items():
        if kind != bad.kind:
            cluster.put(kind, name, **REFERS.get(kind, {}))
    await cluster.start_operator()
    cluster.submit("sample")
    await cluster.pass_time(5)
    assert cluster.kube_jobs() == []
    assert cluster.state("sample")[1] == "InvalidSpec"
    message = cluster.status("sample")["message"]
    assert bad.operator_says in message or NOT_YET in message
    await still_works(cluster, **GOOD)


@pytest.mark.parametrize("size", [2**63, 10**30])
@in_cluster()
async def test_an_array_with_more_indexes_than_can_be_counted_is_refused(cluster: Cluster, size: int) -> None:
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    process = await cluster.start_operator()
    cluster.submit("huge", array={"size": size})
    await cluster.pass_time(3)
    assert cluster.state("huge") == ("Failed", "InvalidSpec")
    assert not any(name == "batchyard_contained_errors_total" for name, _ in process.readings())
    await still_works(cluster, **GOOD)


@pytest.mark.parametrize("bad", [BAD[0], REFUSED[0]], ids=lambda bad: bad.id)
@in_cluster()
async def test_bad_objects_that_were_there_first_do_not_keep_the_operator_from_starting(
    cluster: Cluster, bad: Bad
) -> None:
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    for each in BAD:
        if each.name == "sample":
            body = {**each.manifest, "metadata": {"name": f"bad-{each.id}"}}
            resource = OWN[each.kind]
            cluster.store.create(resource, body, NAMESPACE if resource.namespaced else "")
    await cluster.start_operator()
    await still_works(cluster, **GOOD)


@pytest.mark.parametrize(
    "status",
    [
        {"state": "Blocked"},
        {"state": "Running", "attempts": [{"run": "one"}]},
        {"state": "Running", "startedAt": "yesterday"},
        {"jobDefinition": "transcode:latest"},
    ],
)
@in_cluster(resync_seconds=5)
async def test_a_status_that_cannot_be_read_stops_nobody(cluster: Cluster, status: dict[str, Any]) -> None:
    """As written by a newer version, or by hand."""
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    cluster.store.seed(
        BATCHJOBS, {**manifest("BatchJob"), "metadata": {"name": "odd", "namespace": NAMESPACE}, "status": status}
    )
    await cluster.start_operator()
    await cluster.pass_time(20)
    await still_works(cluster, **GOOD)


@in_cluster()
async def test_odd_nodes_jobs_and_pods_stop_nobody(cluster: Cluster) -> None:
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    labels = {"batchyard.dev/job": "x", "batchyard.dev/job-uid": "x", "batch.kubernetes.io/job-name": "x"}
    cluster.store.seed(NODES, {"metadata": {"name": "odd"}, "status": {"allocatable": {"cpu": "much"}}})
    cluster.store.seed(
        PODS,
        {
            "metadata": {"name": "odd", "namespace": NAMESPACE, "labels": labels},
            "spec": {},
            "status": {"startTime": "x"},
        },
    )
    await cluster.start_operator()
    await still_works(cluster, **GOOD)


@in_cluster()
async def test_a_foreign_job_of_the_same_name_is_named_and_waited_for(cluster: Cluster) -> None:
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    foreign = {"metadata": {"name": "sample-1"}, "spec": {"template": {"spec": {"containers": [{"name": "x"}]}}}}
    cluster.store.create(JOBS, foreign, NAMESPACE)
    await cluster.start_operator()
    cluster.submit("sample", jobQueue="good", jobDefinition="good")
    await cluster.pass_time(3)
    assert cluster.state("sample") == ("Runnable", "CreateFailed")
    assert (
        "a Kubernetes Job sample-1 that does not belong to this BatchJob exists" in cluster.status("sample")["message"]
    )
    await still_works(cluster, **GOOD)
    cluster.delete_kube_job("sample-1")
    await cluster.pass_time(60)
    assert cluster.state("sample") == ("Starting", "CreatingPod")


@in_cluster()
async def test_a_quota_holds_up_only_the_job_it_is_about(cluster: Cluster) -> None:
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    process = await cluster.start_operator()
    process.api.fail_next("create", JOBS, Forbidden(403, "Forbidden", "exceeded quota: pods=1"))
    cluster.submit("sample", jobQueue="good", jobDefinition="good")
    await cluster.pass_time(1)
    assert cluster.state("sample") == ("Runnable", "CreateFailed")
    assert "exceeded quota" in cluster.status("sample")["message"]
    await still_works(cluster, **GOOD)
    await cluster.pass_time(10)
    assert cluster.state("sample") == ("Starting", "CreatingPod")


GRACE = "spec.template.spec.terminationGracePeriodSeconds must be a whole number from 0 to 2147483647"


@pytest.mark.parametrize(
    ("grace", "state", "message"),
    [(None, ("Starting", "CreatingPod"), ""), ("30s", ("Failed", "InvalidSpec"), GRACE)],
)
@in_cluster()
async def test_an_odd_grace_period_concerns_its_job_alone(
    cluster: Cluster, grace: Any, state: tuple[str, str], message: str
) -> None:
    """It is read when a job might go before another one, which waits for room."""
    cluster.furnish(cpu="4", timeout={"attemptDurationSeconds": 3600})
    container = {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "1"}}}
    pod = {"spec": {"terminationGracePeriodSeconds": grace, "containers": [container]}}
    cluster.put("JobDefinition", "odd", container=None, template=pod, timeout={"attemptDurationSeconds": 60})
    process = await cluster.start_operator()
    await cluster.submit_and_start("running", containerOverrides=[{"resources": {"requests": {"cpu": "2"}}}])
    cluster.submit("large", containerOverrides=[{"resources": {"requests": {"cpu": "4"}}}])
    await cluster.pass_time(1)
    cluster.submit("small", jobDefinition="odd")
    await cluster.pass_time(5)
    assert process.stopped == []
    assert cluster.state("small") == state
    assert message in cluster.status("small").get("message", "")
    cluster.jobs.finish("running-1")
    cluster.delete("BatchJob", "small")
    await cluster.pass_time(5)
    assert cluster.state("large") == ("Starting", "CreatingPod")


@pytest.mark.parametrize("kind", list(OWN))
@pytest.mark.parametrize("spec", [7, [1], "x", True])
@in_cluster()
async def test_a_spec_that_is_no_object_is_refused_in_words(cluster: Cluster, kind: str, spec: Any) -> None:
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    process = await cluster.start_operator()
    resource = OWN[kind]
    cluster.store.create(
        resource, {**manifest(kind), "kind": kind, "spec": spec}, NAMESPACE if resource.namespaced else ""
    )
    await cluster.pass_time(5)
    ready, reason, message = cluster.condition(kind, "sample")
    assert (ready, reason) == ("False", "InvalidSpec")
    assert "must be an object" in message
    assert process.stopped == []


@pytest.mark.parametrize("kind", [kind for kind in OWN if kind != "BatchJob"])
@pytest.mark.parametrize(
    "status", [{"conditions": 7}, {"conditions": [{"type": "Ready"}]}, {"revisions": 3, "jobs": []}]
)
@in_cluster()
async def test_a_status_that_makes_no_sense_is_written_anew(
    cluster: Cluster, kind: str, status: dict[str, Any]
) -> None:
    cluster.add_node(cpu="64")
    furnish_good(cluster)
    namespace = {"namespace": NAMESPACE} if OWN[kind].namespaced else {}
    body = manifest(kind, name="sample")
    cluster.store.seed(OWN[kind], {**body, "metadata": {**body["metadata"], **namespace}, "status": status})
    await cluster.start_operator()
    await cluster.pass_time(10)
    assert cluster.condition(kind, "sample")[1] not in ("", "InvalidSpec")
    await still_works(cluster, **GOOD)
