"""Definitions and their revisions, as the operator keeps them."""

import pytest

from batchyard.kube.errors import ApiError, BadRequest, Forbidden, Unavailable, from_status
from batchyard.kube.protocol import Object
from batchyard.kube.resources import BATCHJOBS, CONTROLLER_REVISIONS, JOBDEFINITIONS, JOBS, Resource
from fakes.cluster import Cluster, in_cluster
from objects.answers import BY_WEBHOOK, NOT_ASKED

IMAGES = ("busybox:1", "busybox:2", "busybox:3", "busybox:4", "busybox:5")


def revisions(cluster: Cluster) -> dict[int, str]:
    """The image of each revision that exists."""
    objects = cluster.store.objects(CONTROLLER_REVISIONS)
    return {each["revision"]: each["data"]["spec"]["container"]["image"] for each in objects}


async def define(cluster: Cluster, image: str, **fields: object) -> None:
    cluster.put("JobDefinition", "transcode", container={"image": image}, **fields)
    await cluster.pass_time(1)


def image_of(cluster: Cluster, job: str) -> str:
    return str(cluster.container(job)["image"])


@in_cluster()
async def test_every_change_is_a_new_revision_and_none_is_ever_changed(cluster: Cluster) -> None:
    await cluster.start_operator()
    for image in ("busybox:1", "busybox:2", "busybox:1"):
        await define(cluster, image)
    assert revisions(cluster) == {1: "busybox:1", 2: "busybox:2", 3: "busybox:1"}
    assert cluster.api.count("create", CONTROLLER_REVISIONS) == 3
    assert cluster.api.count("patch", CONTROLLER_REVISIONS) == 0
    assert cluster.get("JobDefinition", "transcode")["status"]["latestRevision"] == 3


@in_cluster()
async def test_the_same_content_is_the_same_revision(cluster: Cluster) -> None:
    await cluster.start_operator()
    await define(cluster, "busybox:1")
    await define(cluster, "busybox:1", revisionHistoryLimit=3)
    definition = cluster.get("JobDefinition", "transcode")
    definition["metadata"]["labels"] = {"team": "video"}
    cluster.store.update(JOBDEFINITIONS, definition)
    await cluster.pass_time(1)
    cluster.api.disconnect_all()
    await cluster.pass_time(5)
    assert revisions(cluster) == {1: "busybox:1"}


@in_cluster()
async def test_a_restarted_operator_makes_no_new_revision(cluster: Cluster) -> None:
    await cluster.start_operator()
    await define(cluster, "busybox:1")
    second = await cluster.restart_operator(orderly=True)
    await cluster.pass_time(5)
    assert revisions(cluster) == {1: "busybox:1"}
    assert second.writes(CONTROLLER_REVISIONS, JOBDEFINITIONS) == []


@pytest.mark.parametrize("after_effect", [False, True])
@in_cluster()
async def test_a_revision_whose_creation_seems_to_fail_is_made_once(cluster: Cluster, after_effect: bool) -> None:
    process = await cluster.start_operator()
    process.api.lose_next("create", CONTROLLER_REVISIONS, after_effect=after_effect)
    await define(cluster, "busybox:1")
    await cluster.pass_time(5)
    assert revisions(cluster) == {1: "busybox:1"}
    assert cluster.condition("JobDefinition", "transcode")[:2] == ("True", "TemplateAccepted")


@in_cluster()
async def test_the_history_is_limited_but_keeps_what_is_in_use(cluster: Cluster) -> None:
    await cluster.start_operator()
    cluster.put("JobQueue", "urgent", state="Disabled")
    for image in IMAGES:
        await define(cluster, image, revisionHistoryLimit=1)
        if image == "busybox:2":
            cluster.submit("resolved")
            await cluster.pass_time(1)
        if image == "busybox:3":
            cluster.submit("pinned", jobDefinition="transcode:3")
            await cluster.pass_time(1)
    assert cluster.status("resolved")["jobDefinition"] == "transcode:2"
    assert sorted(revisions(cluster)) == [2, 3, 5]
    cluster.delete("BatchJob", "resolved")
    cluster.delete("BatchJob", "pinned")
    await cluster.pass_time(1)
    await define(cluster, "busybox:6", revisionHistoryLimit=1)
    assert sorted(revisions(cluster)) == [5, 6]


