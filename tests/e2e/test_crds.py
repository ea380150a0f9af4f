"""The CRDs on a real API server: bad objects are refused in words, good ones are stored, shown and selected."""

import json
import re
import secrets
import subprocess
from collections.abc import Iterator

import pytest

import pod_types
from batchyard.api import names
from batchyard.api.kinds import KINDS
from batchyard.api.models import podtypes
from e2e.clusterapi import path_of
from localcluster import Cluster, LocalClusterError
from objects.api import BAD, REFUSED, Bad, Json, manifest
from objects.wrong import wrong_objects

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("crds", "no_operator")]


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"e2e-crds-{secrets.token_hex(3)}"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("bad", [*BAD, *REFUSED], ids=lambda bad: f"{bad.kind}-{bad.id}")
def test_bad_object_is_refused_in_words(cluster: Cluster, bad: Bad) -> None:
    with pytest.raises(LocalClusterError) as refused:
        cluster.kubectl("create", "--dry-run=server", "-f", "-", input=json.dumps(bad.manifest))
    assert bad.server in str(refused.value)


def test_wrong_type_of_any_field_is_named(cluster: Cluster) -> None:
    wrong = list(wrong_objects())
    objects = {"apiVersion": "v1", "kind": "List", "items": [obj for _, _, obj in wrong]}
    with pytest.raises(LocalClusterError) as refused:
        cluster.kubectl("create", "--dry-run=server", "--validate=false", "-f", "-", input=json.dumps(objects))
    answers = str(refused.value).splitlines()
    for kind, path, obj in wrong:
        about = [line for line in answers if f'{kind}.batchyard.dev "{obj["metadata"]["name"]}" is invalid' in line]
        assert about, (kind, path, "was accepted")
        assert path in about[0].replace("[key]", ".key"), (kind, path)  # as it writes keys in answers of rules


def test_submitted_spec_cannot_be_changed(cluster: Cluster, namespace: str) -> None:
    job = manifest("BatchJob", name="fixed", jobDefinition="transcode:3")
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(job))
    changes: list[Json] = [{"jobQueue": "slow"}, {"parameters": {"codec": "av1"}}, {"retryStrategy": {}}]
    for change in changes:
        with pytest.raises(LocalClusterError, match="cannot be changed after submission; delete the job and submit"):
            cluster.kubectl("patch", "-n", namespace, "bj", "fixed", "--type=merge", "-p", json.dumps({"spec": change}))
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(job))  # the same again is no change
    cluster.kubectl("label", "-n", namespace, "bj", "fixed", "team=media")


def test_only_suspend_and_stop_can_be_changed_after_submission(cluster: Cluster, namespace: str) -> None:
    def patch(**fields: object) -> str:
        return cluster.kubectl(
            "patch", "-n", namespace, "bj", "stopped", "--type=merge", "-p", json.dumps({"spec": fields})
        )

    job = manifest("BatchJob", name="stopped", parameters={"codec": "av1"})
    cluster.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(job))
    for suspend in (True, False, None):
        patch(suspend=suspend)
    cancel, terminate = ({"mode": mode, "reason": "wrong input"} for mode in ("Cancel", "Terminate"))
    patch(stop=cancel)
    patch(stop=cancel)  # the same again is no change
    with pytest.raises(LocalClusterError, match="only: from mode Cancel to Terminate"):
        patch(stop={**cancel, "reason": "another"})
    patch(stop=terminate)
    with pytest.raises(LocalClusterError, match="only: from mode Cancel to Terminate"):
        patch(stop=cancel)
    with pytest.raises(LocalClusterError, match="stop cannot be taken back; submit a new job instead"):
        patch(stop=None)
    with pytest.raises(LocalClusterError, match="cannot be changed after submission; delete the job and submit"):
        patch(suspend=True, parameters=None)


def test_defaults_are_stored(cluster: Cluster, namespace: str) -> None:
    definition = manifest("JobDefinition", name="defaults", retryStrategy={"backoff": {}})
    stored = cluster.kubectl("create", "-n", namespace, "-o", "json", "-f", "-", input=json.dumps(definition))
    spec = json.loads(stored)["spec"]
    assert spec["container"]["name"] == "main"
    assert spec["revisionHistoryLimit"] == 10
    assert spec["retryStrategy"]["attempts"] == 1
    assert spec["retryStrategy"]["backoff"] == {"initialSeconds": 10, "multiplier": 2, "maxSeconds": 300, "jitter": 0.5}


