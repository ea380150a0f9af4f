"""The generated schemas are structural, described, bounded, and agree with the models."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from batchyard.api.generate import crds
from batchyard.api.generate.schema import structural_schema
from batchyard.api.kinds import KINDS, Kind
from batchyard.api.models.base import VALIDATIONS
from objects.podparts import is_pod_part

Json = dict[str, Any]

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


def walk(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    yield path, schema
    if is_pod_part(schema):
        return
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if "items" in schema:
        yield from walk(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from walk(schema["additionalProperties"], f"{path}.*")


def nodes(kind: Kind) -> list[tuple[str, Json]]:
    return list(walk(structural_schema(kind.model, kind.name)))


@each_kind
def test_every_field_is_described(kind: Kind) -> None:
    missing = [
        path
        for path, node in nodes(kind)
        if not node.get("description") and not path.startswith(".metadata") and path[-1:] not in {"]", "*"}
    ]
    assert missing == []


@each_kind
def test_descriptions_are_sentences(kind: Kind) -> None:
    for path, node in nodes(kind):
        text = node.get("description", "Text.")
        assert text.endswith((".", '"', "`")), path
        assert text[0].isupper() or text[0] == "`", path


@each_kind
def test_every_node_has_a_type(kind: Kind) -> None:
    untyped = [path for path, node in nodes(kind) if "type" not in node and not node.get("x-kubernetes-int-or-string")]
    assert untyped == []


@each_kind
def test_lists_maps_and_text_of_specs_are_bounded(kind: Kind) -> None:
    """Unbounded ones make the API server refuse rules as too expensive."""
    for path, node in nodes(kind):
        if not path.startswith(".spec"):
            continue
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if isinstance(node.get("additionalProperties"), dict):
            assert "maxProperties" in node, path
        if node.get("type") == "string" and "enum" not in node and not path.endswith("Time"):
            assert "maxLength" in node, path


@each_kind
def test_numbers_of_specs_have_a_least_value(kind: Kind) -> None:
    for path, node in nodes(kind):
        if path.startswith(".spec") and node.get("type") in {"integer", "number"} and "tolerationSeconds" not in path:
            assert "minimum" in node, path


@each_kind
def test_fractional_minimum_is_never_used(kind: Kind) -> None:
    """The API server cuts it to a whole number when the value is one, so that 0 would pass a minimum of 0.5."""
    for path, node in nodes(kind):
        assert node.get("minimum", 0) == int(node.get("minimum", 0)), path


@each_kind
def test_rules_have_messages_and_existing_fields(kind: Kind) -> None:
    for path, node in nodes(kind):
        for rule in node.get(VALIDATIONS, ()):
            assert rule["message"], path
            target = node
            for step in rule.get("fieldPath", "").split(".")[1:]:
                assert step in target["properties"], (path, rule)
                target = target["properties"][step]


@each_kind
def test_list_map_keys_are_required_or_have_a_default(kind: Kind) -> None:
    for path, node in nodes(kind):
        for key in node.get("x-kubernetes-list-map-keys", ()):
            entry = node["items"]
            assert key in entry.get("required", ()) or "default" in entry["properties"][key], path


@each_kind
def test_schema_has_the_fields_of_the_model(kind: Kind) -> None:
    schema = structural_schema(kind.model, kind.name)
    for part in ("spec", "status"):
        annotation = kind.model.model_fields[part].annotation
        model = annotation if part == "spec" else annotation.__args__[0]  # type: ignore[union-attr]
        fields = {field.alias for field in model.model_fields.values()}  # type: ignore[union-attr]
        assert set(schema["properties"][part]["properties"]) == fields


@pytest.mark.parametrize(
    ("name", "short_name", "scope"),
    [
        ("JobDefinition", "jd", "Namespaced"),
        ("BatchJob", "bj", "Namespaced"),
        ("JobQueue", "jq", "Cluster"),
        ("ComputeEnvironment", "ce", "Cluster"),
        ("ConsumableResource", "cr", "Cluster"),
    ],
)
def test_names_and_scope(name: str, short_name: str, scope: str) -> None:
    spec = crds.definition(KINDS[name])["spec"]
    assert spec["names"]["shortNames"] == [short_name]
    assert spec["names"]["categories"] == ["batchyard"]
    assert spec["scope"] == scope
    assert spec["versions"][0]["subresources"] == {"status": {}}


def test_batch_jobs_can_be_selected_by_queue_and_state() -> None:
    fields = crds.definition(KINDS["BatchJob"])["spec"]["versions"][0]["selectableFields"]
    assert {field["jsonPath"] for field in fields} == {".spec.jobQueue", ".spec.jobDefinition", ".status.state"}


def test_defaults_are_in_the_schema() -> None:
    spec = structural_schema(KINDS["JobDefinition"].model, "JobDefinition")["properties"]["spec"]["properties"]
    assert spec["revisionHistoryLimit"]["default"] == 10
    assert spec["retryStrategy"]["properties"]["attempts"]["default"] == 1
    assert spec["container"]["properties"]["name"]["default"] == "main"


@each_kind
def test_statuses_are_never_defaulted(kind: Kind) -> None:
    """What the operator wrote and what is stored must be the same, else it would write again."""
    assert [path for path, node in nodes(kind) if path.startswith(".status") and "default" in node] == []


@each_kind
def test_no_part_lets_anything_through(kind: Kind) -> None:
    """Else the API server would store objects nested so deeply that neither it nor anybody else can read them."""
    text = crds.render(kind)
    assert "preserve-unknown-fields" not in text
    assert "embedded-resource" not in text


@each_kind
def test_a_crd_can_be_applied_by_kubectl(kind: Kind) -> None:
    """`kubectl apply` notes the whole object in an annotation, and all of them may have 256 KiB."""
    assert len(json.dumps(crds.definition(kind))) < 200 * 1024