@in_cluster()
async def test_a_number_is_never_used_twice(cluster: Cluster) -> None:
    await cluster.start_operator()
    await define(cluster, "busybox:1")
    await define(cluster, "busybox:2")
    cluster.store.delete(CONTROLLER_REVISIONS, "transcode-2", "media")
    await cluster.pass_time(2)
    assert revisions(cluster) == {1: "busybox:1", 3: "busybox:2"}


@in_cluster()
async def test_an_inactive_revision_takes_no_new_jobs(cluster: Cluster) -> None:
    await cluster.set_up()
    await define(cluster, "busybox:1")
    await define(cluster, "busybox:2", inactiveRevisions=[3])
    assert cluster.get("JobDefinition", "transcode")["status"]["latestRevision"] == 2
    cluster.submit("latest")
    cluster.submit("pinned", jobDefinition="transcode:3")
    await cluster.pass_time(2)
    assert image_of(cluster, "latest-1") == "busybox:1"
    assert cluster.state("pinned") == ("Pending", "RevisionInactive")
    await define(cluster, "busybox:2")
    await cluster.pass_time(1)
    assert image_of(cluster, "pinned-1") == "busybox:2"


@in_cluster()
async def test_with_every_revision_inactive_jobs_wait(cluster: Cluster) -> None:
    await cluster.set_up()
    await define(cluster, "busybox:1", inactiveRevisions=[1, 2])
    cluster.submit()
    await cluster.pass_time(2)
    assert cluster.state() == ("Pending", "NoActiveRevision")
    assert cluster.condition("JobDefinition", "transcode")[:2] == ("False", "NoActiveRevision")


@in_cluster()
async def test_a_job_keeps_its_revision_for_all_its_runs(cluster: Cluster) -> None:
    await cluster.set_up()
    await define(cluster, "busybox:1", retryStrategy={"attempts": 2, "backoff": {"initialSeconds": 1}})
    cluster.submit()
    await cluster.pass_time(1)
    await define(cluster, "busybox:2", inactiveRevisions=[2])
    await cluster.restart_operator(orderly=True)
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(5)
    assert image_of(cluster, "job-2") == "busybox:1"
    assert cluster.status()["jobDefinition"] == "transcode:2"


@in_cluster()
async def test_a_job_applied_right_behind_a_change_gets_the_change(cluster: Cluster) -> None:
    process = await cluster.set_up()
    await define(cluster, "busybox:1")
    process.api.lose_next("create", CONTROLLER_REVISIONS, after_effect=False)
    cluster.put("JobDefinition", "transcode", container={"image": "busybox:2"})
    await cluster.pass_time(0.1)
    cluster.submit()
    await cluster.pass_time(5)
    assert image_of(cluster, "job-1") == "busybox:2"


HUNGRY = {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "9" * 40}}}
USELESS: list[tuple[dict[str, object], str, str]] = [
    (
        {"numNodes": 3, "nodeRanges": [{"targetNodes": "2:1", "container": {"image": "busybox"}}]},
        "InvalidSpec",
        'spec.multiNode.nodeRanges: range "2:1" ends before it begins: write "1:2"',
    ),
    (
        {"numNodes": 1, "nodeRanges": [{"targetNodes": "0:", "template": {"spec": {"containers": [HUNGRY]}}}]},
        "InvalidResources",
        'range "0:" of nodes: resources of container \'main\': cpu: "99999999999999999999…" is not a quantity',
    ),
]


@pytest.mark.parametrize(("multi_node", "reason", "sentence"), USELESS)
@in_cluster()
async def test_what_batchyard_itself_has_against_a_definition_is_said_as_its_own_words(
    cluster: Cluster, multi_node: dict[str, object], reason: str, sentence: str
) -> None:
    await cluster.set_up()
    cluster.put("JobDefinition", "odd", container=None, multiNode=multi_node)
    await cluster.pass_time(2)
    ready, said, message = cluster.condition("JobDefinition", "odd")
    assert (ready, said) == ("False", reason)
    assert message.startswith(sentence)
    cluster.submit(jobDefinition="odd")
    await cluster.pass_time(2)
    assert cluster.state() == ("Failed", reason)


