"""The operator's permissions are what its code asks the API server for: no request is missing, none is too many."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import batchyard
from batchyard.api import names
from batchyard.api.kinds import KINDS
from batchyard.kube import resources
from batchyard.kube.resources import Resource
from batchyard.runtime.process import settings
from batchyard.runtime.state.marks import secret_name
from unit.helm.rendering import Json, render

PACKAGE = Path(batchyard.__file__).parent
# What each method of the client asks the API server for: verbs, and of which subresource.
METHODS = {
    "create": [("create", "")],
    "delete": [("delete", "")],
    "evict": [("create", "/eviction")],
    "get": [("get", "")],
    "list": [("list", "")],
    "list_metadata": [("list", "")],
    "list_pages": [("list", "")],
    "patch": [("patch", "")],
    "replace": [("update", "")],
    "replace_status": [("patch", "/status"), ("get", "")],
    "watch": [("watch", "")],
}
CONSTANTS = {name: value for name, value in vars(resources).items() if isinstance(value, Resource)}
OWN = set(KINDS)
AUTHENTICATION = ("metrics.authentication=true", "metrics.tls.secretName=cert")
Permission = tuple[str, str, str]
"""API group, resource (with its subresource), verb."""


@pytest.mark.parametrize("authentication", [False, True])
def test_rules_are_what_the_code_asks_for(authentication: bool) -> None:
    """Who may read the metrics is asked by one module, which the app uses only where that is switched on."""
    objects = render(*AUTHENTICATION) if authentication else render()
    [cluster_role] = [obj for obj in _roles(objects, "ClusterRole") if obj["metadata"]["name"] == "batchyard"]
    [role] = _roles(objects, "Role")
    granted = set(_granted(cluster_role["rules"] + role["rules"]))
    modules = {path for path in PACKAGE.rglob("*.py") if authentication or path.name != "metricsaccess.py"}
    asked = {permission for path in modules for permission in _asked(ast.parse(path.read_text()))}
    assert granted - asked == set(), "granted and never used"
    assert asked - granted == set(), "used and not granted"


def test_no_rule_has_a_wildcard() -> None:
    for role in _roles(render(), "ClusterRole") + _roles(render(), "Role"):
        for rule in role["rules"]:
            assert "*" not in rule["apiGroups"] + rule["resources"] + rule["verbs"]


def test_lease_and_key_are_only_those_of_the_operators_namespace_and_name() -> None:
    objects = render()
    everywhere = [rule for role in _roles(objects, "ClusterRole") for rule in role["rules"]]
    assert not [rule for rule in everywhere if {"leases", "secrets"} & set(rule["resources"])]
    [role] = _roles(objects, "Role")
    lease = settings.Settings().lease
    assert [(rule["resources"], rule["verbs"], rule.get("resourceNames")) for rule in role["rules"]] == [
        (["leases"], ["create"], None),
        (["leases"], ["get", "update"], [lease]),
        (["secrets"], ["create"], None),
        (["secrets"], ["get"], [secret_name(lease)]),
    ]


NAMESPACED, CLUSTER_SCOPED = (
    {kind.plural for kind in KINDS.values() if kind.namespaced is namespaced} for namespaced in (True, False)
)
READS, WRITES = {"get", "list", "watch"}, {"create", "update", "patch", "delete", "deletecollection"}


def test_kinds_of_a_namespace_are_those_whose_crds_say_so() -> None:
    specs = [obj["spec"] for obj in render() if obj["kind"] == "CustomResourceDefinition"]
    assert {spec["names"]["plural"] for spec in specs if spec["scope"] == "Namespaced"} == NAMESPACED
    assert {spec["names"]["plural"] for spec in specs if spec["scope"] == "Cluster"} == CLUSTER_SCOPED


def test_roles_for_people_have_either_what_is_in_a_namespace_or_what_is_not() -> None:
    """Who is shown the queues by a binding for the whole cluster is not shown everybody's jobs with them."""
    expected = {
        "view": ("view", NAMESPACED, READS),
        "queues-view": ("view", CLUSTER_SCOPED, READS),
        "edit": ("edit", NAMESPACED, WRITES),
        "queues-admin": ("admin", CLUSTER_SCOPED, READS | WRITES),
    }
    roles = {role["metadata"]["name"].removeprefix("batchyard-"): role for role in _roles(render(), "ClusterRole")}
    assert roles.keys() - {"batchyard"} == expected.keys()
    for name, (added_to, plurals, verbs) in expected.items():
        labels = roles[name]["metadata"]["labels"]
        aggregated = {label for label in labels if label.startswith("rbac.authorization.k8s.io/")}
        assert aggregated == {f"rbac.authorization.k8s.io/aggregate-to-{added_to}"}
        granted = {("batchyard.dev", resource, verb) for resource in plurals for verb in verbs}
        assert set(_granted(roles[name]["rules"])) == granted


def test_roles_for_people_can_be_left_out() -> None:
    assert len(_roles(render("userRoles.aggregate=false"), "ClusterRole")) == 1


def _roles(objects: list[Json], kind: str) -> list[Json]:
    return [obj for obj in objects if obj["kind"] == kind]


def _granted(rules: list[Json]) -> Iterator[Permission]:
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                yield from ((group, resource, verb) for verb in rule["verbs"])


def _asked(module: ast.Module) -> Iterator[Permission]:
    """Requests in a module. Handlers of Kopf's, and `OWN[kind]`, stand for all of Batchyard's kinds; another kind that
    is no constant for every kind that the module imports."""
    imported = {
        alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module == "batchyard.kube.resources"
        for alias in node.names
    }
    for call in (node for node in ast.walk(module) if isinstance(node, ast.Call)):
        match call:
            case ast.Call(func=ast.Name("informer"), args=[ast.Name(kind), *_]):
                yield from _permissions({kind}, "list_pages")
                yield from _permissions({kind}, "watch")
            case ast.Call(func=ast.Name("owner_reference"), args=[ast.Attribute(attr=kind), *_]):
                yield names.GROUP, f"{KINDS[getattr(names, kind)].plural}/finalizers", "update"
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="on"), attr="event"),
                args=[_, _, ast.Attribute(attr="plural")],
            ):
                yield from _permissions(OWN, "list")
                yield from _permissions(OWN, "watch")
            case ast.Call(
                func=ast.Attribute(value=ast.Attribute(attr="_api"), attr=method), args=[which, *_], keywords=words
            ):
                assert method in METHODS, f"say in METHODS what permissions {method} needs"
                match which:
                    case ast.Name(constant) if constant in CONSTANTS:
                        kinds = {constant}
                    case ast.Subscript(value=ast.Name("OWN")):
                        kinds = OWN
                    case _:
                        kinds = imported & CONSTANTS.keys()
                of = next((each.value for each in words if each.arg == "subresource"), None)
                subresource = f"/{of.value!s}" if isinstance(of, ast.Constant) else ""
                yield from _permissions(kinds, method, subresource)


def _permissions(kinds: set[str], method: str, subresource: str = "") -> Iterator[Permission]:
    for kind in kinds:
        resource = resources.OWN[kind] if kind in OWN else CONSTANTS[kind]
        for verb, own in METHODS[method]:
            yield resource.group, resource.plural + (subresource or own), verb
