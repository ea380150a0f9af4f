"""What a tenant may write with their own token ends nobody's operator, not even the next one, and holds nobody up.

One namespace has an editor and a submitter, who write what is odd; in another one jobs are to run as ever. kubectl's
own checks are switched off, as a tenant can.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from batchyard.handlers.setup import NO_FINALIZER
from e2e.clusterapi import BATCHJOBS, ClusterApi, Json, path_of, until
from e2e.conftest import OPERATOR_NAMESPACE
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess
from e2e.tenants import Tenant, bound_for_the_cluster, submitter
from localcluster import LocalClusterError
from localcluster.images import SHELL

pytestmark = pytest.mark.e2e

YEAR = 31_536_000
KIB = 1024


@pytest.fixture(scope="module", autouse=True)
def furnished(shared: Harness) -> None:
    """What the tests submit jobs to."""
    shared.apply(
        shared.simulated_environment(),
        shared.queue("queue", "simulated"),
        shared.simulated_definition("short"),
    )


@pytest.fixture(scope="module")
def submits(shared: Harness, tenant: Tenant, tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    """Who may create BatchJobs there and nothing else."""
    return submitter(shared, tmp_path_factory.mktemp("submitter"))


@pytest.fixture(autouse=True)
def untouched(shared: Harness, operator: OperatorProcess) -> Iterator[None]:
    """The operator goes on, nothing is raised in it, and jobs run."""
    began = operator.log.stat().st_size
    yield
    assert operator.alive, operator.tail()
    with operator.log.open("rb") as log:
        log.seek(began)
        assert b"Traceback" not in log.read()
    shared.kubectl("delete", "batchjobs", "sound", "--ignore-not-found")
    shared.apply(shared.job("sound", "short", "queue"))
    shared.wait_state("sound", "Succeeded")


def raw(tenant: Tenant, shared: Harness, obj: Json) -> None:
    """Create a BatchJob without kubectl's checks, and without its limits on how large a file is."""
    tenant.kubectl("create", "--raw", path_of(BATCHJOBS, shared.namespace), "-f", "-", input=json.dumps(obj))


def zero(**amounts: Any) -> list[Json]:
    return [{"name": "main", "resources": {"requests": amounts, "limits": amounts}}]