@pytest.mark.parametrize("status", [422, 400])
@in_cluster()
async def test_a_template_that_the_api_server_refuses_is_shown_in_its_words(cluster: Cluster, status: int) -> None:
    def check(new: Object, _: Object | None) -> str | None:
        container = new["spec"]["template"]["spec"]["containers"][0]
        if container["image"] != "bad":
            return None
        if status == 400:
            raise BadRequest(400, "BadRequest", "cannot unmarshal")
        return "image: Invalid value"

    cluster.furnish()
    cluster.store.validate(JOBS, check)
    await cluster.start_operator()
    await define(cluster, "bad")
    ready, reason, message = cluster.condition("JobDefinition", "transcode")
    assert (ready, reason) == ("False", "TemplateRejected")
    assert ("cannot unmarshal" if status == 400 else "image: Invalid value") in message
    assert cluster.condition("JobDefinition", "transcode", "Stalled")[0] == "True"
    cluster.submit("bad")
    cluster.submit("good", containerOverrides=[{"name": "main", "image": "good"}])
    await cluster.pass_time(2)
    assert cluster.state("bad") == ("Failed", "JobRejected")
    assert cluster.state("good") == ("Starting", "CreatingPod")
    await define(cluster, "good")
    assert cluster.condition("JobDefinition", "transcode")[:2] == ("True", "TemplateAccepted")
    assert cluster.condition("JobDefinition", "transcode", "Stalled")[0] == ""


@in_cluster()
async def test_a_used_up_quota_says_nothing_about_a_template(cluster: Cluster) -> None:
    process = await cluster.start_operator()
    process.api.fail_next("create", JOBS, Forbidden(403, "Forbidden", "exceeded quota"))
    await define(cluster, "busybox:1")
    assert cluster.condition("JobDefinition", "transcode")[:2] == ("True", "TemplateAccepted")


@pytest.mark.parametrize(
    "error",
    [
        from_status(500, {"message": NOT_ASKED}),
        Unavailable(0, "Timeout", "no answer"),
        from_status(400, {"message": BY_WEBHOOK}),
    ],
)
@in_cluster()
async def test_a_template_that_cannot_be_tried_is_recorded_all_the_same(cluster: Cluster, error: ApiError) -> None:
    process = await cluster.set_up()
    process.api.fail_next("create", JOBS, error, times=50)
    await define(cluster, "busybox:1")
    assert cluster.condition("JobDefinition", "transcode")[:2] == ("True", "TemplateAccepted")


@pytest.mark.parametrize("resource", [JOBS, CONTROLLER_REVISIONS])
@in_cluster()
async def test_a_definition_that_goes_with_its_namespace_is_left_alone(
    cluster: Cluster, resource: Resource, caplog: pytest.LogCaptureFixture
) -> None:
    process = await cluster.start_operator()
    ending = {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}
    answer = from_status(403, {"reason": "Forbidden", "message": "it is being terminated", "details": ending})
    process.api.fail_next("create", resource, answer, times=50)
    await define(cluster, "busybox:1")
    tries = cluster.api.count("create", resource)
    await cluster.pass_time(120)
    assert cluster.api.count("create", resource) == tries
    assert not [each for each in caplog.messages if "transcode" in each]


@in_cluster()
async def test_a_revision_that_is_refused_says_so_and_is_tried_again(cluster: Cluster) -> None:
    process = await cluster.start_operator()
    process.api.fail_next("create", CONTROLLER_REVISIONS, Forbidden(403, "Forbidden", "exceeded quota: few"), times=6)
    await define(cluster, "busybox:1")
    ready, reason, message = cluster.condition("JobDefinition", "transcode")
    assert (ready, reason) == ("False", "CreateFailed")
    assert "exceeded quota: few" in message
    await cluster.pass_time(120)
    assert cluster.condition("JobDefinition", "transcode")[:2] == ("True", "TemplateAccepted")


@in_cluster()
async def test_a_definition_made_anew_starts_with_its_own_content(cluster: Cluster) -> None:
    await cluster.set_up()
    await define(cluster, "busybox:1")
    cluster.delete("JobDefinition", "transcode")
    await define(cluster, "busybox:9")
    cluster.submit()
    await cluster.pass_time(2)
    assert revisions(cluster) == {1: "busybox:9"}
    assert image_of(cluster, "job-1") == "busybox:9"


@in_cluster()
async def test_a_probe_is_never_created(cluster: Cluster) -> None:
    await cluster.start_operator()
    await define(cluster, "busybox:1")
    assert cluster.kube_jobs() == []
    assert cluster.store.objects(BATCHJOBS) == []
