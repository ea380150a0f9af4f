"""The objects of a multi-node job."""

from dataclasses import replace
from typing import Any

from batchyard.api import names
from batchyard.core.model.definition import Resolved
from batchyard.core.model.pods.gang import Gang, NodeGroup
from batchyard.objects.kubernetes.job import read_request
from batchyard.objects.kubernetes.multinode import build_main, build_node, build_service
from unit.objects.conftest import Golden
from unit.samples import make_environment, make_job, make_resolved, make_run

TEMPLATE = {
    "spec": {"containers": [{"name": "main", "image": "mpi"}], "hostname": "mine", "activeDeadlineSeconds": 900}
}
REQUEST = {"cpu": 3000, "pods": 3}


def make_gang_resolved() -> tuple[Resolved, Gang]:
    resolved = make_resolved(timeout={"attemptDurationSeconds": 600})
    gang = Gang(1, (NodeGroup((1,), resolved.template, {"cpu": 1000}), NodeGroup((0, 2), TEMPLATE, {"cpu": 1000})))
    return replace(resolved, request=REQUEST, gang=gang), gang


def main_job() -> dict[str, Any]:
    resolved, gang = make_gang_resolved()
    return build_main(make_job(), resolved, gang, make_environment(), 4, 2)


def node_job(node: int = 2) -> dict[str, Any]:
    resolved, gang = make_gang_resolved()
    main = make_run(4, attempt=2, request=REQUEST)
    return build_node(make_job(), resolved, gang, make_environment(), main, node, "10.0.0.7")


def variables(job: dict[str, Any]) -> dict[str, str]:
    [container] = job["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry["value"] for entry in container["env"]}


def test_the_service(golden: Golden) -> None:
    golden("service", build_service(make_job()))


def test_the_job_of_the_main_node(golden: Golden) -> None:
    golden("job-main-node", main_job())


def test_the_job_of_another_node(golden: Golden) -> None:
    golden("job-other-node", node_job())


def test_nodes_are_told_who_they_are() -> None:
    main, other = variables(main_job()), variables(node_job())
    assert (main["AWS_BATCH_JOB_NODE_INDEX"], other["AWS_BATCH_JOB_NODE_INDEX"]) == ("1", "2")
    assert other["AWS_BATCH_JOB_ID"] == f"{make_job().uid}#2"
    assert other["AWS_BATCH_JOB_ATTEMPT"] == "2"
    assert other["BATCHYARD_JOB_MAIN_NODE_HOST"] == "node-1.nodes-videos.media.svc"
    assert other["AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS"] == "10.0.0.7"
    assert "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS" not in main
    assert main.items() - other.items() == {
        ("AWS_BATCH_JOB_ID", f"{make_job().uid}#1"),
        ("AWS_BATCH_JOB_NODE_INDEX", "1"),
    }


def test_pods_are_found_under_their_names() -> None:
    pod = node_job()["spec"]["template"]
    service = build_service(make_job())
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("node-2", service["metadata"]["name"])
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()


def test_the_timeout_is_the_main_nodes() -> None:
    deadlines = [job["spec"]["template"]["spec"]["activeDeadlineSeconds"] for job in (main_job(), node_job())]
    assert deadlines == [600, 900]


def test_every_job_tells_what_all_ask_for() -> None:
    for job in (main_job(), node_job()):
        assert read_request(job["metadata"]["annotations"]) == REQUEST
    assert read_request({names.ATTEMPT: "1"}) is None