def test_full_definition_is_stored_as_written(cluster: Cluster, namespace: str) -> None:
    fields: Json = {
        "parameters": {"codec": "h264", "metaflow.user": "ada", "nf-token": ""},
        "container": {
            "name": "main",
            "image": "busybox",
            "command": ["transcode", "--codec", "Ref::codec"],
            "env": [
                {"name": "EMPTY", "value": ""},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
            "envFrom": [{"configMapRef": {"name": "settings"}}],
            "resources": {"requests": {"cpu": 2, "memory": "4Gi", "nvidia.com/gpu": "1"}, "limits": {"cpu": ".5"}},
            "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1Gi"}}],
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
            "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["ALL"]}},
            "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
        },
        "inactiveRevisions": [3, 1],
    }
    definition = manifest("JobDefinition", name="full", **fields)
    stored = cluster.kubectl("create", "-n", namespace, "-o", "json", "-f", "-", input=json.dumps(definition))
    spec = json.loads(stored)["spec"]
    assert {name: spec[name] for name in fields} == fields


def test_template_keeps_what_only_pods_know(cluster: Cluster, namespace: str) -> None:
    container = {"name": "main", "image": "busybox", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"hostNetwork": True, "containers": [container]}}
    definition = manifest("JobDefinition", name="whole", container=None, template=template)
    stored = cluster.kubectl("create", "-n", namespace, "-o", "json", "-f", "-", input=json.dumps(definition))
    assert json.loads(stored)["spec"]["template"] == template


def test_pods_are_what_the_newest_kubernetes_knows(cluster: Cluster) -> None:
    if cluster.backend != "local":
        pytest.skip("another cluster may be of another version")
    assert podtypes.FILE.read_text(encoding="utf-8") == pod_types.render(pod_types.published(cluster)), (
        "run `make pod-types generate` and commit the result"
    )


def test_what_a_pod_does_not_have_is_refused(cluster: Cluster, namespace: str) -> None:
    template = {"spec": {"containers": [{"name": "main", "image": "busybox"}], "nodeSelektor": {"a": "b"}}}
    definition = json.dumps(manifest("JobDefinition", name="mistyped", container=None, template=template))
    with pytest.raises(LocalClusterError, match=r'unknown field "spec\.template\.spec\.nodeSelektor"'):
        cluster.kubectl("create", "-n", namespace, "-f", "-", input=definition)


def test_a_lenient_client_is_warned_of_a_field_that_is_left_out(cluster: Cluster, namespace: str) -> None:
    template = {"spec": {"containers": [{"name": "main", "image": "busybox"}], "nodeSelektor": {"a": "b"}}}
    definition = json.dumps(manifest("JobDefinition", name="lenient", container=None, template=template))
    command = [str(cluster.binaries / "kubectl"), "--kubeconfig", str(cluster.kubeconfig), "-n", namespace]
    command += ["create", "--validate=warn", "-o", "json", "-f", "-"]
    done = subprocess.run(command, input=definition, capture_output=True, text=True, check=True, timeout=60)
    assert 'Warning: unknown field "spec.template.spec.nodeSelektor"' in done.stderr
    assert "nodeSelektor" not in json.dumps(json.loads(done.stdout)["spec"])


def test_nulls_of_templating_tools_are_not_set(cluster: Cluster, namespace: str) -> None:
    container = {"name": "main", "image": "busybox", "securityContext": None, "resources": {"limits": None}}
    template = {"metadata": {"creationTimestamp": None}, "spec": {"nodeSelector": None, "containers": [container]}}
    definition = manifest("JobDefinition", name="nulls", container=None, template=template)
    stored = cluster.kubectl("create", "-n", namespace, "-o", "json", "-f", "-", input=json.dumps(definition))
    kept = {"name": "main", "image": "busybox", "resources": {}}
    assert json.loads(stored)["spec"]["template"] == {"metadata": {}, "spec": {"containers": [kept]}}


