"""Mistakes that the API server cannot see when they are made: each ends in a sentence in status, and holds up nobody.

What the API server refuses by itself is proved, field by field, with the CRDs.
"""

import pytest

from batchyard.api import names
from e2e.harness import Harness, conditions

pytestmark = pytest.mark.e2e

MISTAKES = {
    "no-parameter": ("MissingParameter", "parameter 'codec' of JobDefinition", "spec.parameters.codec"),
    "no-such-container": ("UnknownContainer", "names container 'sidecar'", "use one of main"),
    "request-above-limit": ("InvalidResources", "container 'main'", "limit of 32 MiB"),
    "gpu-without-limit": ("InvalidResources", "requests nvidia.com/gpu without a limit", "resources.limits"),
    "refused-volume": ("JobRejected", "the API server refused the Kubernetes Job", "spec.template.spec.volumes"),
}


@pytest.fixture(scope="module", autouse=True)
def submitted(shared: Harness) -> None:
    """Every mistake at once, with sound jobs before and behind them in the same queue."""
    volume = {"name": "data", "configMap": {"name": "a"}, "emptyDir": {}}
    conflicting = {"nodeSelector": {"batchyard.dev/node": "elsewhere"}}
    gpu = {"requests": {"nvidia.com/gpu": "1"}}
    shared.apply(
        shared.real_environment(maxVcpus=0.1),
        shared.queue("queue", "real"),
        shared.definition("work", "true"),
        shared.definition("encode", "echo", "Ref::codec"),
        shared.definition("conflicting", "true", container=conflicting),
        shared.definition("mounting", "true", container={"volumes": [volume]}),
    )
    override = [{"resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "32Mi"}}}]
    shared.apply(
        shared.job("a-sound", "work", "queue"),
        shared.job("elsewhere", "conflicting", "queue"),
        shared.job("gpu-without-limit", "work", "queue", containerOverrides=[{"resources": gpu}]),
        shared.job("no-parameter", "encode", "queue"),
        shared.job("no-such-container", "work", "queue", containerOverrides=[{"name": "sidecar", "image": "a"}]),
        shared.job("refused-volume", "mounting", "queue"),
        shared.job("request-above-limit", "work", "queue", containerOverrides=override),
        shared.job("z-sound", "work", "queue"),
    )


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_a_sentence(shared: Harness, mistake: str) -> None:
    reason, *words = MISTAKES[mistake]
    status = shared.wait_state(mistake, "Failed")
    assert status["reason"] == reason, status["message"]
    for each in words:
        assert each in status["message"]
    assert (status["attempts"], conditions(status)["Failed"]) == ([], "True")


def test_a_job_that_no_node_is_one_for_waits_and_says_so(shared: Harness) -> None:
    status = shared.wait_reason("elsewhere", "NoNodeMatches")
    assert (status["state"], conditions(status)["Stalled"]) == ("Runnable", "True")
    assert "batchyard.dev/node=elsewhere excludes" in status["message"]


def test_sound_jobs_around_them_run(shared: Harness) -> None:
    statuses = shared.wait_finished(["a-sound", "z-sound"])
    assert {status["state"] for status in statuses.values()} == {"Succeeded"}


def test_a_definition_shows_what_is_wrong_with_its_template(shared: Harness) -> None:
    condition = shared.wait_condition("jobdefinitions", "mounting", "TemplateRejected")
    assert "may not specify more than 1 volume type" in condition["message"]


def test_a_queue_without_an_existing_environment_says_so(shared: Harness) -> None:
    shared.apply(
        shared.queue("nowhere", "missing-one", "missing-two"),
        shared.queue("somewhere", "missing-one", "real"),
        shared.job("stranded", "work", "nowhere"),
        shared.job("lucky", "work", "somewhere"),
    )
    missing = f"{shared.named('missing-one')}, {shared.named('missing-two')}"
    message = shared.wait_condition("jobqueues", "nowhere", "ComputeEnvironmentNotFound")["message"]
    assert f"{missing} do not exist" in message
    assert "no job can start" in message
    message = shared.wait_condition("jobqueues", "somewhere", "ComputeEnvironmentNotFound")["message"]
    assert f"until then jobs start in {shared.named('real')}" in message
    status = shared.wait_reason("stranded", "ComputeEnvironmentNotFound")
    assert (status["state"], missing in status["message"]) == ("Runnable", True)
    shared.wait_state("lucky", "Succeeded")


def test_an_environment_without_nodes_says_so(shared: Harness) -> None:
    unmanaged = {"nodeSelector": {"batchyard.dev/e2e": "nobody"}}
    shared.apply(
        shared.object(names.COMPUTE_ENVIRONMENT, "empty", {"unmanaged": unmanaged}),
        shared.queue("barren", "empty"),
        shared.job("homeless", "work", "barren"),
    )
    assert "batchyard.dev/e2e=nobody" in shared.wait_condition("computeenvironments", "empty", "NoNodes")["message"]
    assert shared.wait_reason("homeless", "NoNodes")["state"] == "Runnable"


def test_a_quota_holds_a_job_back_and_says_so(harness: Harness) -> None:
    metadata = {"name": "no-jobs"}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata,
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }
    harness.apply(quota)
    harness.kubectl("wait", "--for=jsonpath={.status.hard}", "resourcequota/no-jobs", "--timeout=30s")
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        harness.definition("work", "true"),
        harness.job("held", "work", "queue"),
    )
    status = harness.wait_reason("held", "CreateFailed")
    assert (status["state"], "exceeded quota: no-jobs" in status["message"]) == ("Runnable", True)
    harness.kubectl("delete", "resourcequota", "no-jobs")
    harness.wait_state("held", "Succeeded")
