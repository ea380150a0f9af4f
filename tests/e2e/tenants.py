"""Somebody who may do something in one namespace only, with a token of their own and the roles that the chart makes."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.clusterapi import Json
from e2e.harness import Harness
from localcluster import Cluster
from unit.helm.rendering import render


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


class Tenant:
    """A service account that is bound to a role of its namespace, and kubectl in its name."""

    def __init__(self, harness: Harness, folder: Path, name: str, *role: str) -> None:
        """`role`: the option of `kubectl create rolebinding` that names it."""
        self._harness = harness
        account = f"{harness.namespace}:{name}"
        harness.kubectl("create", "serviceaccount", name)
        harness.kubectl("create", "rolebinding", name, *role, f"--serviceaccount={account}")
        shown = json.loads(harness.kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        shown["users"][0]["user"] = {"token": harness.kubectl("create", "token", name).strip()}
        self.kubeconfig = folder / f"{name}.kubeconfig"
        self.kubeconfig.write_text(json.dumps(shown))

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - subprocess's word
        """Run kubectl as the tenant."""
        return self._harness.kubectl(f"--kubeconfig={self.kubeconfig}", *args, input=input)

    def create(self, *objects: Json) -> None:
        """Create objects."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("create", "-f", "-", input=json.dumps(items))


def editor(harness: Harness, folder: Path) -> Tenant:
    """Somebody who may edit one namespace."""
    return Tenant(harness, folder, "editor", "--clusterrole=edit")


def submitter(harness: Harness, folder: Path) -> Tenant:
    """Somebody who may do no more than submit BatchJobs in one namespace."""
    harness.kubectl("create", "role", "submitter", "--verb=create", "--resource=batchjobs.batchyard.dev")
    return Tenant(harness, folder, "submitter", "--role=submitter")
