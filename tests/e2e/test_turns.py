"""A tenant who writes what they like gets no more than their turn, and keeps nothing from the others."""

import time

import pytest

from batchyard.core.lifecycle.queuedat import TOGETHER_SECONDS
from e2e.clusterapi import Json
from e2e.harness import Harness
from e2e.tenants import Tenant

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def furnished(shared: Harness) -> None:
    """What the tests submit jobs to."""
    shared.apply(
        shared.simulated_environment(),
        shared.simulated_environment("narrow", maxVcpus=1),
        shared.simulated_definition("short"),
        shared.simulated_definition("long", duration="600s"),
    )


def test_fresh_shares_get_around_no_limit(shared: Harness, tenant: Tenant) -> None:
    shares = [{"shareIdentifier": "team-*", "maxRunningJobs": 1}]
    policy: Json = {"type": "FairShare", "fairShare": {"shares": shares, "shareAdmission": "Listed"}}
    shared.apply(shared.queue("listed", "simulated", schedulingPolicy=policy))
    tenant.create(*(shared.job(f"fresh-{n}", "long", "listed", shareIdentifier=f"x{n}") for n in range(3)))
    tenant.create(shared.job("listed", "short", "listed", shareIdentifier="team-a"))
    shared.wait_state("listed", "Succeeded")
    for number in range(3):
        assert shared.wait_reason(f"fresh-{number}", "ShareNotAdmitted")["state"] == "Pending"
    policy["fairShare"]["shareAdmission"] = "Namespace"
    shared.apply(shared.queue("listed", "simulated", schedulingPolicy=policy))
    tenant.create(shared.job("own", "short", "listed", shareIdentifier=shared.namespace))
    tenant.create(shared.job("foreign", "short", "listed", shareIdentifier="team-a"))
    shared.wait_state("own", "Succeeded")
    message = shared.wait_reason("foreign", "ShareNotAdmitted")["message"]
    assert message.endswith(f"submit the job with spec.shareIdentifier {shared.namespace}")
    tenant.kubectl("delete", "batchjobs", "foreign", *(f"fresh-{n}" for n in range(3)))


def test_no_place_is_kept_by_a_job_that_could_not_be_queued(shared: Harness, tenant: Tenant) -> None:
    shared.apply(shared.queue("line", "narrow"))
    tenant.create(shared.job("running", "long", "line"))
    shared.wait_state("running", "Running")
    tenant.create(
        shared.job("held", "short", "line", suspend=True),
        shared.job("undefined", "to-come", "line"),
        shared.job("behind", "short", "line", dependsOn=[{"job": "held"}]),
    )
    shared.wait_reason("undefined", "JobDefinitionNotFound")
    shared.apply(shared.job("honest", "long", "line"))
    shared.wait_reason("honest", "InsufficientCapacity")
    time.sleep(TOGETHER_SECONDS)
    tenant.create(shared.simulated_definition("to-come"))
    tenant.kubectl("patch", "batchjob", "held", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    for name in ("held", "undefined"):
        shared.wait_reason(name, "WaitingInQueue")
        assert "queuedAt" in shared.statuses()[name]
    stop = '{"spec": {"stop": {"mode": "Terminate", "reason": "its turn is over"}}}'
    tenant.kubectl("patch", "batchjob", "running", "--type=merge", "-p", stop)
    shared.wait_state("honest", "Running")
    assert {shared.statuses()[name]["state"] for name in ("held", "undefined", "behind")} == {"Runnable", "Pending"}
    shared.kubectl("delete", "batchjobs", "honest")
    for name in ("held", "undefined", "behind"):
        shared.wait_state(name, "Succeeded")


def test_what_waits_for_somebody_to_act_keeps_no_licence(shared: Harness, tenant: Tenant) -> None:
    licence, budget = needs(shared, "licence", 1), needs(shared, "budget", 60)
    shared.apply(
        shared.queue("needs", "simulated"),
        shared.object("ConsumableResource", "licence", {"total": 1}),
        shared.object("ConsumableResource", "budget", {"total": 60, "type": "NonReplenishable"}),
        shared.simulated_definition("licensed", consumableResources=[licence]),
        shared.simulated_definition("spends", consumableResources=[needs(shared, "budget", 20)]),
        shared.job("spends", "spends", "needs"),
    )
    shared.wait_state("spends", "Succeeded")
    tenant.create(
        shared.simulated_definition("greedy", consumableResources=[licence, budget]),
        shared.simulated_definition("hungry", cpu="9000", consumableResources=[licence]),
        shared.job("greedy", "greedy", "needs"),
        shared.job("hungry", "hungry", "needs"),
    )
    assert "of which 40 of 60 are left" in shared.wait_reason("greedy", "ConsumableResourceUnavailable")["message"]
    shared.wait_reason("hungry", "ExceedsCapacity")
    shared.apply(*(shared.job(f"licensed-{number}", "licensed", "needs") for number in range(3)))
    for number in range(3):
        shared.wait_state(f"licensed-{number}", "Succeeded")


def needs(harness: Harness, name: str, quantity: int) -> Json:
    return {"name": harness.named(name), "quantity": quantity}
