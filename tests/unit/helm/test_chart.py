"""The chart: what it installs with which values, and which values it refuses in what words."""

import json
import re
import textwrap
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from batchyard import __version__
from batchyard.api.kinds import KINDS
from batchyard.api.validation import parse
from batchyard.core.insight.visibility import Visibility
from batchyard.runtime.process import settings
from unit.helm.rendering import CHART, HelmRefusedError, Json, helm, render

CRDS = sorted((CHART.parents[1] / "crds").iterdir())


def _of_kind(objects: list[Json], kind: str) -> list[Json]:
    return [obj for obj in objects if obj["kind"] == kind]


def _pod(objects: list[Json]) -> Json:
    [deployment] = _of_kind(objects, "Deployment")
    spec: Json = deployment["spec"]["template"]["spec"]
    return spec


def test_chart_passes_lint() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


def test_chart_carries_the_version_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]
    assert chart["version"] == chart["appVersion"] == project["version"] == __version__


def test_crds_are_those_of_the_repository_and_survive_an_uninstall() -> None:
    rendered = _of_kind(render(), "CustomResourceDefinition")
    assert len(rendered) == len(CRDS)
    for crd, path in zip(sorted(rendered, key=lambda crd: str(crd["metadata"]["name"])), CRDS, strict=True):
        original = yaml.safe_load(path.read_text())
        assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        assert crd["metadata"]["name"] == original["metadata"]["name"]
        assert crd["spec"] == original["spec"]


def test_crds_can_be_left_to_others() -> None:
    assert not _of_kind(render("crds.enabled=false"), "CustomResourceDefinition")