NUMBERS: dict[str, tuple[Json, str, str]] = {
    "nothing": ({"containerOverrides": zero(cpu=0, memory=0)}, "Succeeded", ""),
    "no-pods": ({"containerOverrides": zero(cpu=0, memory=0, pods=0)}, "Failed", "'pods' is no resource"),
    "huge": ({"containerOverrides": zero(memory="1e30")}, "Failed", "is more than there can be"),
    "tiny": ({"containerOverrides": zero(cpu="1e-99")}, "Succeeded", ""),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(shared: Harness, submits: Tenant, name: str) -> None:
    fields, state, words = NUMBERS[name]
    raw(submits, shared, shared.job(name, "short", "queue", **fields))
    status = shared.wait_state(name, state)
    assert words in status.get("message", "")
    assert len(json.dumps(status)) < 4 * KIB
    assert "\n" not in status.get("message", "")


def test_time_that_comes_to_no_date(shared: Harness, submits: Tenant) -> None:
    """Behind an array that would take a hundred thousand years there is no date, and that is said."""
    array = {"size": 100_000, "maxConcurrency": 1}
    timeout = {"attemptDurationSeconds": YEAR}
    shared.apply(
        shared.simulated_environment("narrow", maxVcpus=1),
        shared.queue("line", "narrow"),
        shared.simulated_definition("endless", duration="600s"),
    )
    raw(submits, shared, shared.job("ahead", "endless", "line", array=array, timeout=timeout))
    raw(submits, shared, shared.job("behind", "short", "line"))
    told = "its start has no date: going by timeouts and earlier runs, what goes before it takes more than ten years"
    status = shared.wait_status("behind", lambda status: told in status.get("message", ""), describe="without a date")
    assert status["reason"] == "InsufficientCapacity"
    assert "estimatedStartAt" not in status
    shared.kubectl("delete", "batchjobs", "ahead", "behind")


def test_words_and_parameters(shared: Harness, tenant: Tenant, submits: Tenant) -> None:
    """What takes quadratic time, or expands to gigabytes, if it is taken as it is."""
    dotted = "Ref::" + "a." * 32_000
    tenant.create(
        shared.definition("expanding", "echo", *["Ref::p" * 10_922], container={"image": SHELL}),
        shared.definition("dotted", "echo", *[dotted] * 4, container={"image": SHELL}),
    )
    shared.wait_condition("jobdefinitions", "expanding", "TemplateAccepted")
    raw(submits, shared, shared.job("expanding", "expanding", "queue", parameters={"p": "x" * 32 * KIB}))
    names_of_all_lengths = {("a." * length)[:length]: "" for length in range(1, 129)}
    raw(submits, shared, shared.job("dotted", "dotted", "queue", parameters=names_of_all_lengths))
    raw(submits, shared, shared.job("unknown", "dotted", "queue"))
    assert "come to more than 262,144 characters" in shared.wait_state("expanding", "Failed")["message"]
    message = shared.wait_state("unknown", "Failed")["message"]
    assert "has no value" in message
    assert len(message) < KIB


FORGED = "Forged:  by a tenant"


def test_words_of_a_tenant_forge_no_line(
    shared: Harness, tenant: Tenant, submits: Tenant, operator: OperatorProcess
) -> None:
    """Last words of a container, a reason to stop, a resource's name: none begins a line of a description or a log."""
    began = operator.log.stat().st_size
    shared.apply(shared.real_environment(), shared.queue("real", "real"))
    last_words = f"printf 'no\\n{FORGED}\\r\\033[2K\\n{FORGED}\\n' > /dev/termination-log; exit 3"
    tenant.create(shared.definition("forging", "sh", "-c", last_words))
    stop = {"mode": "Cancel", "reason": f"no\n{FORGED}"}
    raw(submits, shared, shared.job("forging", "forging", "real"))
    raw(submits, shared, shared.job("forging-stopped", "short", "queue", suspend=True, stop=stop))
    overrides = zero(**{f"no\n{FORGED}": 1})
    with pytest.raises(LocalClusterError, match="each amount needs the name of a resource"):
        raw(submits, shared, shared.job("forging-asking", "short", "queue", containerOverrides=overrides))
    assert f"no ↵ {FORGED} ↵ \ufffd[2K ↵ {FORGED}" in shared.wait_state("forging", "Failed")["message"]
    assert f"no ↵ {FORGED}" in shared.wait_state("forging-stopped", "Failed")["message"]
    for kind, name in [
        *(("batchjob", each) for each in ("forging", "forging-stopped")),
        *(("jobqueue", shared.named(each)) for each in ("real", "queue")),
        *(("computeenvironment", shared.named(each)) for each in ("real", "simulated")),
    ]:
        _, _, ours = shared.kubectl("describe", kind, name).rpartition("\nStatus:")  # the spec is the tenant's own
        assert ours
        assert not [line for line in ours.splitlines() if line.strip().startswith("Forged")]
    lines = operator.log.read_bytes()[began:].decode().splitlines()
    assert not [line for line in lines if not re.match(r"\d{4}-\d\d-\d\d |  \| ", line)]


def test_who_is_shown_the_queues_is_shown_nobodys_jobs(shared: Harness, tenant: Tenant) -> None:
    """The role of what belongs to no namespace, bound for the whole cluster, beside rights in one namespace."""

    def sees(*what: str) -> bool:
        try:
            tenant.kubectl("get", *what)
        except LocalClusterError:
            return False
        return True

    assert sees("batchjobs")
    assert not sees("jobqueues")
    with bound_for_the_cluster(shared, tenant, "batchyard-queues-view"):
        until(lambda: sees("jobqueues"), 30, lambda: "the right to see queues")
        assert sees("jobqueue", shared.named("queue"), "--output=yaml")
        assert sees("computeenvironments")
        assert sees("consumableresources")
        for kind in ("batchjobs", "jobdefinitions"):
            assert not sees(kind, "--namespace=default")
            assert not sees(kind, "--all-namespaces")
        with pytest.raises(LocalClusterError, match="forbidden"):
            tenant.kubectl("delete", "jobqueue", shared.named("queue"))


def test_large_jobs_are_refused_and_a_new_operator_reads_them(
    shared: Harness, submits: Tenant, operator: OperatorProcess
) -> None:
    parameters = {f"p{number}": "x" * 32_000 for number in range(36)}
    for number in range(40):
        raw(submits, shared, shared.job(f"large-{number}", "short", "queue", suspend=True, parameters=parameters))
    status = shared.wait_state("large-39", "Failed")
    assert "that of a BatchJob may have 128 at most: shorten spec.parameters" in status["message"]
    operator.restart()
    assert operator.memory_mib < 300


def test_finalizers_are_their_owners(shared: Harness, tenant: Tenant, api: ClusterApi) -> None:
    """Kopf takes off what it thinks is its own, which is none that an object can have."""
    finalizers = ["batchyard.dev/unused", "kopf.zalando.org/KopfFinalizerMarker"]
    job = shared.job("kept", "short", "queue")
    with pytest.raises(LocalClusterError, match="Invalid value"):
        tenant.create({**job, "metadata": {"name": "kept", "finalizers": [NO_FINALIZER]}})
    tenant.create({**job, "metadata": {"name": "kept", "finalizers": finalizers}})
    shared.wait_state("kept", "Succeeded")
    tenant.kubectl("delete", "batchjob", "kept", "--wait=false")
    tenant.kubectl("annotate", "batchjob", "kept", "kopf.zalando.org/last-handled-configuration={}")
    assert api.get(path_of(BATCHJOBS, shared.namespace, "kept"))["metadata"]["finalizers"] == finalizers
    tenant.kubectl("patch", "batchjob", "kept", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


@pytest.mark.parametrize("namespace", ["kube-system", OPERATOR_NAMESPACE])
def test_no_job_runs_where_the_cluster_itself_does(shared: Harness, submits: Tenant, namespace: str) -> None:
    """Whoever may create BatchJobs there gets none of the service accounts of that namespace by it."""
    account = f"{shared.namespace}:submitter"
    there = ("--namespace", namespace)
    shared.cluster.kubectl(
        *there, "create", "role", "submitter", "--verb=create,get", "--resource=batchjobs.batchyard.dev"
    )
    try:
        shared.cluster.kubectl(
            *there, "create", "rolebinding", "submitter", "--role=submitter", f"--serviceaccount={account}"
        )
        job = shared.job("intruder", "short", "queue", containerOverrides=[{"name": "main", "image": SHELL}])
        until(lambda: "yes" in submits.kubectl(*there, "auth", "can-i", "create", "batchjobs.batchyard.dev"), 30, str)
        submits.kubectl(*there, "create", "-f", "-", input=json.dumps(job))

        def status() -> Json | None:
            found = json.loads(submits.kubectl(*there, "get", "batchjob", "intruder", "-o", "json")).get("status")
            return found if found and found.get("state") == "Failed" else None

        found = until(status, 30, lambda: "the job has not failed")
        assert found["reason"] == "NamespaceProtected"
        assert "no jobs run there: use another namespace" in found["message"]
    finally:
        shared.cluster.kubectl(*there, "delete", "batchjob,role,rolebinding", "intruder", "submitter", check=False)
