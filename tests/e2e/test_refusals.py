"""What the API server and the scheduler refuse: the job says their words, its place goes to others, it comes back."""

import json

import pytest

from batchyard.api import names
from e2e.clusterapi import until
from e2e.harness import WAIT_SECONDS, Harness
from localcluster import LocalClusterError
from localcluster.nodes.simulated import NODE_LABEL

pytestmark = pytest.mark.e2e

CONTAINERS = [{"name": "main", "image": "none"}]


@pytest.fixture
def narrow(shared: Harness, request: pytest.FixtureRequest) -> str:
    """Return a queue, of an environment with room for one job, that belongs to one test."""
    name = str(request.node.name).removeprefix("test_")[:20].replace("_", "-").strip("-")
    shared.apply(
        shared.simulated_definition("second", duration="1s"),
        shared.simulated_environment(name, maxVcpus=1, unschedulableSeconds=10),
        shared.queue(name, name),
    )
    return name


def test_a_pod_over_a_quota_says_so_and_a_neighbour_runs(shared: Harness, narrow: str) -> None:
    quota = {"scopes": ["Terminating"], "hard": {"requests.cpu": "500m"}}
    definition = shared.simulated_definition("over-quota", duration="1s", timeout={"attemptDurationSeconds": 60})
    shared.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "tight"}, "spec": quota},
        definition,
        shared.job("over-quota", "over-quota", narrow),
    )
    told = shared.wait_reason("over-quota", "CreateFailed")
    assert "exceeded quota: tight" in told["message"]
    shared.apply(shared.job("neighbour", "second", narrow))
    shared.wait_state("neighbour", "Succeeded")
    shared.kubectl("delete", "resourcequota", "tight")
    status = shared.wait_state("over-quota", "Succeeded")
    assert {each["attempt"] for each in status["attempts"]} == {1}
    assert status.get("interruptions", 0) == 0


def test_an_array_over_a_quota_keeps_what_it_may_use(shared: Harness) -> None:
    quota = {"scopes": ["Terminating"], "hard": {"requests.cpu": "2"}}
    definition = shared.simulated_definition("some", duration="10s", timeout={"attemptDurationSeconds": 60})
    shared.apply(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "some"}, "spec": quota},
        definition,
        shared.simulated_environment("wide", maxVcpus=6),
        shared.queue("wide", "wide"),
        shared.job("array", "some", "wide", array={"size": 6}),
    )
    shared.wait_status("array", lambda status: "exceeded quota: some" in status.get("message", ""))
    status = shared.wait_state("array", "Succeeded")
    assert status.get("interruptions", 0) == 0


def test_a_webhook_that_cannot_be_called_keeps_nobody_else_waiting(shared: Harness, narrow: str) -> None:
    hook = {
        "name": f"policy.{shared.namespace}.example.org",
        "clientConfig": {"url": "https://127.0.0.1:9/validate"},
        "rules": [{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shared.namespace}},
        "objectSelector": {"matchLabels": {f"{names.GROUP}/job": "blocked"}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    webhook = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    shared.apply({**webhook, "metadata": {"name": shared.namespace}, "webhooks": [hook]})
    try:
        shared.apply(shared.job("blocked", "second", narrow))
        status = shared.wait_reason("blocked", "CreateFailed")
        assert f'failed calling webhook "policy.{shared.namespace}.example.org"' in status["message"]
        shared.apply(shared.job("beside", "second", narrow))
        shared.wait_state("beside", "Succeeded")
    finally:
        shared.kubectl("delete", "validatingwebhookconfiguration", shared.namespace)
    shared.wait_state("blocked", "Succeeded")


def test_a_policys_denial_is_no_invalid_job(shared: Harness, narrow: str) -> None:
    api = "admissionregistration.k8s.io/v1"
    rules = [{"apiGroups": ["batch"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["jobs"]}]
    selector = {"matchLabels": {f"{names.GROUP}/job": "frozen"}}
    policy = {
        "matchConstraints": {"resourceRules": rules, "objectSelector": selector},
        "validations": [{"expression": "false", "message": "change freeze until 18:00"}],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shared.namespace}}}
    binding = {"policyName": shared.namespace, "validationActions": ["Deny"], "matchResources": here}
    metadata = {"name": shared.namespace}
    shared.apply(
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": policy},
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata, "spec": binding},
    )
    try:
        probe = json.dumps(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": "probe", "labels": selector["matchLabels"]},
                "spec": {"template": {"spec": {"containers": CONTAINERS, "restartPolicy": "Never"}}},
            }
        )

        def denied() -> bool:
            """The API server takes a policy up some moments after it was made."""
            try:
                shared.kubectl("create", "--dry-run=server", "-f", "-", input=probe)
            except LocalClusterError as refusal:
                return "change freeze" in str(refusal)
            return False

        until(denied, WAIT_SECONDS, lambda: "the policy counts")
        shared.apply(shared.job("frozen", "second", narrow))
        status = shared.wait_reason("frozen", "CreateFailed")
        assert "change freeze until 18:00" in status["message"]
    finally:
        shared.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", shared.namespace)
    shared.wait_state("frozen", "Succeeded")


def test_a_job_that_no_node_is_one_for_takes_no_slot_and_starts_when_there_is_one(shared: Harness, narrow: str) -> None:
    picky = shared.simulated_definition("picky", duration="1s")
    picky["spec"]["template"]["spec"]["nodeSelector"] = {"disk": f"nvme-{shared.namespace}"}
    shared.apply(picky, shared.job("a-picky", "picky", narrow))
    told = shared.wait_reason("a-picky", "NoNodeMatches")
    assert f"disk=nvme-{shared.namespace} excludes" in told["message"]
    shared.apply(shared.job("b-plain", "second", narrow))
    shared.wait_state("b-plain", "Succeeded")
    assert shared.statuses()["a-picky"].get("attempts", []) == []
    nodes = shared.kubectl("get", "nodes", "-l", f"{NODE_LABEL}=simulated", "-o", "name").split()
    shared.kubectl("label", nodes[0], f"disk=nvme-{shared.namespace}")
    try:
        shared.wait_state("a-picky", "Succeeded")
    finally:
        shared.kubectl("label", nodes[0], "disk-")
