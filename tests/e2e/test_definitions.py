"""Job definitions: every change is a revision, jobs keep theirs, and the API server has its say about templates."""

from typing import Any

import pytest

from batchyard.api import names
from e2e.clusterapi import REVISIONS, Json
from e2e.harness import Harness
from localcluster.images import SHELL

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module", autouse=True)
def queue(shared: Harness) -> None:
    shared.apply(
        shared.real_environment(),
        shared.real_environment("closed", state="Disabled"),
        shared.queue("queue", "real"),
        shared.queue("held", "closed"),
    )


def _wait_revisions(harness: Harness, name: str, latest: int, revisions: list[int]) -> None:
    def recorded(status: Json) -> bool:
        there = [each["revision"] for each in status.get("revisions", [])]
        return status.get("latestRevision") == latest and there == revisions

    harness.wait_shown("jobdefinitions", name, recorded)


def _say(harness: Harness, name: str, words: str, **spec: Any) -> Json:
    return harness.definition(name, "echo", words, **spec)


def test_a_change_is_a_new_revision_and_jobs_keep_theirs(shared: Harness) -> None:
    shared.apply(_say(shared, "greet", "one"), shared.job("waits", "greet", "held"))
    _wait_revisions(shared, "greet", 1, [1])
    assert shared.wait_reason("waits", "ComputeEnvironmentDisabled")["jobDefinition"] == "greet:1"
    shared.apply(_say(shared, "greet", "two"))
    _wait_revisions(shared, "greet", 2, [2, 1])
    shared.apply(
        shared.job("latest", "greet", "queue"),
        shared.job("pinned", "greet:1", "queue"),
        shared.real_environment("closed"),
    )
    said = {"waits": "one", "latest": "two", "pinned": "one"}
    statuses = shared.wait_finished(said)
    assert {name: shared.logs_of(name).strip() for name in said} == said
    assert [statuses[name]["jobDefinition"] for name in said] == ["greet:1", "greet:2", "greet:1"]

    # What is no content makes no revision.
    shared.kubectl("label", "jobdefinition", "greet", "team=blue")
    shared.apply(_say(shared, "greet", "two", revisionHistoryLimit=9), shared.job("again", "greet", "queue"))
    assert shared.wait_state("again", "Succeeded")["jobDefinition"] == "greet:2"
    _wait_revisions(shared, "greet", 2, [2, 1])


def test_a_job_applied_right_behind_a_change_gets_the_change(shared: Harness) -> None:
    names_of_jobs = [f"round-{number}" for number in range(1, 6)]
    for number, name in enumerate(names_of_jobs, start=1):
        shared.apply(_say(shared, "changing", name), shared.job(name, "changing", "queue"))
        status = shared.wait_status(name, lambda status: "jobDefinition" in status)
        assert status["jobDefinition"] == f"changing:{number}"
    shared.wait_finished(names_of_jobs)
    assert {name: shared.logs_of(name).strip() for name in names_of_jobs} == {name: name for name in names_of_jobs}


def test_an_inactive_revision_takes_no_new_jobs(shared: Harness) -> None:
    shared.apply(_say(shared, "aged", "one"))
    _wait_revisions(shared, "aged", 1, [1])
    shared.apply(_say(shared, "aged", "two"))
    _wait_revisions(shared, "aged", 2, [2, 1])
    shared.apply(_say(shared, "aged", "two", inactiveRevisions=[2]))
    _wait_revisions(shared, "aged", 1, [2, 1])
    shared.apply(shared.job("on-two", "aged:2", "queue"), shared.job("on-latest", "aged", "queue"))
    status = shared.wait_reason("on-two", "RevisionInactive")
    assert status["state"] == "Pending"
    assert "inactiveRevisions" in status["message"]
    assert shared.wait_state("on-latest", "Succeeded")["jobDefinition"] == "aged:1"
    shared.apply(_say(shared, "aged", "two", inactiveRevisions=[1, 2]), shared.job("on-none", "aged", "queue"))
    assert shared.wait_reason("on-none", "NoActiveRevision")["state"] == "Pending"
    shared.apply(_say(shared, "aged", "two"))
    assert shared.wait_state("on-two", "Succeeded")["jobDefinition"] == "aged:2"
    assert shared.wait_state("on-none", "Succeeded")["jobDefinition"] == "aged:2"


def test_old_revisions_go_but_never_one_in_use_and_no_number_comes_twice(shared: Harness) -> None:
    shared.apply(shared.real_environment("closed", state="Disabled"))
    shared.apply(_say(shared, "short", "1", revisionHistoryLimit=2), shared.job("keeps-one", "short:1", "held"))
    shared.wait_reason("keeps-one", "ComputeEnvironmentDisabled")
    for number, there in ((2, [2, 1]), (3, [3, 2, 1]), (4, [4, 3, 1])):
        shared.apply(_say(shared, "short", str(number), revisionHistoryLimit=2))
        _wait_revisions(shared, "short", number, there)
    kept = {each["metadata"]["name"] for each in shared.api.list(REVISIONS, shared.namespace)}
    assert {name for name in kept if name.startswith("short-")} == {"short-1", "short-3", "short-4"}
    shared.apply(shared.job("wants-two", "short:2", "queue"))
    assert shared.wait_reason("wants-two", "RevisionNotFound")["state"] == "Pending"
    shared.apply(shared.real_environment("closed"))
    shared.wait_state("keeps-one", "Succeeded")
    assert shared.logs_of("keeps-one").strip() == "1"


def test_a_template_that_the_api_server_refuses_is_shown_in_its_words(shared: Harness) -> None:
    resources = {"requests": {"cpu": "10m"}}
    container = {"name": "Not A Name", "image": SHELL, "command": ["true"], "resources": resources}
    template = {"spec": {"containers": [container]}}
    shared.apply(
        shared.object(names.JOB_DEFINITION, "refused", {"template": template}), shared.job("doomed", "refused", "queue")
    )
    condition = shared.wait_condition("jobdefinitions", "refused", "TemplateRejected")
    assert condition["status"] == "False"
    assert "Not A Name" in condition["message"]
    status = shared.wait_state("doomed", "Failed")
    assert status["reason"] == "JobRejected"
    assert "Not A Name" in status["message"]
    container["name"] = "mended"
    shared.apply(shared.object(names.JOB_DEFINITION, "refused", {"template": template}))
    shared.apply(shared.job("revived", "refused", "queue"))
    assert shared.wait_state("revived", "Succeeded")["jobDefinition"] == "refused:2"
