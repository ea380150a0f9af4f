"""The Kubernetes Job of a run."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from batchyard.api import names
from batchyard.core.definition.errors import TemplateError
from batchyard.core.model.environment import Environment, Toleration
from batchyard.core.model.job import BatchJob
from batchyard.core.model.resources import pod_requests
from batchyard.objects.kubernetes.job import build_job, read_request, read_run
from unit.objects.conftest import Golden
from unit.samples import CONTAINER, make_environment, make_job, make_managed, make_resolved, make_serverless

FULL_TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"team": "media"}, "annotations": {"note": "kept"}},
    "spec": {
        "initContainers": [{"name": "fetch", "image": "curl", "command": ["fetch", "Ref::codec"]}],
        "containers": [
            {
                "name": "main",
                "image": "ffmpeg",
                "env": [
                    {"name": "JOB", "value": "$(AWS_BATCH_JOB_ID)"},
                    {"name": "AWS_BATCH_JOB_ATTEMPT", "value": "forged"},
                ],
            }
        ],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "terminationGracePeriodSeconds": 5,
    },
}
GPU_POOL = make_environment(
    node_selector={"pool": "gpu"},
    tolerations=(Toleration(key="gpu", operator="Exists"), Toleration("spot", "Equal", "yes", "NoExecute", 60)),
)


def pod_spec(environment: Environment | None = None, job: BatchJob | None = None, **content: Any) -> dict[str, Any]:
    job = job or make_job()
    resolved = make_resolved(job, **content)
    built = build_job(job, resolved, environment or make_environment(), 1, 1)
    spec: dict[str, Any] = built["spec"]["template"]["spec"]
    return spec


def annotations(environment: Environment, **content: Any) -> Any:
    built = build_job(make_job(), make_resolved(**content), environment, 1, 1)
    return built["spec"]["template"]["metadata"].get("annotations")


def test_pods_on_nodes_that_are_made_say_that_these_are_not_to_be_taken_away() -> None:
    assert annotations(make_environment()) is None
    assert annotations(make_managed()) == {names.DO_NOT_DISRUPT: "true"}


def test_a_pod_that_says_so_itself_has_the_last_word() -> None:
    template = {**FULL_TEMPLATE, "metadata": {"annotations": {names.DO_NOT_DISRUPT: "1h", "team": "media"}}}
    assert annotations(make_managed(), template=template) == {names.DO_NOT_DISRUPT: "1h", "team": "media"}


def test_the_job_of_a_short_definition(golden: Golden) -> None:
    golden("job-short", build_job(make_job(), make_resolved(), make_environment(), 1, 1))


def test_the_job_of_a_whole_template(golden: Golden) -> None:
    resolved = make_resolved(template=FULL_TEMPLATE, timeout={"attemptDurationSeconds": 3600})
    golden("job-template", build_job(make_job(), resolved, GPU_POOL, 4, 2))


def test_the_longest_job_name_leaves_room_for_the_run() -> None:
    job = make_job("x" * names.MAX_BATCH_JOB_NAME)
    built = build_job(job, make_resolved(), make_environment(), 1010, 10)
    assert len(built["metadata"]["name"]) <= 63


def test_every_container_learns_which_job_it_is() -> None:
    spec = pod_spec(template=FULL_TEMPLATE)
    for container in (*spec["initContainers"], *spec["containers"]):
        env = {entry["name"]: entry.get("value") for entry in container["env"]}
        assert env["AWS_BATCH_JOB_ID"] == make_job().uid
        assert (env["AWS_BATCH_JQ_NAME"], env["AWS_BATCH_CE_NAME"]) == ("urgent", "pool")
        assert env["AWS_BATCH_JOB_ATTEMPT"] == "1"
        assert len(env) == len(container["env"])


def test_a_node_selector_that_no_node_of_the_environment_has_is_refused() -> None:
    environment = make_environment(node_selector={"disk": "hdd"})
    with pytest.raises(TemplateError) as error:
        pod_spec(environment, template=FULL_TEMPLATE)
    assert error.value.reason == "NodeSelectorConflict"
    assert error.value.message == (
        "the pod wants nodes with disk=ssd, environment pool has only those with disk=hdd: take disk out of the"
        " JobDefinition's nodeSelector, or submit to a queue with another environment"
    )


def test_a_node_selector_that_agrees_is_no_conflict() -> None:
    environment = make_environment(node_selector={"disk": "ssd", "zone": "a"})
    assert pod_spec(environment, template=FULL_TEMPLATE)["nodeSelector"] == {"disk": "ssd", "zone": "a"}


@pytest.mark.parametrize(
    ("timeout", "own", "deadline"),
    [(None, None, None), (60, None, 60), (None, 30, 30), (60, 30, 30), (60, 90, 60)],
)
def test_the_shorter_deadline_counts(timeout: int | None, own: int | None, deadline: int | None) -> None:
    template = {"spec": {"containers": [{"name": "main"}], "activeDeadlineSeconds": own}}
    job = make_job(timeout={"attemptDurationSeconds": timeout} if timeout else None)
    assert pod_spec(job=job, template=template).get("activeDeadlineSeconds") == deadline


def test_nothing_that_was_given_is_changed() -> None:
    resolved = make_resolved(template=FULL_TEMPLATE)
    before = copy.deepcopy(resolved)
    build_job(make_job(), resolved, GPU_POOL, 1, 1)
    assert resolved == before


def test_a_plain_pod_gets_no_empty_fields() -> None:
    assert set(pod_spec(container=CONTAINER)) == {"restartPolicy", "containers"}


def test_a_job_of_a_share_says_which() -> None:
    """Usage is counted by runs, also when their BatchJob is gone already."""
    built = build_job(replace(make_job(), share="red"), make_resolved(), make_environment(), 2, 1)
    annotations = built["metadata"]["annotations"]
    assert (annotations[names.ATTEMPT], annotations[names.SHARE]) == ("1", "red")


def test_a_job_tells_what_each_of_its_places_takes() -> None:
    resolved = make_resolved()
    built = build_job(make_job(), resolved, make_environment(), 2, 1)
    assert read_request(built["metadata"]["annotations"]) == resolved.request
    assert resolved.request == pod_requests(built["spec"]["template"]["spec"])
    assert read_request({names.ATTEMPT: "1"}) is None


def test_a_job_tells_why_it_is_not_where_its_queue_would_have_it_first() -> None:
    built = build_job(make_job(), make_resolved(), make_environment(), 2, 1)
    built["metadata"] |= {"uid": "run", "creationTimestamp": "2026-01-01T00:00:00Z"}
    run = read_run(built)
    assert run is not None
    assert run.instead == ""
    built["metadata"]["annotations"][names.INSTEAD] = "environment spot got no node: there is none"
    assert read_run(built) == run._replace(instead="environment spot got no node: there is none")


def pod_labels(environment: Environment, own: dict[str, str]) -> dict[str, str]:
    template = {"metadata": {"labels": own}, "spec": {"containers": [{"name": "main", "image": "busybox"}]}}
    built = build_job(make_job(), make_resolved(template=template), environment, 1, 1)
    assert "profile" not in built["metadata"]["labels"], "pods are what is chosen, not their Job"
    found: dict[str, str] = built["spec"]["template"]["metadata"]["labels"]
    return {name: value for name, value in found.items() if not name.startswith("app.kubernetes.io/")}


def test_pods_get_the_labels_of_a_serverless_environment_beside_their_own_and_ours() -> None:
    environment = make_serverless(labels={"profile": "batch"})
    ours = pod_labels(make_environment(), {})
    assert ours
    assert pod_labels(environment, {}) == {"profile": "batch", **ours}
    assert pod_labels(environment, {"team": "media"}) == {"team": "media", "profile": "batch", **ours}


def test_by_those_it_is_chosen_where_they_run_so_they_stand_in_place_of_the_pods_own() -> None:
    """Else the pod would be on nodes that nobody has counted on."""
    environment = make_serverless(labels={"profile": "batch"})
    assert pod_labels(environment, {"profile": "nodes"})["profile"] == "batch"
    assert pod_labels(make_environment(), {"profile": "nodes"})["profile"] == "nodes"


def test_ours_stand_in_place_of_those() -> None:
    forged = {names.JOB: "forged", names.JOB_UID: "forged"}
    assert pod_labels(make_serverless(labels=forged), {}) == pod_labels(make_environment(), {})


def test_a_job_tells_what_size_its_pods_count_for() -> None:
    built = build_job(make_job(), make_resolved(), make_serverless(), 2, 1)
    built["metadata"] |= {"uid": "run", "creationTimestamp": "2026-01-01T00:00:00Z"}
    run = read_run(built)
    assert run is not None
    assert run.charged_as == ""
    built["metadata"]["annotations"][names.CHARGED_AS] = "2 vCPU, 9 GiB memory"
    assert read_run(built) == run._replace(charged_as="2 vCPU, 9 GiB memory")
