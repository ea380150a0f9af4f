"""A job merged into its definition as AWS Batch merges them."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.models.jobdefinition import ZonePolicy
from batchyard.api.models.strategy import ExitAction
from batchyard.core.definition.commands import filled_in
from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.podtemplate import pod_template
from batchyard.core.definition.template import Templates, resolve
from batchyard.core.model.definition import ExitRule, MemoryGrowth, Resolved, RetryPolicy
from batchyard.core.model.job import BatchJob
from batchyard.core.model.pods.constraints import UNCONSTRAINED, Constraints
from fakes.expansion import variables_of
from objects.specs import multi_node
from unit.samples import CONTAINER, make_content, make_job, make_revision

GI = 1024**3


def container_of(resolved: Resolved, name: str = "main") -> dict[str, Any]:
    spec = filled_in(resolved.template["spec"], resolved.parameters)
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    return next(container for container in containers if container["name"] == name)


def merged(override: dict[str, Any], **container: Any) -> dict[str, Any]:
    revision = make_revision(container={**CONTAINER, **container})
    return container_of(resolve(make_job(containerOverrides=[override]), revision))


def refusal(job: BatchJob, **content: Any) -> TemplateError:
    with pytest.raises(TemplateError) as error:
        resolve(job, make_revision(**content))
    return error.value


def test_the_short_form_becomes_a_pod_with_one_container() -> None:
    template = pod_template(
        make_content(
            container={
                "image": "busybox",
                "env": [{"name": "A", "value": "1"}],
                "serviceAccountName": "reader",
                "imagePullSecrets": [{"name": "pull"}],
                "volumes": [{"name": "scratch", "emptyDir": {}}],
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [],
            }
        )
    )
    assert template == {
        "spec": {
            "serviceAccountName": "reader",
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
            "nodeSelector": {"disk": "ssd"},
            "restartPolicy": "Never",
            "containers": [
                {
                    "name": "main",
                    "image": "busybox",
                    "env": [{"name": "A", "value": "1"}],
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                }
            ],
        }
    }


def test_a_whole_template_is_kept_but_never_restarts_in_place() -> None:
    template = {
        "metadata": {"labels": {"team": "media"}, "annotations": {"note": "x"}},
        "spec": {
            "restartPolicy": "OnFailure",
            "hostNetwork": True,
            "containers": [{"name": "a", "image": "b"}],
        },
    }
    resolved = resolve(make_job(), make_revision(template=template))
    assert resolved.template["metadata"] == template["metadata"]
    assert resolved.template["spec"]["restartPolicy"] == "Never"
    assert resolved.template["spec"]["hostNetwork"] is True


def test_the_jobs_parameters_win_over_the_definitions() -> None:
    assert container_of(resolve(make_job(), make_revision()))["command"][-1] == "h264"
    assert container_of(resolve(make_job(parameters={"codec": "av1"}), make_revision()))["command"][-1] == "av1"


def test_parameters_reach_command_and_args_of_every_container() -> None:
    containers = [{"name": name, "image": "b", "command": ["Ref::codec"], "args": ["--in=Ref::codec"]} for name in "ab"]
    template = {"spec": {"initContainers": containers[:1], "containers": containers[1:]}}
    resolved = resolve(make_job(), make_revision(template=template))
    for name in "ab":
        assert container_of(resolved, name)["command"] == ["h264"]
        assert container_of(resolved, name)["args"] == ["--in=h264"]


def test_a_missing_parameter_is_named_with_its_remedy() -> None:
    error = refusal(make_job(), parameters={})
    assert error.reason == "MissingParameter"
    assert error.message == (
        "parameter 'codec' of JobDefinition media/transcode revision 3 has no value: set spec.parameters.codec"
    )


def test_parameters_that_would_blow_a_pod_up_are_refused() -> None:
    containers = [{"name": name, "command": ["Ref::codec" * 20] * 20} for name in "ab"]
    error = refusal(make_job(parameters={"codec": "x" * 2000}), template={"spec": {"containers": containers}})
    assert error.reason == "InvalidSpec"
    assert error.message == (
        "command and args of all containers come to more than 262,144 characters with the values of parameters:"
        " shorten spec.parameters, or hand long texts over in a ConfigMap"
    )


@pytest.mark.parametrize("amounts", [{"cpu": 0, "memory": 0}, {}, {"cpu": "0.0"}, {"nvidia.com/gpu": 0}])
def test_a_pod_may_ask_for_nothing(amounts: dict[str, Any]) -> None:
    resources = {"requests": amounts, "limits": amounts}
    assert resolve(make_job(), make_revision(container={**CONTAINER, "resources": resources})).request == {}


@pytest.mark.parametrize(
    ("amounts", "words"),
    [
        ({"pods": 0}, "'pods' is no resource of a container"),
        ({"x/" + "y" * 24_000: 1}, "is no resource of a container"),
        ({"memory": "1e99"}, "this much memory is more than there can be"),
        ({"cpu": "9999999999999999"}, "this much cpu is more than there can be"),
        ({"memory": "-1"}, '"-1" is not a quantity of at least 0'),
        ({"memory": "nan"}, '"nan" is not a quantity of at least 0'),
    ],
)
def test_what_no_pod_can_ask_for_is_refused(amounts: dict[str, Any], words: str) -> None:
    error = refusal(make_job(), container={**CONTAINER, "resources": {"requests": amounts}})
    assert error.reason == "InvalidResources"
    assert words in error.message


def test_what_a_short_job_comes_to_is_not_kept_while_it_waits() -> None:
    """Ten thousand such jobs would take gigabytes; definitions and parameters are not copied either."""
    containers = [{"name": "main", "command": ["Ref::codec" * 20] * 20}]
    revision = make_revision(template={"spec": {"containers": containers}}, parameters={"codec": "x" * 500})
    job = make_job(parameters={"other": "y"})
    resolved = resolve(job, revision)
    assert resolved.template["spec"]["containers"][0]["command"] is containers[0]["command"]
    assert resolved.parameters["codec"] is revision.content["parameters"]["codec"]
    assert len(container_of(resolved)["command"][0]) == 10_000


@pytest.mark.parametrize("field", ["command", "args"])
def test_words_are_replaced_as_a_whole(field: str) -> None:
    assert merged({"name": "main", field: ["other"]}, args=["a", "b"])[field] == ["other"]
    assert merged({"name": "main", field: []}, args=["a", "b"])[field] == []


def test_an_overridden_command_has_its_placeholders_replaced() -> None:
    assert merged({"command": ["play", "Ref::codec"]})["command"] == ["play", "h264"]


def test_command_and_args_are_replaced_apart() -> None:
    container = merged({"name": "main", "args": ["x"]}, args=["a"])
    assert (container["command"][0], container["args"]) == ("transcode", ["x"])


def test_the_image_is_replaced() -> None:
    assert merged({"name": "main", "image": "other:1"})["image"] == "other:1"


def test_variables_merge_by_name_and_the_override_wins() -> None:
    own = [
        {"name": "A", "value": "1"},
        {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    override = [{"name": "B", "value": "2"}, {"name": "C", "value": "3"}]
    assert merged({"name": "main", "env": override}, env=own)["env"] == [
        {"name": "B", "value": "2"},
        {"name": "C", "value": "3"},
        {"name": "A", "value": "1"},
    ]


def test_resources_merge_one_by_one() -> None:
    own = {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"memory": "8Gi"}}
    override = {"requests": {"cpu": "3"}, "limits": {"nvidia.com/gpu": "1"}}
    job = make_job(containerOverrides=[{"name": "main", "resources": override}])
    resolved = resolve(job, make_revision(container={**CONTAINER, "resources": own}))
    assert container_of(resolved)["resources"] == {
        "requests": {"cpu": "3", "memory": "4Gi", "nvidia.com/gpu": "1"},
        "limits": {"memory": "8Gi", "nvidia.com/gpu": "1"},
    }
    assert resolved.request == {"cpu": 3000, "memory": 4 * GI, "nvidia.com/gpu": 1}


def test_an_override_of_nothing_changes_nothing() -> None:
    defaulted = {"name": "main", "env": [], "resources": {"requests": {}, "limits": {}}}
    plain = resolve(make_job(), make_revision())
    assert resolve(make_job(containerOverrides=[defaulted]), make_revision()) == plain


def test_an_override_of_a_container_that_is_not_there_names_those_that_are() -> None:
    template = {"spec": {"initContainers": [{"name": "fetch"}], "containers": [{"name": "work"}]}}
    error = refusal(make_job(containerOverrides=[{"name": "main", "command": ["x"]}]), template=template)
    assert error.reason == "UnknownContainer"
    assert error.message == (
        "spec.containerOverrides names container 'main', which the JobDefinition does not have: use one of fetch, work"
    )


def test_init_containers_can_be_overridden() -> None:
    template = {"spec": {"initContainers": [{"name": "fetch"}], "containers": [{"name": "work"}]}}
    job = make_job(containerOverrides=[{"name": "fetch", "command": ["x"]}])
    resolved = resolve(job, make_revision(template=template))
    assert container_of(resolved, "fetch")["command"] == ["x"]
    assert "command" not in container_of(resolved, "work")


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"requests": {"cpu": "much"}}, ["container 'main'", 'cpu: "much" is not a quantity']),
        ({"limits": {"nvidia.com/gpu": "0.5"}}, ["nvidia.com/gpu", "not a whole number"]),
        (
            {"requests": {"memory": "8Gi"}, "limits": {"memory": "4Gi"}},
            ["request of 8 GiB memory is more than the limit of 4 GiB memory", "set resources.requests and"],
        ),
        ({"requests": {"nvidia.com/gpu": "1"}}, ["requests nvidia.com/gpu without a limit"]),
        (
            {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "2"}},
            ["1 nvidia.com/gpu must equal the limit of 2 nvidia.com/gpu"],
        ),
        ({"requests": {"hugepages-2Mi": "2Mi"}}, ["hugepages-2Mi without a limit"]),
    ],
)
def test_resources_that_kubernetes_would_refuse_are_refused(resources: dict[str, Any], words: list[str]) -> None:
    error = refusal(make_job(), container={**CONTAINER, "resources": resources})
    assert error.reason == "InvalidResources"
    assert all(word in error.message for word in words), error.message


def test_requests_may_stay_below_the_limits_of_what_can_be_overcommitted() -> None:
    resources = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}}
    resolved = resolve(make_job(), make_revision(container={**CONTAINER, "resources": resources}))
    assert resolved.request == {"cpu": 1000, "memory": GI}


@pytest.mark.parametrize("field", ["overhead", "resources"])
def test_amounts_of_the_pod_that_are_none_are_refused(field: str) -> None:
    amounts: dict[str, Any] = {"overhead": {"cpu": "much"}, "resources": {"requests": {"cpu": "much"}}}
    template = {"spec": {"containers": [{"name": "a"}], field: amounts[field]}}
    error = refusal(make_job(), template=template)
    assert (error.reason, "much" in error.message) == ("InvalidResources", True)


def test_without_a_strategy_there_is_one_attempt_and_no_timeout() -> None:
    resolved = resolve(make_job(), make_revision())
    assert resolved.retry == RetryPolicy()
    assert resolved.retry.attempts == 1
    assert resolved.timeout_seconds is None
    assert resolved.startup_grace_seconds == 300


def test_the_jobs_strategy_replaces_the_definitions_as_a_whole() -> None:
    definition = {"attempts": 5, "backoff": {"initialSeconds": 1, "multiplier": 3, "maxSeconds": 60}}
    revision = make_revision(retryStrategy=definition, timeout={"attemptDurationSeconds": 60}, startupGraceSeconds=7)
    resolved = resolve(make_job(), revision)
    assert resolved.retry == RetryPolicy(5, 1.0, 3.0, 60.0)
    assert (resolved.timeout_seconds, resolved.startup_grace_seconds) == (60, 7)
    job = make_job(retryStrategy={"attempts": 2, "maxInterruptions": 1}, timeout={"attemptDurationSeconds": 90})
    resolved = resolve(job, revision)
    assert resolved.retry == RetryPolicy(attempts=2, max_interruptions=1)
    assert resolved.timeout_seconds == 90


def test_rules_growth_and_jitter_are_read() -> None:
    strategy = {
        "attempts": 5,
        "backoff": {"jitter": 0},
        "evaluateOnExit": [
            {"onExitCode": "1*", "onReason": "OOMKilled", "action": "Retry"},
            {"onStatusReason": "*", "action": "Exit"},
        ],
        "onOutOfMemory": {"memoryMultiplier": 1.5, "maxMemory": "8Gi"},
    }
    assert resolve(make_job(retryStrategy=strategy), make_revision()).retry == RetryPolicy(
        attempts=5,
        jitter=0.0,
        exit_rules=(
            ExitRule(ExitAction.RETRY, on_exit_code="1*", on_reason="OOMKilled"),
            ExitRule(ExitAction.EXIT, on_status_reason="*"),
        ),
        memory_growth=MemoryGrowth(1.5, 8 * 2**30),
    )


def test_memory_doubles_without_bound_unless_said_otherwise() -> None:
    revision = make_revision(retryStrategy={"attempts": 2, "onOutOfMemory": {}})
    assert resolve(make_job(), revision).retry.memory_growth == MemoryGrowth(2.0, None)


def test_content_without_a_container_is_refused() -> None:
    error = refusal(make_job(), container=None)
    assert error.reason == "InvalidSpec"
    assert "spec.container" in error.message


def test_nothing_that_was_given_is_changed() -> None:
    job = make_job(
        parameters={"codec": "av1"},
        containerOverrides=[
            {"name": "main", "env": [{"name": "A", "value": "1"}], "resources": {"limits": {"cpu": "2"}}}
        ],
    )
    revision = make_revision()
    before = copy.deepcopy((job.spec, revision.content))
    resolve(job, revision)
    assert (job.spec, revision.content) == before


variables = st.lists(
    st.builds(lambda name, value: {"name": name, "value": value}, st.sampled_from("ABCD"), st.text(max_size=3)),
    unique_by=lambda entry: entry["name"],
)


@given(variables, variables)
def test_after_the_merge_each_variable_is_there_once_with_the_last_word(
    own: list[dict[str, str]], override: list[dict[str, str]]
) -> None:
    merged_env = merged({"name": "main", "env": override}, env=own)["env"]
    assert len({entry["name"] for entry in merged_env}) == len(merged_env)
    jobs = {entry["name"]: entry["value"] for entry in override}
    assert variables_of({"env": merged_env}).items() >= jobs.items()
    definitions = {entry["name"]: entry["value"] for entry in own if entry["name"] not in jobs}
    assert {entry["name"]: entry["value"] for entry in merged_env if entry["name"] not in jobs} == definitions


def test_a_variable_of_the_job_can_be_referred_to_and_refers_to_nothing() -> None:
    own = [{"name": "URL", "value": "s3://$(BUCKET)/$(KEY)"}, {"name": "KEY", "value": "of the definition"}]
    override = [{"name": "BUCKET", "value": "pa$$word"}, {"name": "KEY", "value": "$(BUCKET)"}]
    variables = variables_of(merged({"env": override}, env=own))
    assert variables == {"URL": "s3://pa$$word/$(BUCKET)", "BUCKET": "pa$$word", "KEY": "$(BUCKET)"}


def test_a_definitions_variables_stay_in_their_order_even_twice() -> None:
    containers = [
        {
            "name": "main",
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "value": "$(A)"},
                {"name": "A", "value": "2$(A)"},
                {"name": "C", "value": "3"},
            ],
        }
    ]
    job = make_job(containerOverrides=[{"env": [{"name": "C", "value": "4"}]}])
    resolved = resolve(job, make_revision(template={"spec": {"containers": containers}}))
    assert variables_of(container_of(resolved)) == {"C": "4", "A": "21", "B": "1"}


@pytest.mark.parametrize(
    ("definition", "override", "priority"), [(None, None, 0), (7, None, 7), (7, 0, 0), (None, 3, 3), (7, 9, 9)]
)
def test_the_jobs_priority_replaces_the_definitions(
    definition: int | None, override: int | None, priority: int
) -> None:
    spec: dict[str, Any] = {} if override is None else {"schedulingPriorityOverride": override}
    content = {} if definition is None else {"schedulingPriority": definition}
    assert resolve(make_job(**spec), make_revision(**content)).priority == priority


@pytest.mark.parametrize(
    ("spec", "shared"),
    [
        ({}, True),
        ({"shareIdentifier": "red", "suspend": True, "dependsOn": [{"job": "fetch"}]}, True),
        ({"parameters": {"codec": "av1"}}, False),
        ({"containerOverrides": [{"image": "another"}]}, False),
        ({"schedulingPriorityOverride": 0}, False),
        ({"timeout": {"attemptDurationSeconds": 5}}, False),
        ({"somethingNew": 1}, False),
    ],
)
def test_jobs_that_say_nothing_of_the_pod_share_what_their_revision_comes_to(
    spec: dict[str, Any], shared: bool
) -> None:
    templates, revision = Templates(), make_revision(schedulingPriority=5)
    first, second = templates.resolve(make_job("first"), revision), templates.resolve(make_job(**spec), revision)
    assert (second is first) == shared
    assert second == resolve(make_job(**spec), revision)


def test_a_revision_of_another_definition_of_that_name_shares_nothing() -> None:
    templates = Templates()
    before = templates.resolve(make_job(), make_revision())
    after = templates.resolve(make_job(), make_revision(container={**CONTAINER, "image": "another"}))
    assert container_of(before)["image"] != container_of(after)["image"]


@pytest.mark.parametrize(
    ("said", "policy", "constraints"),
    [
        ({}, ZonePolicy.ANY, UNCONSTRAINED),
        ({"zonePolicy": None}, ZonePolicy.ANY, UNCONSTRAINED),
        ({"zonePolicy": "Any"}, ZonePolicy.ANY, UNCONSTRAINED),
        ({"zonePolicy": "Spread"}, ZonePolicy.SPREAD, Constraints(spread=True)),
        # As a version to come may have stored it.
        ({"zonePolicy": "Nearby"}, ZonePolicy.ANY, UNCONSTRAINED),
    ],
)
def test_how_pods_are_divided_between_zones_is_the_definitions(
    said: dict[str, Any], policy: ZonePolicy, constraints: Constraints
) -> None:
    resolved = resolve(make_job(), make_revision(**said))
    assert (resolved.zone_policy, resolved.constraints) == (policy, constraints)
    assert resolved.pods[0].constraints == constraints


SINGLE: dict[str, Any] = {"zonePolicy": "Single"}


def test_all_nodes_of_a_multi_node_job_are_to_be_in_one_zone_or_none_is() -> None:
    ranges = [
        {"targetNodes": "0", "container": {**CONTAINER, "nodeSelector": {"disk": "ssd"}}},
        {"targetNodes": "1:2", "container": CONTAINER},
    ]
    content: dict[str, Any] = {"container": None, "multiNode": {"numNodes": 3, "nodeRanges": ranges}}
    cases: list[tuple[dict[str, Any], bool]] = [({}, False), ({"zonePolicy": "Any"}, False), (SINGLE, True)]
    for said, one_zone in cases:
        resolved = resolve(make_job(), make_revision(**content, **said))
        assert [each.constraints.one_zone for each in resolved.pods] == [one_zone] * 2
        assert resolved.pods[0].constraints.selector == (("disk", "ssd"),)
    overridden = make_job(nodeOverrides={"nodeRanges": [{"targetNodes": "0:", "containerOverrides": [{"image": "x"}]}]})
    again = resolve(overridden, make_revision(**multi_node(2, dict(CONTAINER)), **SINGLE))
    assert [each.constraints.one_zone for each in again.pods] == [True]
