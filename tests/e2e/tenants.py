"""Somebody who may do something in one namespace only, with a token of their own and the roles that the chart makes."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from batchyard.api import names
from e2e.clusterapi import ClusterApi, Json, proxied, until
from e2e.harness import Harness
from localcluster import Cluster, LocalClusterError
from localcluster.images import SHELL
from unit.helm.rendering import render

REFUSED = "only Batchyard may set, change or remove labels and annotations of batchyard.dev"


@contextmanager
def roles_of_the_chart(cluster: Cluster) -> Iterator[None]:
    """What the chart adds to the cluster's roles view, edit and admin, as long as the context lasts."""
    found = [each for each in render() if "rbac.authorization.k8s.io/aggregate-to" in str(each["metadata"])]
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    cluster.kubectl("apply", "-f", "-", input=objects)
    try:
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", input=objects)


@contextmanager
def policy_of_the_chart(cluster: Cluster, harness: Harness) -> Iterator[None]:
    """The chart's admission policy in force. The operator of these tests is an administrator, hence exempt by name."""
    who = json.loads(cluster.kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"]
    found = [each for each in render(f"policy.exemptUsers[0]={who}") if each["kind"].startswith("ValidatingAdm")]
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    cluster.kubectl("apply", "-f", "-", input=objects)
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": SHELL}]}
    probe = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "labels": {names.QUEUE: "x"}},
        "spec": pod,
    }

    def in_force() -> bool:
        try:
            harness.kubectl(
                "create",
                "--dry-run=server",
                "--as=anybody",
                "--as-group=system:masters",
                "-f",
                "-",
                input=json.dumps(probe),
            )
        except LocalClusterError as error:
            return REFUSED in str(error)
        return False

    try:
        until(in_force, 60, lambda: "the policy in force")
        yield
    finally:
        cluster.kubectl("delete", "-f", "-", input=objects)


class Tenant:
    """A service account that is bound to a role of its namespace, and kubectl in its name."""

    def __init__(self, harness: Harness, folder: Path, name: str, *role: str) -> None:
        """`role`: the option of `kubectl create rolebinding` that names it."""
        self._harness = harness
        self.account = f"{harness.namespace}:{name}"
        harness.kubectl("create", "serviceaccount", name)
        harness.kubectl("create", "rolebinding", name, *role, f"--serviceaccount={self.account}")
        shown = json.loads(harness.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        shown["users"][0]["user"] = {"token": harness.kubectl("create", "token", name).strip()}
        self.kubeconfig = folder / f"{name}.kubeconfig"
        self.kubeconfig.write_text(json.dumps(shown))

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - subprocess's word
        """Run kubectl as the tenant."""
        return self._harness.kubectl(f"--kubeconfig={self.kubeconfig}", *args, input=input)

    def api(self) -> AbstractContextManager[ClusterApi]:
        """The API server as the tenant sees it, over a proxy."""
        return proxied(self._harness.cluster, self.kubeconfig)

    def may(self, verb: str, resource: str) -> bool:
        """Whether the tenant has a right now."""
        answer = self._harness.kubectl(f"--kubeconfig={self.kubeconfig}", "auth", "can-i", verb, resource, check=False)
        return answer.strip() == "yes"

    def create(self, *objects: Json) -> None:
        """Create objects."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("create", "-f", "-", input=json.dumps(items))


@contextmanager
def bound_for_the_cluster(harness: Harness, tenant: Tenant, role: str) -> Iterator[None]:
    """A ClusterRole of the chart bound to a tenant for all namespaces, and for what is in none."""
    binding = harness.named(role)
    harness.kubectl(
        "create", "clusterrolebinding", binding, f"--clusterrole={role}", f"--serviceaccount={tenant.account}"
    )
    try:
        yield
    finally:
        harness.kubectl("delete", "clusterrolebinding", binding)


def editor(harness: Harness, folder: Path) -> Tenant:
    """Somebody who may edit one namespace, once the chart's roles have been added to the cluster's."""
    tenant = Tenant(harness, folder, "editor", "--clusterrole=edit")
    until(lambda: tenant.may("create", "jobdefinitions"), 30, lambda: "the right to create JobDefinitions")
    return tenant


def submitter(harness: Harness, folder: Path) -> Tenant:
    """Somebody who may do no more than submit BatchJobs in one namespace."""
    harness.kubectl("create", "role", "submitter", "--verb=create", "--resource=batchjobs.batchyard.dev")
    return Tenant(harness, folder, "submitter", "--role=submitter")
