"""What reaches the program: parameters and variables, as the kubelet hands them over."""

import pytest

from batchyard.api import names
from fakes.cluster import Cluster, in_cluster
from fakes.expansion import variables_of, words_of
from objects.specs import multi_node

PARAMETERS = {
    "a": "p$$w0rd$$",
    "b": "$(AWS_BATCH_JQ_NAME)",
    "c": 'it\'s "two words"; rm -rf $HOME `id`',
    "d": "Größe=5µm 日本 🚀",
    "e": "line 1\nline 2\ttab",
    "f": "",
}
SHOW = {
    "image": "busybox",
    "command": ["show", "$(AWS_BATCH_JQ_NAME)", "Ref::a"],
    "args": ["Ref::b", "Ref::c", "Ref::d", "Ref::e", "[Ref::f]"],
    "env": [{"name": "PRICE", "value": "1$$2"}],
    "resources": {"requests": {"cpu": "1"}},
}
SEEN = ["show", "urgent", *list(PARAMETERS.values())[:-1], "[]"]


@in_cluster()
async def test_parameters_arrive_as_they_are_in_every_run(cluster: Cluster) -> None:
    await cluster.set_up(container=SHOW, parameters=dict.fromkeys(PARAMETERS, "of the definition"))
    again = {"attempts": 2, "backoff": {"initialSeconds": 1}}
    cluster.submit("single", parameters=PARAMETERS, retryStrategy=again)
    cluster.submit("array", parameters=PARAMETERS, array={"size": 1})
    await cluster.pass_time(1)
    cluster.jobs.finish("single-1", 1)
    await cluster.pass_time(5)
    for kube_job in ("single-1", "single-2", "array-1"):
        assert words_of(cluster.container(kube_job)) == SEEN
        assert variables_of(cluster.container(kube_job))["PRICE"] == "1$2"


@in_cluster()
async def test_parameters_arrive_as_they_are_on_every_node(cluster: Cluster) -> None:
    await cluster.set_up(**multi_node(2, SHOW))
    await cluster.submit_and_start(parameters=PARAMETERS)
    await cluster.pass_time(2)
    for kube_job in ("job-1", "job-1-n1"):
        assert words_of(cluster.container(kube_job)) == SEEN


@in_cluster()
async def test_variables_of_the_job_arrive_as_they_are_and_can_be_referred_to(cluster: Cluster) -> None:
    env = [
        {"name": "URL", "value": "s3://$(BUCKET)/$(AWS_BATCH_JQ_NAME)"},
        {"name": "ID", "value": "$(AWS_BATCH_JOB_ID)"},
        {"name": "PLACE", "value": "of the definition"},
    ]
    await cluster.set_up(container={**SHOW, "command": ["upload", "$(BUCKET)", "$(PLACE)"], "args": [], "env": env})
    given = [{"name": "BUCKET", "value": "pa$$word"}, {"name": "PLACE", "value": "$(BUCKET)"}]
    job = cluster.submit(containerOverrides=[{"env": given}])
    await cluster.pass_time(1)
    variables = variables_of(cluster.container("job-1"))
    assert variables["URL"] == "s3://pa$$word/urgent"
    assert variables["ID"] == job["metadata"]["uid"]
    assert words_of(cluster.container("job-1")) == ["upload", "pa$$word", "$(BUCKET)"]


@in_cluster()
async def test_a_command_of_the_job_may_refer_to_variables_and_parameters(cluster: Cluster) -> None:
    await cluster.set_up(container=SHOW, parameters={"a": "$(PRICE)"})
    cluster.submit(containerOverrides=[{"command": ["echo", "$(PRICE)", "Ref::a", "$$5"], "args": []}])
    await cluster.pass_time(1)
    assert words_of(cluster.container("job-1")) == ["echo", "1$2", "$(PRICE)", "$5"]


TINY = {"limits": {"memory": "2048"}, "requests": {"cpu": "1"}}


@in_cluster()
async def test_memory_in_bytes_is_doubted_and_the_job_runs(cluster: Cluster) -> None:
    await cluster.set_up(container={"image": "busybox", "resources": TINY})
    cluster.submit()
    await cluster.pass_time(2)
    doubt = "resources.limits.memory of container main is 2048 bytes: did you mean 2048Mi?"
    assert cluster.condition("JobDefinition", "transcode", "Doubtful") == ("True", "DoubtfulMemory", doubt)
    assert cluster.condition("JobDefinition", "transcode")[0] == "True"
    assert cluster.state() == ("Starting", "CreatingPod")
    assert cluster.events() == []
    cluster.define()
    await cluster.pass_time(2)
    assert cluster.condition("JobDefinition", "transcode", "Doubtful")[0] == ""


@in_cluster()
async def test_memory_in_bytes_that_a_job_asks_for_is_an_event(cluster: Cluster) -> None:
    await cluster.set_up()
    cluster.submit(containerOverrides=[{"resources": {"limits": {"memory": "400m"}}}])
    cluster.submit("fine", containerOverrides=[{"resources": {"limits": {"memory": "400M"}}}])
    await cluster.pass_time(2)
    doubt = "resources.limits.memory of container main is 400m, which is 0.4 bytes: did you mean 400M?"
    assert cluster.events() == [("job", "DoubtfulMemory", doubt)]
    assert cluster.state() == cluster.state("fine") == ("Starting", "CreatingPod")


@pytest.mark.parametrize("field", ["containers", "initContainers"])
@in_cluster()
async def test_a_template_that_sets_a_reserved_variable_is_refused_in_words(cluster: Cluster, field: str) -> None:
    sound = {"name": "main", "image": "busybox", "resources": {"requests": {"cpu": "1"}}}
    forged = {**sound, "name": "forger", "env": [{"name": "A"}, {"name": "AWS_BATCH_JOB_ID", "value": "mine"}]}
    spec = {"containers": [sound], field: [forged]}
    await cluster.set_up(container=None, template={"spec": spec})
    cluster.submit()
    await cluster.pass_time(2)
    sentence = (
        "spec.template: container forger sets AWS_BATCH_JOB_ID, but names beginning with AWS_BATCH are set by"
        " Batchyard; choose another name"
    )
    assert cluster.condition("JobDefinition", "transcode") == ("False", "InvalidSpec", sentence)
    assert cluster.state() == ("Failed", "InvalidSpec")
    assert cluster.status()["message"] == f"JobDefinition transcode: {sentence}"


@in_cluster()
async def test_a_job_that_had_its_revision_before_variables_were_refused_goes_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Older operators took such templates, and left the variables out."""
    forged = {**SHOW, "name": "main", "env": [{"name": "AWS_BATCH_JOB_ID", "value": "mine"}], "args": []}
    cluster.furnish(container=None, template={"spec": {"containers": [forged]}}, parameters={"a": ""})
    with monkeypatch.context() as older:
        older.setattr(names, "RESERVED_ENV_PREFIX", "NONE")
        process = await cluster.start_operator()
        job = cluster.submit(retryStrategy={"attempts": 2, "backoff": {"initialSeconds": 1}})
        await cluster.pass_time(2)
        await process.kill()
    await cluster.start_operator()
    await cluster.pass_time(20)
    cluster.jobs.finish("job-1", 1)
    await cluster.pass_time(5)
    assert variables_of(cluster.container("job-2"))["AWS_BATCH_JOB_ID"] == job["metadata"]["uid"]