@pytest.mark.parametrize("levels", [900, 3000, 9990])
def test_nothing_is_stored_that_is_nested_too_deeply_to_be_read(cluster: Cluster, namespace: str, levels: int) -> None:
    """Without strict checks the API server leaves out what no pod has, however deep it is."""
    deep = '{"a":' * levels + "1" + "}" * levels
    sources = [{"name": "A", "valueFrom": "deep"}]
    container = {"name": "main", "image": "busybox", "env": sources}
    made = [
        manifest(
            "JobDefinition", name=f"deep-{levels}", container=None, template={"spec": {"containers": [container]}}
        ),
        manifest("JobDefinition", name=f"short-{levels}", container={"image": "busybox", "env": sources}),
        manifest("BatchJob", name=f"deep-{levels}", containerOverrides=[{"name": "main", "env": sources}]),
    ]
    for obj in made:
        collection = KINDS[obj["kind"]].plural
        path = path_of((names.API_VERSION, collection), namespace)
        text = json.dumps(obj).replace('"deep"', deep)
        cluster.kubectl("create", "-n", namespace, "--raw", path, "-f", "-", input=text)
        stored = cluster.kubectl("get", "-n", namespace, collection, obj["metadata"]["name"], "-o", "json")
        assert deep[:20] not in stored.replace(" ", "")


def test_empty_lists_of_templating_tools_are_accepted(cluster: Cluster, namespace: str) -> None:
    job = manifest("BatchJob", name="empty-lists", dependsOn=[], retryStrategy={"evaluateOnExit": []}, parameters={})
    cluster.kubectl("create", "-n", namespace, "--dry-run=server", "-f", "-", input=json.dumps(job))


def test_status_is_shown_and_selectable(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(manifest("BatchJob", name="shown")))
    status = {
        "state": "Failed",
        "reason": "OOMKilled",
        "jobDefinition": "transcode:3",
        "queuePosition": 7,
        "attempts": [
            {"run": 1, "attempt": 1, "jobName": "shown-1", "exitCode": 1},
            {"run": 2, "attempt": 2, "jobName": "shown-2", "exitCode": 137},
        ],
    }
    patch = json.dumps({"status": status})
    cluster.kubectl("patch", "-n", namespace, "bj", "shown", "--subresource=status", "--type=merge", "-p", patch)
    header, row = cluster.kubectl("get", "-n", namespace, "bj", "shown", "-o", "wide").splitlines()
    columns = ["NAME", "STATE", "QUEUE", "REASON", "INDEXES", "DEFINITION", "POSITION", "STARTS", "EXIT CODE", "AGE"]
    assert re.split(" {2,}", header.strip()) == columns
    assert row.split()[:-1] == [
        "shown",
        "Failed",
        "urgent",
        "OOMKilled",
        "transcode:3",
        "7",
        "137",
    ]


def test_jobs_are_selected_by_queue_definition_and_state(cluster: Cluster, namespace: str) -> None:
    minor = json.loads(cluster.kubectl("version", "-o", "json"))["serverVersion"]["minor"]
    if int(minor.rstrip("+")) < 31:
        pytest.skip("Kubernetes selects by fields of custom resources since 1.31")
    for name, queue in (("one", "first"), ("two", "second")):
        job = manifest("BatchJob", name=name, jobQueue=queue)
        cluster.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(job))
    patch = json.dumps({"status": {"state": "Runnable"}})
    cluster.kubectl("patch", "-n", namespace, "bj", "two", "--subresource=status", "--type=merge", "-p", patch)
    for selector, found in (
        ("spec.jobQueue=first", ["batchjob.batchyard.dev/one"]),
        ("spec.jobDefinition=transcode,status.state=Runnable", ["batchjob.batchyard.dev/two"]),
        ("status.state=Running", []),
    ):
        shown = cluster.kubectl("get", "-n", namespace, "bj", "-o", "name", "--field-selector", selector)
        assert shown.split() == found


def test_unknown_state_cannot_be_written(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(manifest("BatchJob", name="state")))
    patch = json.dumps({"status": {"state": "Lost"}})
    with pytest.raises(LocalClusterError, match='supported values: "Submitted"'):
        cluster.kubectl("patch", "-n", namespace, "bj", "state", "--subresource=status", "--type=merge", "-p", patch)


def test_all_kinds_answer_to_the_category(cluster: Cluster, namespace: str) -> None:
    kinds = cluster.kubectl("api-resources", "--categories=batchyard", "-o", "name").split()
    assert kinds == [
        "batchjobs.batchyard.dev",
        "computeenvironments.batchyard.dev",
        "consumableresources.batchyard.dev",
        "jobdefinitions.batchyard.dev",
        "jobqueues.batchyard.dev",
    ]
