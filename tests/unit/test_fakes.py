"""The fakes behave like what they stand in for, in what the operator relies on."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from batchyard.kube import errors
from batchyard.kube.protocol import ALL, KubeApi, Object, Selection
from batchyard.kube.resources import BATCHJOBS, CONTROLLER_REVISIONS, EVENTS, JOBS, PODS, SERVICES, Resource
from fakes.api import FakeApi
from fakes.jobcontroller import JobController
from fakes.namerules import hold_to_name_rules
from fakes.selectors import field_matcher, label_matcher
from fakes.store import Store

NS = "media"


def _job(name: str = "videos-1", *, owner: str = "", **spec: Any) -> Object:
    owners = [{"kind": "BatchJob", "uid": owner}] if owner else []
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "main"}]}}
    return {
        "metadata": {"name": name, "ownerReferences": owners},
        "spec": {"backoffLimit": 0, "template": template, **spec},
    }


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


async def test_create_is_once(api: FakeApi) -> None:
    kube: KubeApi = api
    created = await kube.create(JOBS, {**_job(), "status": {"active": 1}}, NS)

    assert created["metadata"]["uid"]
    assert "status" not in created
    with pytest.raises(errors.AlreadyExists):
        await kube.create(JOBS, _job(), NS)
    assert api.count("create", JOBS) == 2
    assert (await kube.list(JOBS))[0] == [created]


async def test_a_dry_run_stores_nothing_and_validates(api: FakeApi) -> None:
    api.store.validate(JOBS, lambda new, old: "spec.template: Required value" if not new["spec"] else None)

    assert (await api.create(JOBS, _job(), NS, dry_run=True))["metadata"]["uid"]
    with pytest.raises(errors.Invalid, match="Required value"):
        await api.create(JOBS, {"metadata": {"name": "a"}, "spec": {}}, NS, dry_run=True)
    assert (await api.list(JOBS), api.writes) == (([], "0"), [])


async def test_generated_names_differ(api: FakeApi) -> None:
    names = {(await api.create(PODS, {"metadata": {"generateName": "p-"}}, NS))["metadata"]["name"] for _ in "ab"}

    assert len(names) == 2


async def test_status_is_patched_apart_from_spec(api: FakeApi) -> None:
    await api.create(BATCHJOBS, {"metadata": {"name": "b"}, "spec": {"a": 1}}, NS)

    patched = await api.patch(
        BATCHJOBS, "b", {"spec": {"a": 2}, "status": {"state": "Running", "x": None}}, NS, subresource="status"
    )
    assert (patched["spec"], patched["status"]) == ({"a": 1}, {"state": "Running"})
    assert patched["metadata"]["generation"] == 1

    patched = await api.patch(BATCHJOBS, "b", {"spec": {"a": 2}, "status": {"state": "Failed"}}, NS)
    assert (patched["spec"], patched["status"]) == ({"a": 2}, {"state": "Running"})
    assert patched["metadata"]["generation"] == 2


async def test_preconditions_and_no_ops(api: FakeApi) -> None:
    created = await api.create(BATCHJOBS, {"metadata": {"name": "b"}, "spec": {}}, NS)

    for precondition in ({"uid": "other"}, {"resourceVersion": "0"}):
        with pytest.raises(errors.Conflict):
            await api.patch(BATCHJOBS, "b", {"metadata": precondition}, NS)
    with pytest.raises(errors.Conflict, match="Precondition failed"):
        await api.delete(BATCHJOBS, "b", NS, uid="other")
    assert await api.replace(BATCHJOBS, "b", created, NS) == created


async def test_a_status_is_for_one_uid_only_when_replaced(api: FakeApi) -> None:
    created = await api.create(BATCHJOBS, {"metadata": {"name": "b"}, "spec": {}}, NS)

    body = {"metadata": {"uid": "other"}, "status": {"state": "Failed"}}
    patched = await api.patch(BATCHJOBS, "b", body, NS, subresource="status")
    assert (patched["metadata"]["uid"], patched["status"]) == (created["metadata"]["uid"], {"state": "Failed"})
    body["metadata"] = {"resourceVersion": created["metadata"]["resourceVersion"]}
    with pytest.raises(errors.Conflict):
        await api.patch(BATCHJOBS, "b", body, NS, subresource="status")

    with pytest.raises(errors.Conflict):
        await api.replace_status(BATCHJOBS, "b", {}, NS, uid="other")
    replaced = await api.replace_status(BATCHJOBS, "b", {"x": 1}, NS, uid=created["metadata"]["uid"])
    assert replaced["status"] == {"x": 1}


async def test_a_lost_answer_leaves_its_effect(api: FakeApi) -> None:
    lost = errors.Unavailable(0, "Timeout", "no answer")
    api.fail_next("create", JOBS, lost, after_effect=True)
    api.fail_next("create", BATCHJOBS, lost)

    for resource in (JOBS, BATCHJOBS):
        with pytest.raises(errors.Unavailable):
            await api.create(resource, _job(), NS)

    assert len(api.store.objects(JOBS)) == 1
    assert not api.store.objects(BATCHJOBS)


async def test_what_an_object_owns_goes_with_it(api: FakeApi) -> None:
    JobController(api.store)
    owner = await api.create(BATCHJOBS, {"metadata": {"name": "b"}}, NS)
    await api.create(JOBS, _job(owner=owner["metadata"]["uid"]), NS)
    assert len(api.store.objects(PODS)) == 1

    await api.delete(BATCHJOBS, "b", NS)

    assert (api.store.objects(JOBS), api.store.objects(PODS)) == ([], [])


async def test_foreground_deletion_waits_for_the_pods(api: FakeApi) -> None:
    controller = JobController(api.store, graceful=True)
    job = await api.create(JOBS, _job(), NS)
    controller.start(job)

    await api.delete(JOBS, "videos-1", NS, propagation="Foreground")
    assert "deletionTimestamp" in controller.job("videos-1")["metadata"]
    assert "deletionTimestamp" in controller.pod(job)["metadata"]

    controller.terminate(job)
    assert (api.store.objects(JOBS), api.store.objects(PODS)) == ([], [])


async def _events(api: FakeApi, since: str, selection: Selection = ALL) -> list[tuple[str, str]]:
    found = []
    async with aclosing(api.watch(JOBS, since, selection)) as events:
        try:
            async with asyncio.timeout(0.02):
                async for kind, obj in events:
                    found.append((kind, obj["metadata"].get("name", "")))
        except TimeoutError:
            pass
    return found


async def test_a_watch_starts_where_it_is_told_to(api: FakeApi) -> None:
    api.store.create(JOBS, _job("a"), NS)
    job = api.store.create(JOBS, _job("b"), NS)
    api.store.update(JOBS, {**job, "spec": {"parallelism": 3}})
    api.store.delete(JOBS, "a", NS)

    assert await _events(api, "1") == [("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a")]
    assert await _events(api, "3") == [("DELETED", "a")]
    api.store.compact()
    assert await _events(api, "4") == []
    with pytest.raises(errors.Gone):
        await _events(api, "3")


async def test_a_watch_by_label_sees_objects_come_and_go(api: FakeApi) -> None:
    job = api.store.create(JOBS, _job("a"), NS)
    job["metadata"]["labels"] = {"mine": "1"}
    api.store.update(JOBS, job)
    job["metadata"] = {**api.store.get(JOBS, "a", NS)["metadata"], "labels": {}}
    api.store.update(JOBS, job)

    assert await _events(api, "0", Selection(labels="mine")) == [("ADDED", "a"), ("DELETED", "a")]
    assert await _events(api, "0", Selection("elsewhere")) == []


def _conditions(job: Object) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["reason"], each["message"]) for each in job["status"]["conditions"]}


async def test_a_job_runs_and_succeeds(api: FakeApi) -> None:
    controller = JobController(api.store)
    job = await api.create(JOBS, _job(), NS)
    assert (controller.job("videos-1")["status"]["active"], controller.pod(job)["status"]["phase"]) == (
        1,
        "Pending",
    )

    controller.start(job)
    assert controller.job("videos-1")["status"]["ready"] == 1
    controller.finish(job)

    status = controller.job("videos-1")["status"]
    assert (status["active"], status["ready"], status["succeeded"]) == (0, 0, 1)
    assert list(_conditions(controller.job("videos-1"))) == ["SuccessCriteriaMet", "Complete"]
    assert [kind for kind, _ in await _events(api, "0")] == ["ADDED"] + ["MODIFIED"] * 4
    assert api.writes == [("create", JOBS, "videos-1")]


RULES: list[Object] = [
    {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]},
    {"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [3]}},
]


async def test_a_failure_in_the_job_controllers_words(api: FakeApi) -> None:
    controller = JobController(api.store)
    job = await api.create(JOBS, _job(podFailurePolicy={"rules": RULES}), NS)
    controller.start(job)
    controller.finish(job, exit_code=3)

    pod = controller.pod(job)["metadata"]["name"]
    message = f"Container main for pod media/{pod} failed with exit code 3 matching FailJob rule at index 1"
    assert _conditions(controller.job("videos-1")) == {
        "FailureTarget": ("PodFailurePolicy", message),
        "Failed": ("PodFailurePolicy", message),
    }


async def test_a_failure_no_rule_knows(api: FakeApi) -> None:
    controller = JobController(api.store)
    job = await api.create(JOBS, _job(podFailurePolicy={"rules": RULES}), NS)
    controller.start(job)
    controller.finish(job, exit_code=1)

    assert _conditions(controller.job("videos-1"))["Failed"] == (
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )


async def test_a_disruption_fails_or_is_ignored_as_the_policy_says(api: FakeApi) -> None:
    controller = JobController(api.store)
    ignore = [{**RULES[0], "action": "Ignore"}]
    failing = await api.create(JOBS, _job("failing", podFailurePolicy={"rules": RULES}), NS)
    ignoring = await api.create(JOBS, _job("ignoring", podFailurePolicy={"rules": ignore}), NS)
    for job in (failing, ignoring):
        controller.start(job)
        controller.disrupt(job)

    pod = controller.pod(failing)["metadata"]["name"]
    assert _conditions(controller.job("failing"))["Failed"] == (
        "PodFailurePolicy",
        f"Pod media/{pod} has condition DisruptionTarget matching FailJob rule at index 0",
    )
    assert controller.job("ignoring")["status"]["active"] == 1
    assert controller.pod(ignoring)["status"]["phase"] == "Pending"
    assert len(api.store.objects(PODS)) == 3


async def test_a_suspended_job_has_no_pod_until_resumed(api: FakeApi) -> None:
    controller = JobController(api.store)
    job = await api.create(JOBS, _job(suspend=True), NS)
    with pytest.raises(errors.NotFound):
        controller.pod(job)

    await api.patch(JOBS, "videos-1", {"spec": {"suspend": False}}, NS)

    assert controller.pod(job)["status"]["phase"] == "Pending"


async def test_a_deadline_ends_the_job_and_its_pod(api: FakeApi) -> None:
    controller = JobController(api.store)
    job = await api.create(JOBS, _job(activeDeadlineSeconds=5), NS)
    controller.start(job)
    controller.exceed_deadline(job)

    assert _conditions(controller.job("videos-1"))["Failed"][0] == "DeadlineExceeded"
    assert not api.store.objects(PODS)


async def test_why_a_pod_waits(api: FakeApi) -> None:
    controller = JobController(api.store)
    job = await api.create(JOBS, _job(), NS)
    controller.unschedulable(job, "0/3 nodes are available")
    status = controller.pod(job)["status"]
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [("PodScheduled", "False")]

    controller.wait(job, "ImagePullBackOff", "Back-off pulling image")
    status = controller.pod(job)["status"]
    assert status["containerStatuses"][0]["state"]["waiting"]["reason"] == "ImagePullBackOff"
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [("PodScheduled", "True")]


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier", True),
        ("app!=web", False),
        ("absent!=x,!absent", True),
        ("!app", False),
        ("tier in (a, b), app notin (db)", True),
        ("tier notin (b)", False),
    ],
)
def test_label_selectors(selector: str, matches: bool) -> None:
    assert label_matcher(selector)({"metadata": {"labels": {"app": "web", "tier": "b"}}}) is matches


def test_field_selectors() -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n1"}, "status": {}}

    assert field_matcher("spec.nodeName=n1,metadata.name!=q")(pod)
    assert not field_matcher("status.phase=Running")(pod)
    with pytest.raises(ValueError, match="unable to parse"):
        field_matcher("a=b=c,(")


@pytest.mark.parametrize(
    ("resource", "good", "bad"),
    [
        (JOBS, {"name": "1" * 63}, {"name": "x" * 64}),
        (JOBS, {"name": "a-1"}, {"name": "a.1"}),
        (SERVICES, {"name": "nodes-1"}, {"name": "1-nodes"}),
        (EVENTS, {"name": "a.6f1c1f7e.1.interrupted"}, {"name": "a..b"}),
        (CONTROLLER_REVISIONS, {"name": "a.b-1"}, {"name": "a-1-"}),
    ],
)
def test_names_that_kubernetes_refuses_are_refused(resource: Resource, good: Object, bad: Object) -> None:
    store = Store()
    hold_to_name_rules(store)
    store.create(resource, {"metadata": good}, NS)
    with pytest.raises(errors.Invalid, match=r"metadata\.name"):
        store.create(resource, {"metadata": bad}, NS)


def test_the_hosts_of_an_indexed_job_have_valid_names() -> None:
    store = Store()
    hold_to_name_rules(store)
    spec = {"completionMode": "Indexed", "completions": 100_000}
    store.create(JOBS, {"metadata": {"name": "x" * 57}, "spec": spec}, NS)
    with pytest.raises(errors.Invalid, match="-99999"):
        store.create(JOBS, {"metadata": {"name": "x" * 58}, "spec": spec}, NS)
