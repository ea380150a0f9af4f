"""What reaches the program: parameters and variables, as the kubelet hands them over."""

from typing import Any

from fakes.cluster import Cluster, in_cluster
from fakes.expansion import variables_of, words_of

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


def container(cluster: Cluster, kube_job: str) -> dict[str, Any]:
    [found] = cluster.kube_job(kube_job)["spec"]["template"]["spec"]["containers"]
    return dict(found)


@in_cluster()
async def test_parameters_arrive_as_they_are_in_every_run(cluster: Cluster) -> None:
    cluster.furnish(container=SHOW, parameters=dict.fromkeys(PARAMETERS, "of the definition"))
    await cluster.start_operator()
    again = {"attempts": 2, "backoff": {"initialSeconds": 1}}
    cluster.submit("single", parameters=PARAMETERS, retryStrategy=again)
    cluster.submit("array", parameters=PARAMETERS, array={"size": 1})
    await cluster.pass_time(1)
    cluster.jobs.finish(cluster.kube_job("single-1"), 1)
    await cluster.pass_time(5)
    for kube_job in ("single-1", "single-2", "array-1"):
        assert words_of(container(cluster, kube_job)) == SEEN
        assert variables_of(container(cluster, kube_job))["PRICE"] == "1$2"


@in_cluster()
async def test_parameters_arrive_as_they_are_on_every_node(cluster: Cluster) -> None:
    node_ranges = [{"targetNodes": "0:", "container": SHOW}]
    cluster.furnish(container=None, multiNode={"numNodes": 2, "nodeRanges": node_ranges})
    await cluster.start_operator()
    cluster.submit(parameters=PARAMETERS)
    await cluster.pass_time(1)
    cluster.jobs.start(cluster.kube_job("job-1"))
    await cluster.pass_time(2)
    for kube_job in ("job-1", "job-1-n1"):
        assert words_of(container(cluster, kube_job)) == SEEN


@in_cluster()
async def test_variables_of_the_job_arrive_as_they_are_and_can_be_referred_to(cluster: Cluster) -> None:
    env = [
        {"name": "URL", "value": "s3://$(BUCKET)/$(AWS_BATCH_JQ_NAME)"},
        {"name": "ID", "value": "$(AWS_BATCH_JOB_ID)"},
        {"name": "PLACE", "value": "of the definition"},
    ]
    cluster.furnish(container={**SHOW, "command": ["upload", "$(BUCKET)", "$(PLACE)"], "args": [], "env": env})
    await cluster.start_operator()
    given = [{"name": "BUCKET", "value": "pa$$word"}, {"name": "PLACE", "value": "$(BUCKET)"}]
    job = cluster.submit(containerOverrides=[{"env": given}])
    await cluster.pass_time(1)
    variables = variables_of(container(cluster, "job-1"))
    assert variables["URL"] == "s3://pa$$word/urgent"
    assert variables["ID"] == job["metadata"]["uid"]
    assert words_of(container(cluster, "job-1")) == ["upload", "pa$$word", "$(BUCKET)"]


@in_cluster()
async def test_a_command_of_the_job_may_refer_to_variables_and_parameters(cluster: Cluster) -> None:
    cluster.furnish(container=SHOW, parameters={"a": "$(PRICE)"})
    await cluster.start_operator()
    cluster.submit(containerOverrides=[{"command": ["echo", "$(PRICE)", "Ref::a", "$$5"], "args": []}])
    await cluster.pass_time(1)
    assert words_of(container(cluster, "job-1")) == ["echo", "1$2", "$(PRICE)", "$5"]
