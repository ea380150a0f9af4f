"""The cluster's API as JSON over `kubectl proxy`: one process for a whole session instead of one per look.

Used by the harness, which asks several times a second. Whatever the kubeconfig needs to log in, kubectl does.
"""

import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from localcluster import Cluster

Json = dict[str, Any]
T = TypeVar("T")

BATCHJOBS = "batchyard.dev/v1alpha1", "batchjobs"
JOBS = "batch/v1", "jobs"
PODS = "v1", "pods"
EVENTS = "v1", "events"
REVISIONS = "apps/v1", "controllerrevisions"
Collection = tuple[str, str]


class ApiRefusedError(AssertionError):
    """The API server said no."""


class ClusterApi:
    """Requests to the API server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> Json:
        """Return the object or list at a path."""
        return self._request("GET", path)

    def post(self, path: str, body: Json) -> Json:
        """Create an object, or a subresource such as an eviction."""
        return self._request("POST", path, body)

    def patch(self, path: str, change: Json) -> Json:
        """Change an object by a merge patch."""
        return self._request("PATCH", path, change, "application/merge-patch+json")

    def delete(self, path: str) -> Json:
        """Delete an object, and what it owns."""
        return self._request("DELETE", path, {"propagationPolicy": "Background"})

    def list(self, collection: Collection, namespace: str, **query: str) -> list[Json]:
        """Return the objects of a kind in a namespace."""
        items: list[Json] = self.get(path_of(collection, namespace, **query))["items"]
        return items

    def watch(self, collection: Collection, namespace: str, seen: Callable[[str, Json], None]) -> threading.Thread:
        """Tell of every event (type and object) in a namespace from its beginning, until the API is closed."""
        path = path_of(collection, namespace, watch="true", resourceVersion="0")
        response = urllib.request.urlopen(self._url + path, timeout=600)  # noqa: S310 - our own proxy

        def follow() -> None:
            try:
                for line in response:
                    event = json.loads(line)
                    seen(event["type"], event["object"])
            except (OSError, ValueError):
                return  # the proxy ended, and with it the session

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        return thread

    def _request(self, method: str, path: str, body: Json | None = None, form: str = "application/json") -> Json:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": form}
        request = urllib.request.Request(self._url + path, data, headers, method=method)  # noqa: S310 - our own proxy
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                answer: Json = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise ApiRefusedError(f"{method} {path}: {error.code} {error.read().decode()}") from None


def path_of(collection: Collection, namespace: str, name: str = "", **query: str) -> str:
    """Path of a collection in a namespace, or of one object in it."""
    version, plural = collection
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    path = f"{root}/namespaces/{namespace}/{plural}" + (f"/{name}" if name else "")
    return path + ("?" + urllib.parse.urlencode(query) if query else "")


@contextmanager
def proxied(cluster: Cluster, kubeconfig: Path | None = None) -> Iterator[ClusterApi]:
    """Run `kubectl proxy` on a free port of the loopback address, by default as the cluster's administrator."""
    who = str(kubeconfig or cluster.kubeconfig)
    command = [str(cluster.binaries / "kubectl"), "--kubeconfig", who, "proxy", "--port=0", "--reject-methods=^$"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert "127.0.0.1:" in first, f"kubectl proxy did not start: {first!r}"
            yield ClusterApi("http://" + first.rpartition(" ")[2].strip())
        finally:
            process.terminate()


def until(question: Callable[[], T | None], seconds: float, failure: Callable[[], str]) -> T:
    """Ask until the answer is neither None nor false; `failure` says what was there instead."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := question():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {failure()}")
        time.sleep(0.15)