def test_pod_meets_the_restricted_security_standard() -> None:
    pod = _pod(render())
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.parametrize(
    "values",
    [
        (),
        (
            "log.format=text",
            "log.level=debug",
            "resyncSeconds=7",
            "visibility.names=namespace",
            "protectedNamespaces={a,b}",
        ),
    ],
)
def test_operator_understands_its_arguments(monkeypatch: pytest.MonkeyPatch, values: tuple[str, ...]) -> None:
    [container] = _pod(render(*values))["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], f"value-of-{variable['name']}")
    options = settings.parse(container["args"])
    assert (options.namespace, options.identity) == ("value-of-POD_NAMESPACE", "value-of-POD_NAME")
    assert options.port == container["ports"][0]["containerPort"]
    assert options.protected_namespaces == (("a", "b") if values else settings.Settings().protected_namespaces)
    if values:
        assert (options.log_format, options.log_level, options.resync_seconds) == ("text", "debug", 7)
        assert options.show_names is Visibility.NAMESPACE


def test_every_probe_asks_a_path_that_the_operator_serves() -> None:
    [container] = _pod(render())["containers"]
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {probe: get["path"] for probe, get in asked.items()} == {
        "startupProbe": "/healthz",
        "livenessProbe": "/healthz",
        "readinessProbe": "/readyz",
    }
    assert {get["port"] for get in asked.values()} == {container["ports"][0]["name"]}


def test_image_is_of_the_version_of_the_chart_unless_told_otherwise() -> None:
    assert _pod(render())["containers"][0]["image"] == f"batchyard/operator:{__version__}"
    values = ("image.repository=registry.example:5000/a/b", "image.tag=2-rc", "image.pullPolicy=Always")
    [container] = _pod(render(*values))["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("registry.example:5000/a/b:2-rc", "Always")


def test_every_bound_service_account_is_the_operators() -> None:
    values = ("serviceAccount.create=false", "serviceAccount.name=theirs")
    for objects, name in ((render(), "batchyard"), (render(release="b"), "b-batchyard"), (render(*values), "theirs")):
        bindings = _of_kind(objects, "ClusterRoleBinding") + _of_kind(objects, "RoleBinding")
        assert [binding["subjects"][0]["name"] for binding in bindings] == [name, name]
        assert _pod(objects)["serviceAccountName"] == name
        assert [account["metadata"]["name"] for account in _of_kind(objects, "ServiceAccount")] == (
            [] if name == "theirs" else [name]
        )


def test_policy_exempts_the_operators_service_account_and_whom_the_values_name() -> None:
    values = ("serviceAccount.create=false", "serviceAccount.name=theirs", "policy.exemptUsers[0]=backup")
    for objects, users in (
        (render(), ["system:serviceaccount:system:batchyard"]),
        (render(*values), ["system:serviceaccount:system:theirs", "backup"]),
    ):
        [policy] = _of_kind(objects, "ValidatingAdmissionPolicy")
        [binding] = _of_kind(objects, "ValidatingAdmissionPolicyBinding")
        condition = policy["spec"]["matchConditions"][0]["expression"]
        assert json.loads(condition.partition(" in ")[2].rstrip(")")) == users
        assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}


def test_policy_can_be_left_out() -> None:
    kinds = {obj["kind"] for obj in render("policy.enabled=false")}
    assert not [kind for kind in kinds if kind.startswith("ValidatingAdmission")]


def test_everything_is_labelled_and_in_the_namespace_of_the_release() -> None:
    for obj in render("metrics.serviceMonitor.enabled=true"):
        assert obj["metadata"]["labels"]["app.kubernetes.io/instance"] == "batchyard"
        clusterwide = obj["kind"].startswith(("ClusterRole", "CustomResource", "ValidatingAdmission"))
        assert obj["metadata"].get("namespace") == (None if clusterwide else "system")


def test_monitor_and_service_select_the_operators_pods() -> None:
    objects = render("metrics.serviceMonitor.enabled=true", "metrics.serviceMonitor.labels.team=a")
    [deployment], [service], [monitor] = (
        _of_kind(objects, kind) for kind in ("Deployment", "Service", "ServiceMonitor")
    )
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert service["spec"]["selector"].items() <= labels.items()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert monitor["metadata"]["labels"]["team"] == "a"


@pytest.mark.parametrize("authentication", [False, True])
def test_port_speaks_tls_with_the_certificate_of_a_secret(authentication: bool) -> None:
    values = ["metrics.tls.secretName=cert", "metrics.serviceMonitor.enabled=true"]
    values += ["metrics.authentication=true"] if authentication else []
    objects = render(*values)
    pod, [monitor] = _pod(objects), _of_kind(objects, "ServiceMonitor")
    [container], [volume] = pod["containers"], pod["volumes"]
    [mount], [endpoint] = container["volumeMounts"], monitor["spec"]["endpoints"]
    options = settings.parse(container["args"])
    assert (options.tls_folder, options.metrics_authentication) == (mount["mountPath"], authentication)
    assert volume == {"name": mount["name"], "secret": {"secretName": "cert"}}
    probes = [container[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert probes == ["HTTPS"] * 3
    [service] = _of_kind(objects, "Service")
    assert endpoint["scheme"] == "https"
    assert endpoint["tlsConfig"] == {
        "serverName": f"{service['metadata']['name']}.system.svc",
        "ca": {"secret": {"name": "cert", "key": "ca.crt"}},
    }
    assert ("bearerTokenFile" in endpoint) == authentication
    readers = [each for each in _of_kind(objects, "ClusterRole") if each["metadata"]["name"].endswith("-reader")]
    rules = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    assert [each["rules"] for each in readers] == ([rules] if authentication else [])


def test_how_prometheus_checks_the_certificate_can_be_said() -> None:
    values = ("metrics.serviceMonitor.tlsConfig.insecureSkipVerify=true", "metrics.serviceMonitor.enabled=true")
    [monitor] = _of_kind(render("metrics.tls.secretName=cert", *values), "ServiceMonitor")
    assert monitor["spec"]["endpoints"][0]["tlsConfig"] == {"insecureSkipVerify": True}


def test_port_speaks_no_tls_without_a_certificate() -> None:
    objects = render("metrics.serviceMonitor.enabled=true")
    pod, [monitor] = _pod(objects), _of_kind(objects, "ServiceMonitor")
    assert "volumes" not in pod
    assert pod["containers"][0]["livenessProbe"]["httpGet"]["scheme"] == "HTTP"
    assert monitor["spec"]["endpoints"] == [{"port": "http", "interval": "30s", "scheme": "http"}]


def test_operator_can_be_reached_at_its_port_only() -> None:
    objects = render()
    [policy] = _of_kind(objects, "NetworkPolicy")
    pod, [deployment] = _pod(objects), _of_kind(objects, "Deployment")
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    [port] = pod["containers"][0]["ports"]
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert policy["spec"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": port["name"]}]}]
    assert not _of_kind(render("networkPolicy.enabled=false"), "NetworkPolicy")


def test_who_reaches_the_operator_and_what_it_reaches_can_be_said() -> None:
    source = "networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus"
    target = "networkPolicy.egress[0].to[0].ipBlock.cidr=10.0.0.1/32"
    [policy] = _of_kind(render(source, target), "NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["ingress"][0]["from"] == [{"podSelector": {"matchLabels": {"app": "prometheus"}}}]
    assert policy["spec"]["egress"] == [{"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}]}]


def test_where_the_pod_runs_can_be_said() -> None:
    pod = _pod(
        render(
            "nodeSelector.disk=ssd",
            "tolerations[0].operator=Exists",
            "priorityClassName=high",
            "imagePullSecrets[0].name=key",
            "affinity.nodeAffinity.x=y",
        )
    )
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["priorityClassName"] == "high"
    assert pod["imagePullSecrets"] == [{"name": "key"}]
    assert pod["affinity"] == {"nodeAffinity": {"x": "y"}}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("replicas=two", "at '/replicas': got string, want integer"),
        ("replicas=-1", "at '/replicas': minimum: got -1, want 0"),
        ("image.tagg=1", "additional properties 'tagg' not allowed"),
        ("image.tag=null,image.repository=", "at '/image/repository': minLength: got 0, want 1"),
        (
            "image.pullPolicy=Sometimes",
            "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
        ),
        ("log.level=loud", "at '/log/level': value must be one of 'debug', 'info', 'warning', 'error'"),
        ("visibility.names=mine", "at '/visibility/names': value must be one of 'all', 'namespace'"),
        ("serviceAccount.create=false", "serviceAccount.create is false: set serviceAccount.name to the account"),
        ("serviceAccount.create=false,serviceAccount.name=null", "set serviceAccount.name to the account"),
        ("serviceAccount.create=false,serviceAccount.name=default", "service account must not be default"),
        ("serviceAccount.name=default", "service account must not be default"),
        ("fullnameOverride=default", "service account must not be default"),
        ("metrics.authentication=true", "metrics.authentication needs metrics.tls.secretName"),
        ("crds=false", "at '/crds': got boolean, want object"),
        ("resyncSeconds=1.5", "at '/resyncSeconds': got string, want integer"),
        ("policy.exemptUsers=backup", "at '/policy/exemptUsers': got string, want array"),
        ("resyncSeconds=0", "at '/resyncSeconds': minimum: got 0, want 1"),
        ("podLabels.a=1", "at '/podLabels/a': got number, want string"),
        ("fullnameOverride=Batch_Yard", "at '/fullnameOverride': 'Batch_Yard' does not match pattern"),
        (
            "metrics.serviceMonitor.interval=often",
            "at '/metrics/serviceMonitor/interval': 'often' does not match pattern",
        ),
        ("protectedNamespaces={Kube}", "at '/protectedNamespaces/0': 'Kube' does not match pattern"),
        ("operator.replicas=2", "additional properties 'operator' not allowed"),
    ],
)
def test_bad_value_is_refused_in_words(value: str, words: str) -> None:
    with pytest.raises(HelmRefusedError) as refusal:
        render(value)
    assert words in str(refusal.value)


def _leaves(values: Any, path: str = "") -> Iterator[str]:
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from _leaves(value, f"{path}/{key}")
    else:
        yield path


def test_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def properties(node: Json, path: str = "") -> Iterator[str]:
        if "properties" in node and path != "/resources":
            for name, child in node["properties"].items():
                yield from properties(child, f"{path}/{name}")
        else:
            yield path

    values = yaml.safe_load((CHART / "values.yaml").read_text())
    documented = {path for path in _leaves(values) if not path.startswith("/resources/")} | {"/resources"}
    assert set(properties(schema)) - {"/global"} == documented


def test_every_value_is_explained_in_place() -> None:
    text = (CHART / "values.yaml").read_text()
    unexplained = re.findall(r"(?<!#)\n\n(\w+):", re.sub(r"\n *#.*", "#", text))
    # Groups may explain their values instead.
    groups = {"image", "crds", "serviceAccount", "userRoles", "policy", "visibility", "log", "metrics", "networkPolicy"}
    assert set(unexplained) <= groups


def test_first_steps_of_the_notes_are_good_objects() -> None:
    notes = (CHART / "templates" / "NOTES.txt").read_text()
    manifests = textwrap.dedent(notes.partition("<<EOF\n")[2].partition("   EOF")[0])
    objects = list(yaml.safe_load_all(manifests))
    assert [obj["kind"] for obj in objects] == ["ComputeEnvironment", "JobQueue", "JobDefinition", "BatchJob"]
    for obj in objects:
        parse(KINDS[obj["kind"]].model, {**obj, "metadata": {**obj["metadata"], "uid": "1"}})
