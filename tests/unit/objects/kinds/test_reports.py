"""The statuses of queues, environments and definitions."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from batchyard.api.models.batchjob import JobState
from batchyard.api.models.computeenvironment import ComputeEnvironmentStatus
from batchyard.api.models.jobdefinition import JobDefinitionStatus
from batchyard.api.models.jobqueue import JobQueueStatus
from batchyard.core.insight.nodesview import Free, NodesView
from batchyard.core.model.environment import Environment
from batchyard.core.model.queue import Queue
from batchyard.objects.brevity import MESSAGE_BYTES
from batchyard.objects.kinds.computeenvironment import render_environment_status
from batchyard.objects.kinds.jobdefinition import Rejection, render_definition_status
from batchyard.objects.kinds.jobqueue import render_queue_status
from unit.objects.conftest import Golden
from unit.samples import NOW, make_definition, make_environment, make_revision

QUEUE = Queue("urgent", "uid", 5, NOW, priority=10, enabled=True, environments=("pool", "spare"))
GI = 1024**3


def environment_status(environment: Environment | None = None, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "nodes": 2,
        "view": NodesView({"cpu": 1000, "memory": GI}),
        "capacity": {"cpu": 8000, "memory": 32 * GI, "nvidia.com/gpu": 1},
        "used": {"cpu": 2500, "memory": 4 * GI, "pods": 2},
        "free": Free({"cpu": 4500, "memory": 27 * GI, "nvidia.com/gpu": 1}, {"cpu": 3000, "memory": 11 * GI}),
        "previous": {},
        "now": NOW,
    }
    return render_environment_status(environment or make_environment(), **{**values, **changes})


def ready(status: dict[str, Any]) -> tuple[str, str]:
    condition = next(each for each in status["conditions"] if each["type"] == "Ready")
    return condition["status"], condition["reason"]


def kinds(status: dict[str, Any]) -> list[str]:
    return [condition["type"] for condition in status["conditions"]]


def check_model(model: type[BaseModel], status: dict[str, Any]) -> None:
    model.model_validate(status)
    aliases = {str(field.alias) for field in model.model_fields.values()}
    assert set(status) <= aliases
    optional = {str(f.alias) for f in model.model_fields.values() if f.get_default(call_default_factory=True) is None}
    assert aliases - optional <= set(status)


def test_the_status_of_a_queue(golden: Golden) -> None:
    counts = {JobState.RUNNABLE: 12, JobState.RUNNING: 3, JobState.SUCCEEDED: 100}
    status = render_queue_status(QUEUE, counts, [], {}, NOW)
    check_model(JobQueueStatus, status)
    golden("queue", status)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (
            ["spare"],
            (
                "ComputeEnvironment spare does not exist: create what is missing or take it out of"
                " spec.computeEnvironments; until then jobs start in pool"
            ),
        ),
        (
            ["pool", "spare"],
            (
                "ComputeEnvironments pool, spare do not exist: create what is missing or take it out of"
                " spec.computeEnvironments; until then no job can start"
            ),
        ),
    ],
)
def test_a_queue_without_its_environments_says_which(missing: list[str], words: str) -> None:
    status = render_queue_status(QUEUE, {}, missing, {}, NOW)
    assert ready(status) == ("False", "ComputeEnvironmentNotFound")
    assert status["conditions"][0]["message"] == words


def test_a_disabled_queue_is_as_it_should_be() -> None:
    assert ready(render_queue_status(replace(QUEUE, enabled=False), {}, [], {}, NOW)) == ("True", "Disabled")


def test_a_refused_queue_is_stalled() -> None:
    status = render_queue_status(replace(QUEUE, refusal="no FairShare"), {}, [], {}, NOW)
    assert ready(status) == ("False", "InvalidSpec")
    assert kinds(status) == ["Ready", "Stalled"]


def test_the_status_of_an_environment(golden: Golden) -> None:
    status = environment_status()
    check_model(ComputeEnvironmentStatus, status)
    golden("environment", status)


def test_nothing_is_free_while_more_is_used_than_a_ceiling_allows() -> None:
    bounded = make_environment(ceilings={"cpu": 1000})
    status = environment_status(bounded, capacity={"cpu": 1000}, used={"cpu": 2500, "nvidia.com/gpu": 1})
    assert status["free"] == {"cpu": "0"}
    assert status["used"] == {"cpu": "2500m", "nvidia.com/gpu": "1"}


def test_free_is_what_is_spare_on_nodes_below_the_ceilings() -> None:
    bounded = make_environment(ceilings={"cpu": 4000})
    below_the_ceiling = environment_status(bounded, capacity={"cpu": 4000}, used={"cpu": 1000})
    assert (below_the_ceiling["free"], below_the_ceiling["usedByOthers"]) == ({"cpu": "3"}, {"cpu": "1"})
    view = NodesView({"cpu": 6000, "example.com/odd": 1})
    on_nodes = environment_status(
        capacity={"cpu": 4000}, used={"cpu": 9000}, free=Free({"cpu": 1000}, {"cpu": 1000}), view=view
    )
    assert (on_nodes["free"], on_nodes["usedByOthers"]) == ({"cpu": "1"}, {"cpu": "6"}), "some run on other nodes"


def test_where_other_pods_do_not_count_nothing_is_said_of_them() -> None:
    assert "usedByOthers" not in environment_status(make_environment(count_other_pods=False))


@pytest.mark.parametrize(
    ("sentences", "said"),
    [
        (("node a: x",), "node a: x"),
        (("a", "b", "c"), "a; b; c"),
        (("a", "b", "c", "d", "e"), "a; b; c; and 2 more like that"),
    ],
)
def test_what_is_not_understood_is_a_condition_of_an_environment_that_is_used_all_the_same(
    sentences: tuple[str, ...], said: str
) -> None:
    view = NodesView({}, sentences)
    status = environment_status(view=view)
    assert kinds(status) == ["Ready", "Doubtful"]
    assert ready(status) == ("True", "NodesAvailable")
    assert status["conditions"][1]["reason"] == "NotUnderstood"
    assert status["conditions"][1]["message"] == f"counts as nothing, as it makes no sense: {said}"
    assert kinds(environment_status(make_environment(refusal="no"), view=view)) == ["Ready", "Stalled"]


def test_an_environment_without_nodes_says_which_it_looks_for() -> None:
    status = environment_status(make_environment(node_selector={"pool": "gpu", "disk": "ssd"}), nodes=0)
    assert ready(status) == ("False", "NoNodes")
    assert "labels disk=ssd,pool=gpu" in status["conditions"][0]["message"]
    assert "labels" not in environment_status(nodes=0)["conditions"][0]["message"]


def test_disabled_and_refused_environments() -> None:
    assert ready(environment_status(make_environment(enabled=False), nodes=0)) == ("True", "Disabled")
    assert kinds(environment_status(make_environment(refusal="no Managed"))) == ["Ready", "Stalled"]


def test_the_status_of_a_definition(golden: Golden) -> None:
    revisions = [make_revision(1), make_revision(2), make_revision(3)]
    status = render_definition_status(make_definition(inactive=frozenset({3})), revisions, None, {}, NOW)
    check_model(JobDefinitionStatus, status)
    golden("definition", status)


def test_a_refused_template_is_shown_in_the_words_of_the_api_server() -> None:
    words = 'Job.batch "transcode" is invalid: spec.template.spec.containers[0].image: Required value'
    status = render_definition_status(make_definition(), [make_revision(1)], Rejection.by_api_server(words), {}, NOW)
    assert ready(status) == ("False", "TemplateRejected")
    assert kinds(status) == ["Ready", "Stalled"]
    assert status["conditions"][0]["message"] == f"the API server refuses the pod template: {words}"


def test_long_words_in_a_condition_are_cut() -> None:
    rejection = Rejection.by_api_server("x" * 40_000)
    status = render_definition_status(make_definition(), [make_revision(1)], rejection, {}, NOW)
    assert MESSAGE_BYTES - 50 < len(status["conditions"][0]["message"]) <= MESSAGE_BYTES
    JobDefinitionStatus.model_validate(status)


def test_a_definition_that_no_job_can_use_says_so() -> None:
    revisions = [make_revision(1)]
    inactive = render_definition_status(make_definition(inactive=frozenset({1})), revisions, None, {}, NOW)
    assert ready(inactive) == ("False", "NoActiveRevision")
    assert "latestRevision" not in inactive
    assert ready(render_definition_status(make_definition(), [], None, {}, NOW)) == ("False", "Progressing")
    refused = render_definition_status(make_definition(refusal="no arrays"), revisions, None, {}, NOW)
    assert kinds(refused) == ["Ready", "Stalled"]
