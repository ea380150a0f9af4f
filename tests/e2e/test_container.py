"""What reaches the program in a real container, after the kubelet has expanded what is to be expanded."""

from typing import Any

import pytest

from batchyard.api import names
from e2e.harness import Harness
from localcluster.images import SHELL

pytestmark = pytest.mark.e2e

SHOW = 'for x in "$@"; do printf "<%s>\\n" "$x"; done; printf "env <%s>\\n" "$PRICE"'
PARAMETERS = {
    "a": "p$$w0rd$$",
    "b": "$(AWS_BATCH_JQ_NAME)",
    "c": 'it\'s "two words"; rm -rf $HOME `id`',
    "d": "Größe=5µm 日本 🚀",
    "e": "line 1\nline 2\ttab",
    "f": "",
    "g": "(PRICE)",
}
SEEN = """\
<p$$w0rd$$>
<$(AWS_BATCH_JQ_NAME)>
<it's "two words"; rm -rf $HOME `id`>
<Größe=5µm 日本 🚀>
<line 1
line 2	tab>
<[]>
<$(PRICE)>
<1$2>
env <1$2>
"""
COMPOSED: list[dict[str, Any]] = [
    {"name": "URL", "value": "s3://$(BUCKET)/$(AWS_BATCH_JQ_NAME)"},
    {"name": "ID", "value": "$(AWS_BATCH_JOB_ID)"},
]


@pytest.fixture(scope="module", autouse=True)
def submitted(shared: Harness) -> None:
    """All jobs, which run side by side."""
    words = {"args": ["Ref::a", "Ref::b", "Ref::c", "Ref::d", "Ref::e", "[Ref::f]", "$Ref::g", "$(PRICE)"]}
    price = {"env": [{"name": "PRICE", "value": "1$$2"}]}
    twice = {
        "name": "main",
        "image": SHELL,
        "command": ["sh", "-c", 'echo "DUP=$DUP"'],
        "env": [{"name": "DUP", "value": "first"}, {"name": "DUP", "value": "$(DUP) and second"}],
        "resources": {"requests": {"cpu": "50m", "memory": "16Mi"}},
    }
    forged = {**twice, "env": [{"name": "AWS_BATCH_JOB_ID", "value": "mine"}]}
    shared.apply(
        shared.real_environment(),
        shared.queue("queue", "real"),
        shared.definition("show", "sh", "-c", SHOW, "show", container={**words, **price}),
        shared.definition("composed", "sh", "-c", 'echo "URL=$URL ID=$ID"', container={"env": COMPOSED}),
        shared.object(names.JOB_DEFINITION, "twice", {"template": {"spec": {"containers": [twice]}}}),
        shared.object(names.JOB_DEFINITION, "forged", {"template": {"spec": {"containers": [forged]}}}),
        shared.definition("tiny", "true", container={"resources": {"requests": {"cpu": "50m", "memory": "2048"}}}),
    )
    bucket = {"name": "BUCKET", "value": "pa$$word$(ID)"}
    shared.apply(
        shared.job("dollars", "show", "queue", parameters=PARAMETERS),
        shared.job("dollars-of-an-array", "show", "queue", parameters=PARAMETERS, array={"size": 1}),
        shared.job("adds-what-is-referred-to", "composed", "queue", containerOverrides=[{"env": [bucket]}]),
        shared.job("twice", "twice", "queue"),
        shared.job("forged", "forged", "queue"),
        shared.job("tiny", "tiny", "queue"),
    )


@pytest.mark.parametrize("job", ["dollars", "dollars-of-an-array"])
def test_parameters_arrive_as_they_are(shared: Harness, job: str) -> None:
    assert shared.wait_state(job, "Succeeded", "Failed")["state"] == "Succeeded"
    assert shared.logs_of(job) == SEEN


def test_variables_of_the_job_can_be_referred_to_and_those_of_the_definition_stay_in_order(shared: Harness) -> None:
    shared.wait_finished(["adds-what-is-referred-to", "twice"])
    uid = shared.batchjobs()["adds-what-is-referred-to"]["metadata"]["uid"]
    expected = f"URL=s3://pa$$word$(ID)/{shared.named('queue')} ID={uid}\n"
    assert shared.logs_of("adds-what-is-referred-to") == expected
    assert shared.logs_of("twice") == "DUP=first and second\n"


def test_a_template_that_sets_a_reserved_variable_is_refused_in_words(shared: Harness) -> None:
    status = shared.wait_finished(["forged"])["forged"]
    assert (status["state"], status["reason"]) == ("Failed", "InvalidSpec")
    assert "container main sets AWS_BATCH_JOB_ID" in status["message"]
    assert status["message"].endswith(shared.wait_condition("jobdefinitions", "forged", "InvalidSpec")["message"])


def test_memory_in_bytes_is_doubted_and_the_job_runs(shared: Harness) -> None:
    assert shared.wait_finished(["tiny"])["tiny"]["state"] == "Succeeded"
    path = shared.kubectl("get", "jobdefinition", "tiny", "-o", "jsonpath={.status.conditions[?(@.type=='Doubtful')]}")
    assert "2048 bytes: did you mean 2048Mi?" in path
