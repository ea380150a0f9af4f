"""The chart on a real node: jobs run through the operator in its pod, and survive its upgrade and its removal."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.clusterapi import PODS, ClusterApi, path_of, until
from e2e.harness import Harness, exit_codes
from e2e.installation import CERTIFICATE, CHART, READER, Installation
from localcluster import Cluster
from objects.certificates import make_certificate

pytestmark = pytest.mark.e2e

SECURED = (f"metrics.tls.secretName={CERTIFICATE}", "metrics.authentication=true")
HELLO = ("echo", "hello")
# Runs until the test ends it, however long helm takes. (The first process ends on SIGTERM only if it says how.)
HOLD = ("sh", "-c", "trap 'exit 143' TERM; until [ -e /tmp/end ]; do sleep 0.2; done; echo done")


@pytest.fixture(scope="module")
def installation(cluster: Cluster, no_operator: None) -> Iterator[Installation]:
    """The chart, installed."""
    if cluster.backend == "existing" or not cluster.has_real_node:
        pytest.skip("the operator's image can only be given to a real node of a cluster that the tests started")
    installation = Installation(cluster, "batchyard-helm")
    installation.remove()
    installation.prepare()
    assert "kubectl get batchjobs --watch" in installation.install()
    yield installation
    installation.remove()


@pytest.fixture(scope="module")
def jobs(cluster: Cluster, api: ClusterApi, installation: Installation) -> Iterator[Harness]:
    """A namespace with a queue and definitions, served by the installed operator."""
    harness = Harness(cluster, api, "e2e-helm")
    cluster.kubectl("delete", "namespace", harness.namespace, "--ignore-not-found")
    harness.begin()
    harness.apply(
        harness.real_environment(),
        harness.queue("queue", "real"),
        harness.definition("hello", *HELLO),
        harness.definition("hold", *HOLD),
    )
    yield harness
    harness.end()


def _submit(jobs: Harness, name: str, definition: str, **spec: Any) -> None:
    jobs.apply(jobs.job(name, definition, "queue", **spec))


def _running_pod(jobs: Harness, name: str) -> dict[str, Any]:
    jobs.wait_state(name, "Running")
    [pod] = jobs.pods_of(name)
    return pod


def _end(jobs: Harness, pod: dict[str, Any]) -> None:
    jobs.kubectl("exec", pod["metadata"]["name"], "--", "touch", "/tmp/end")  # noqa: S108 - in the job's own container


def test_job_runs_through_the_installed_operator(jobs: Harness) -> None:
    _submit(jobs, "first", "hello")
    assert exit_codes(jobs.wait_state("first", "Succeeded")) == [0]
    assert jobs.logs_of("first") == "hello\n"


def test_running_job_survives_an_upgrade_of_operator_and_crds(
    installation: Installation, jobs: Harness, tmp_path: Path
) -> None:
    chart = tmp_path / "batchyard"
    shutil.copytree(CHART, chart)
    crd = chart / "files" / "crds" / "batchyard.dev_jobqueues.yaml"
    crd.write_text(crd.read_text().replace("- batchyard\n", "- batchyard\n    - upgraded\n"))
    _submit(jobs, "upgraded", "hold")
    before = _running_pod(jobs, "upgraded")

    installation.give_certificate(make_certificate(tmp_path / "tls"))
    installation.upgrade(chart, "replicas=2", "log.level=debug", *SECURED)

    categories = "{.spec.names.categories}"
    shown = jobs.cluster.kubectl("get", "crd", "jobqueues.batchyard.dev", "-o", f"jsonpath={categories}")
    assert shown == '["batchyard","upgraded"]'
    after = jobs.api.get(path_of(PODS, jobs.namespace, before["metadata"]["name"]))
    assert (after["metadata"]["uid"], after["status"]["phase"]) == (before["metadata"]["uid"], "Running")
    _end(jobs, before)
    assert exit_codes(jobs.wait_state("upgraded", "Succeeded")) == [0]
    _submit(jobs, "after-upgrade", "hello")
    jobs.wait_state("after-upgrade", "Succeeded")


@pytest.fixture(scope="module")
def reader(installation: Installation) -> str:
    """The token of somebody who may read the metrics, once `let_read` was called."""
    return installation.reader()


def test_metrics_are_for_those_who_may_read_them(installation: Installation, reader: str) -> None:
    assert installation.metrics("").startswith("401 say who asks")
    assert installation.metrics("made-up").startswith("401 the API server does not know this token")
    refusal = f"403 system:serviceaccount:batchyard-helm:{READER} may not read the metrics"
    assert installation.metrics(reader).startswith(refusal)
    installation.let_read()
    until(lambda: installation.metrics(reader).startswith("200 "), 60, lambda: installation.metrics(reader))


def test_operator_has_every_permission_it_needs(installation: Installation, jobs: Harness, reader: str) -> None:
    # What the other tests do not make it do: delete what is over, stop what is unwanted, clear revisions away.
    for kept in ([1], [1, 2], [2, 3]):
        jobs.apply(jobs.definition("revised", "echo", str(kept[-1]), revisionHistoryLimit=1))
        _wait_revisions(jobs, "revised", kept)
    _submit(jobs, "expiring", "hello", ttlSecondsAfterFinished=0)
    _submit(jobs, "deleted", "hold")
    _running_pod(jobs, "deleted")
    jobs.kubectl("delete", "batchjob", "deleted")
    jobs.wait_gone("deleted")
    jobs.wait_gone("expiring")
    assert "forbidden" not in installation.logs().lower()
    assert "batchyard_leader" in (metrics := installation.metrics(reader))
    assert 'code="403"' not in metrics


def test_running_job_survives_an_uninstall_and_is_taken_up_by_the_next_installation(
    installation: Installation, jobs: Harness
) -> None:
    _submit(jobs, "orphan", "hold")
    pod = _running_pod(jobs, "orphan")

    installation.uninstall()

    path = path_of(PODS, jobs.namespace, pod["metadata"]["name"])
    assert jobs.api.get(path)["status"]["phase"] == "Running"
    _end(jobs, pod)
    until(lambda: jobs.api.get(path)["status"]["phase"] == "Succeeded", 60, lambda: str(jobs.api.get(path)["status"]))
    assert jobs.statuses()["orphan"]["state"] == "Running"

    installation.install()

    status = jobs.wait_state("orphan", "Succeeded")
    assert [attempt["podName"] for attempt in status["attempts"]] == [pod["metadata"]["name"]]
    assert "forbidden" not in installation.logs().lower()


def _wait_revisions(jobs: Harness, definition: str, wanted: list[int]) -> None:
    selector = f"batchyard.dev/job-definition={definition}"

    def revisions() -> list[int]:
        found = jobs.api.list(("apps/v1", "controllerrevisions"), jobs.namespace, labelSelector=selector)
        return sorted(each["revision"] for each in found)

    until(lambda: revisions() == wanted, 30, lambda: f"revisions of {definition}: {revisions()}")
