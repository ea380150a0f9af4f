"""Free-form pod templates of a wrong shape end in a sentence, never in an exception."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.shape import misshapen, without_nulls
from batchyard.core.definition.template import resolve
from unit.samples import make_job, make_revision

OK = {"name": "a", "image": "b"}
LABEL_NAME = "letters, digits, '-', '_' and '.', with a letter or digit at both ends and at most 63 characters"
OF_VALUES = f"the value of a label: {LABEL_NAME}, or empty"
OF_AMOUNTS = 'has the key "", which must be the name of a resource, such as cpu, memory or nvidia.com/gpu'
OF_LABELS = f"{LABEL_NAME}; before it, if need be, a prefix as example.com/"
NESTED: list[Any] = []
for _ in range(60):
    NESTED = [NESTED]


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("text", "spec.template must be an object"),
        ({"spec": []}, "spec.template.spec must be an object"),
        ({}, "spec.template.spec.containers is empty: give at least one container"),
        ({"spec": {"containers": []}}, "spec.template.spec.containers is empty: give at least one container"),
        ({"spec": {"containers": {}}}, "spec.template.spec.containers must be a list"),
        ({"spec": {"containers": ["a"]}}, "spec.template.spec.containers[0] must be an object"),
        ({"spec": {"containers": [None]}}, "spec.template.spec.containers[0] must be an object"),
        (
            {"metadata": {"labels": {"": "x"}}, "spec": {"containers": [OK]}},
            f'spec.template.metadata.labels has the key "", which must be that of a label: {OF_LABELS}',
        ),
        (
            {"metadata": {"annotations": {"a" * 400: "x"}}, "spec": {"containers": [OK]}},
            f'spec.template.metadata.annotations has the key "{"a" * 64}…", which must be that of a label: {OF_LABELS}',
        ),
        (
            {"spec": {"containers": [OK], "nodeSelector": {"disk": "very fast"}}},
            f'spec.template.spec.nodeSelector.disk is "very fast" and must be {OF_VALUES}',
        ),
        (
            {"spec": {"containers": [{**OK, "resources": {"limits": {"": 1}}}]}},
            f"spec.template.spec.containers[0].resources.limits {OF_AMOUNTS}",
        ),
        ({"spec": {"containers": [OK, {}]}}, "spec.template.spec.containers[1] has no name: give it one"),
        ({"spec": {"containers": [{"name": 1}]}}, "spec.template.spec.containers[0].name must be a string"),
        (
            {"spec": {"containers": [{**OK, "command": "ls -l"}]}},
            "spec.template.spec.containers[0].command must be a list",
        ),
        (
            {"spec": {"containers": [{**OK, "args": ["a", 1]}]}},
            "spec.template.spec.containers[0].args[1] must be a string",
        ),
        (
            {"spec": {"containers": [{**OK, "env": [{"value": "x"}]}]}},
            "spec.template.spec.containers[0].env has an entry without a name: give it one",
        ),
        (
            {"spec": {"containers": [{**OK, "resources": {"limits": {"cpu": [1]}}}]}},
            "spec.template.spec.containers[0].resources.limits.cpu must be a quantity",
        ),
        ({"spec": {"containers": [OK], "runtimeClassName": 5}}, "spec.template.spec.runtimeClassName must be a string"),
        (
            {"spec": {"containers": [OK], "nodeSelector": {"a": True}}},
            "spec.template.spec.nodeSelector.a must be a string",
        ),
        (
            {"spec": {"containers": [OK], "tolerations": ["x"]}},
            "spec.template.spec.tolerations[0] must be an object",
        ),
        (
            {"spec": {"containers": [OK], "activeDeadlineSeconds": "1h"}},
            "spec.template.spec.activeDeadlineSeconds must be a whole number from 1 to 2147483647",
        ),
        (
            {"spec": {"containers": [OK], "activeDeadlineSeconds": 0}},
            "spec.template.spec.activeDeadlineSeconds must be a whole number from 1 to 2147483647",
        ),
        (
            {"spec": {"containers": [OK], "terminationGracePeriodSeconds": "30s"}},
            "spec.template.spec.terminationGracePeriodSeconds must be a whole number from 0 to 2147483647",
        ),
        (
            {"spec": {"containers": [OK], "terminationGracePeriodSeconds": True}},
            "spec.template.spec.terminationGracePeriodSeconds must be a whole number from 0 to 2147483647",
        ),
        (
            {"metadata": {"labels": {"batchyard.dev/array": "true"}}, "spec": {"containers": [OK]}},
            "spec.template.metadata.labels has batchyard.dev/array, which is for Batchyard to set: take it out",
        ),
        (
            {"metadata": {"annotations": {"a": "b", "batchyard.dev/x": "y"}}, "spec": {"containers": [OK]}},
            "spec.template.metadata.annotations has batchyard.dev/x, which is for Batchyard to set: take it out",
        ),
        (
            {"spec": {"containers": [OK], "volumes": NESTED}},
            "spec.template is nested more than 50 levels deep: take out what is not of a pod",
        ),
        (
            {"spec": {"containers": [OK], "tolerations": [{"key": 1}]}},
            "spec.template.spec.tolerations[0].key must be a string",
        ),
        ({"spec": {"containers": [OK], "nodeName": ["n"]}}, "spec.template.spec.nodeName must be a string"),
        ({"spec": {"containers": [OK], "hostNetwork": "yes"}}, "spec.template.spec.hostNetwork must be true or false"),
        (
            {"spec": {"containers": [OK], "initContainers": [{**OK, "ports": [{"hostPort": 65536}]}]}},
            "spec.template.spec.initContainers[0].ports[0].hostPort must be a whole number from 0 to 65535",
        ),
        (
            {"spec": {"containers": [{**OK, "ports": [{"containerPort": "80"}]}]}},
            "spec.template.spec.containers[0].ports[0].containerPort must be a whole number from 1 to 65535",
        ),
        (
            {"metadata": {"labels": ["a"]}, "spec": {"containers": [OK]}},
            "spec.template.metadata.labels must be an object",
        ),
    ],
)
def test_the_first_problem_is_named(template: Any, sentence: str) -> None:
    assert misshapen(template) == sentence


def test_what_batchyard_does_not_look_at_is_left_to_the_api_server() -> None:
    assert not misshapen({"metadata": None, "spec": {"containers": [OK], "volumes": 7, "initContainers": None}})


def test_a_null_is_a_field_that_is_not_set() -> None:
    template = {
        "spec": {
            "containers": [{**OK, "env": None, "resources": {"limits": None}}],
            "terminationGracePeriodSeconds": None,
            "volumes": [None, {"name": "a", "emptyDir": {}}],
        }
    }
    assert not misshapen(template)
    resolved = resolve(make_job(), make_revision(container=None, template=template))
    assert resolved.template == {
        "spec": {
            "containers": [{**OK, "resources": {}}],
            "volumes": [None, {"name": "a", "emptyDir": {}}],
            "restartPolicy": "Never",
        }
    }


def test_a_template_without_nulls_stays_the_same_object() -> None:
    template = {"spec": {"containers": [OK], "volumes": [{"name": "a"}]}}
    assert without_nulls(template) is template


def test_labels_of_other_prefixes_are_the_users_own() -> None:
    labels = {"team": "a", "sim.batchyard.dev/x": "y", "batchyard.dev": "z"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [OK], "nodeSelector": {"batchyard.dev/node": "a"}},
    }
    assert misshapen(template) == ""


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "spec",
                    "metadata",
                    "labels",
                    "containers",
                    "name",
                    "env",
                    "command",
                    "resources",
                    "limits",
                    "cpu",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("ab") | json},
        optional=dict.fromkeys(("command", "args", "env", "resources"), json),
    )
    | json,
    max_size=2,
)


@given(
    json
    | st.fixed_dictionaries(
        {
            "spec": st.fixed_dictionaries(
                {"containers": containers | json},
                optional=dict.fromkeys(("nodeSelector", "tolerations", "overhead", "resources"), json),
            )
        }
    )
)
def test_whatever_stands_in_a_template_it_resolves_or_is_refused(template: Any) -> None:
    job = make_job(containerOverrides=[{"name": "a", "command": ["x"]}])
    with suppress(TemplateError):
        resolve(job, make_revision(template=template))
