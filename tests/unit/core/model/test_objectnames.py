"""Names of what is made: valid for Kubernetes, and no two alike."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api import names
from batchyard.api.reasons import Reason
from batchyard.core.insight.announcements import Announcement
from batchyard.core.model.array import MAIN_RUN, ArrayShape, IndexRun
from batchyard.core.model.objectnames import (
    event_name,
    index_run_name,
    node_run_name,
    revision_name,
    run_name,
    service_name,
)
from batchyard.objects.kubernetes.event import build_event
from batchyard.objects.kubernetes.indexedjob import build_index_job, build_indexed_job
from batchyard.objects.kubernetes.job import build_job
from batchyard.objects.kubernetes.multinode import build_main, build_node, build_service
from batchyard.objects.kubernetes.revision import build_revision
from unit.samples import NOW, make_definition, make_environment, make_job, make_resolved, make_run

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""A DNS label: what names hosts, and what Kubernetes takes for the name of a Job with indexes."""
SERVICE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

LAST_INDEX, LAST_NODE, LAST_RUN = 99_999, 999, 36**4 - 1

# Names that are made to be mistaken for those of other jobs' runs, and any others; long ones are cut to the limit.
parts = st.sampled_from(["sweep", "1", "2", "17", "i1", "i17", "n1", "n2", "xi10001", "xn10001", "x", "0"])
jobs = (
    st.lists(parts, min_size=1, max_size=6).map("-".join)
    | st.lists(parts, min_size=12, max_size=16).map("-".join)
    | st.from_regex(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", fullmatch=True)
).map(lambda name: name[: names.MAX_BATCH_JOB_NAME].rstrip("-"))
runs = st.integers(1, 20) | st.integers(1, LAST_RUN)
indexes = st.integers(0, 20) | st.integers(0, LAST_INDEX)
nodes = st.integers(0, 20) | st.integers(0, LAST_NODE)

RANGES = [{"targetNodes": "0:", "container": {"image": "mpi", "resources": {"limits": {"cpu": "1"}}}}]
RESOLVED = make_resolved()
SEVERAL = make_resolved(container=None, multiNode={"numNodes": LAST_NODE + 1, "nodeRanges": RANGES})

Made = tuple[Callable[..., str], str, int, int]
made = (
    st.tuples(st.just(lambda job, run, _: run_name(job, run)), jobs, runs, st.just(0))
    | st.tuples(st.just(index_run_name), jobs, runs, indexes)
    | st.tuples(st.just(node_run_name), jobs, runs, nodes)
)


def name_of(one: Made) -> str:
    make, *arguments = one
    return make(*arguments)


def read_back(name: str) -> tuple[str, str, int, int]:
    """What a name stands for: the kind, the job, the run, and the index or node."""
    rest, _, last = name.rpartition("-")
    if last[0] == "x":
        return last[1], rest, int(last[2:-4], 36), int(last[-4:], 36)
    if last[0] in "in":
        job, _, run = rest.rpartition("-")
        return last[0], job, int(run), int(last[1:])
    return "", rest, int(last), 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (run_name("greet", 3), "greet-3"),
        (index_run_name("sweep", 2, 17), "sweep-2-i17"),
        (node_run_name("crash-test", 1, 2), "crash-test-1-n2"),
        (index_run_name("j" * 52, 10, 99_999), "j" * 52 + "-10-i99999"),
        (index_run_name("j" * 52, 4321, 17), "j" * 52 + "-4321-i17"),
        (index_run_name("j" * 52, 4321, 99_999), "j" * 52 + "-xi3c1255r"),
        (node_run_name("j" * 52, 1_000_000, 999), "j" * 52 + "-xnlfls00rr"),
        (service_name("1st"), "nodes-1st"),
        (revision_name("greet", 4), "greet-4"),
        (event_name("greet", "6f1c1f7e-0000", 2, "NonZeroExit"), "greet.6f1c1f7e.2.nonzeroexit"),
    ],
)
def test_names_say_what_they_belong_to(name: str, expected: str) -> None:
    assert name == expected


@given(made)
def test_every_kubernetes_job_has_a_valid_name(one: Made) -> None:
    assert LABEL.fullmatch(name_of(one))


@given(jobs, indexes)
def test_the_hosts_of_an_indexed_jobs_pods_have_valid_names(job: str, index: int) -> None:
    assert LABEL.fullmatch(f"{run_name(job, MAIN_RUN)}-{index}")


@given(jobs, runs, indexes, nodes)
def test_a_name_can_be_read_back(job: str, run: int, index: int, node: int) -> None:
    assert read_back(run_name(job, run)) == ("", job, run, 0)
    assert read_back(index_run_name(job, run, index)) == ("i", job, run, index)
    assert read_back(node_run_name(job, run, node)) == ("n", job, run, node)


@given(st.lists(made, min_size=2, max_size=30, unique_by=lambda one: (one[0].__name__, *one[1:])))
def test_no_two_kubernetes_jobs_have_one_name(several: list[Made]) -> None:
    assert len({name_of(one) for one in several}) == len(several)


@given(jobs, runs, indexes, nodes)
def test_all_objects_have_names_that_kubernetes_takes(job: str, run: int, index: int, node: int) -> None:
    batch_job, environment, shape = make_job(job), make_environment(), ArrayShape(LAST_INDEX + 1)
    assert SEVERAL.gang is not None
    bodies = [
        build_job(batch_job, RESOLVED, environment, run, 1),
        build_indexed_job(batch_job, RESOLVED, shape, environment, 1),
        build_index_job(batch_job, RESOLVED, shape, environment, IndexRun(index, run, 1)),
        build_main(batch_job, SEVERAL, SEVERAL.gang, environment, run, 1),
        build_node(batch_job, SEVERAL, SEVERAL.gang, environment, make_run(run), node, "10.0.0.1"),
    ]
    for body in bodies:
        pod = body["spec"]["template"]["spec"]
        assert LABEL.fullmatch(body["metadata"]["name"])
        assert all(LABEL.fullmatch(pod[field]) for field in ("hostname", "subdomain") if field in pod)
    assert SERVICE.fullmatch(build_service(batch_job)["metadata"]["name"])


@given(jobs, runs, st.sampled_from(Reason))
def test_events_have_names_that_kubernetes_takes(job: str, run: int, reason: Reason) -> None:
    name = build_event(make_job(job), Announcement(reason, "", run), NOW)["metadata"]["name"]
    assert SUBDOMAIN.fullmatch(name)
    assert len(name) <= 253


@given(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True), st.integers(1))
def test_revisions_have_names_that_kubernetes_takes(definition: str, number: int) -> None:
    body = build_revision(make_definition(key=("media", definition)), number, {}, "digest")
    assert SUBDOMAIN.fullmatch(body["metadata"]["name"])
