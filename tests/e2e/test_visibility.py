"""With `visibility.names: namespace`, a tenant reads of a queue and of Events no more than what is theirs."""

from collections.abc import Iterator

import pytest

from e2e.clusterapi import Json, until
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess
from e2e.tenants import Tenant, bound_for_the_cluster

pytestmark = pytest.mark.e2e

READ = ("batchjobs", "jobs", "pods", "events", "jobdefinitions")
READ_OF_ALL = ("jobqueues", "computeenvironments", "consumableresources")


@pytest.fixture(scope="module")
def tenant(tenant: Tenant, shared: Harness, operator: OperatorProcess) -> Iterator[Tenant]:
    """Who may also see all queues, while the operator keeps names to their namespaces."""
    operator.restart("--show-names", "namespace")
    with bound_for_the_cluster(shared, tenant, "batchyard-queues-view"):
        until(lambda: tenant.may("get", "jobqueues"), 30, lambda: "the right to see queues")
        yield tenant
    operator.restart()


def test_a_tenant_reads_of_no_job_of_another_namespace(tenant: Tenant, shared: Harness, harness: Harness) -> None:
    """Whose jobs are before theirs, displace theirs, and take what theirs wait for."""
    preempts = {"policy": "LowerPriority", "minimumRunSeconds": 0}
    licence = {"name": shared.named("licence"), "quantity": 1}
    shared.apply(
        shared.simulated_environment(maxVcpus=2),
        shared.queue("low", "simulated", priority=1),
        shared.queue("other", "simulated", priority=1),
        shared.queue("high", "simulated", priority=9, preemption=preempts),
        shared.object("ConsumableResource", "licence", {"total": 1}),
    )
    for each in (shared, harness):
        each.apply(
            each.simulated_definition("long", duration="600s"),
            each.simulated_definition("licensed", duration="600s", consumableResources=[licence]),
        )

    harness.apply(shared.job("payroll-licensed", "licensed", "high"))
    harness.wait_state("payroll-licensed", "Running")
    tenant.create(shared.job("victim", "long", "low"))
    shared.wait_state("victim", "Running")
    harness.apply(shared.job("payroll-urgent", "long", "high"))
    harness.wait_state("payroll-urgent", "Running")
    shared.wait_reason("victim", "InsufficientCapacity")
    tenant.create(shared.job("licensed", "licensed", "other"))
    shared.wait_reason("licensed", "ConsumableResourceUnavailable")
    harness.apply(shared.job("payroll-next", "long", "high"), shared.job("payroll-behind", "long", "low"))
    uid = harness.batchjobs()["payroll-next"]["metadata"]["uid"]

    def front(status: Json) -> bool:
        return any(each["uid"] == uid for each in status.get("front", []))

    status = shared.wait_shown("jobqueues", "high", front)
    assert status["head"]["uid"] == uid
    own = shared.batchjobs()["victim"]["metadata"]["uid"]
    shared.wait_shown("jobqueues", "low", lambda status: own in [each["uid"] for each in status.get("front", [])])
    read = {kind: tenant.kubectl("get", kind, "--output=json") for kind in READ}
    for kind in READ_OF_ALL:
        read[kind] = tenant.kubectl("get", kind, "--output=json")
        assert shared.namespace in read[kind]
        read[f"describe {kind}"] = tenant.kubectl("describe", kind)
    read["describe"] = tenant.kubectl("describe", "batchjobs")
    named = {kind: text for kind, text in read.items() if "payroll" in text or harness.namespace in text}
    assert not named
    assert "makes room for a job of another namespace of queue" in read["events"]
