"""An installation of the Helm chart on the cluster, as an administrator would make it; used by the chart's test."""

import os
import subprocess
from pathlib import Path

from e2e.clusterapi import until
from localcluster import Cluster
from localcluster.images.operator import OPERATOR, operator_image
from localcluster.nodes.simulated import NODE_LABEL

CHART = Path(__file__).parents[2] / "helm" / "batchyard"
RELEASE = "batchyard"
READER = "batchyard-e2e-reader"
CERTIFICATE = "certificate"
WAIT = ("--wait", "--timeout=150s")


class Installation:
    """The release `batchyard` in a namespace of its own, its operator on the real node."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self.seen_logs: dict[str, str] = {}
        """What each operator's pod has logged, by pod, when it was last looked at."""

    def prepare(self) -> None:
        """Give the node the image, and make the namespace one that takes no pod with more rights than it needs."""
        self._cluster.load_image(operator_image())
        self._cluster.kubectl("create", "namespace", self._namespace)
        restricted = "pod-security.kubernetes.io/enforce=restricted"
        self._cluster.kubectl("label", "namespace", self._namespace, restricted)

    def install(self, chart: Path = CHART) -> str:
        """Install; takes over CRDs that are there already. Returns the notes."""
        repository, _, tag = OPERATOR.rpartition(":")
        node = NODE_LABEL.replace(".", "\\.")
        values = [f"image.repository={repository}", f"image.tag={tag}", f"nodeSelector.{node}=real", "log.format=text"]
        options = [f"--set={value}" for value in values]
        return self._helm("install", RELEASE, str(chart), "--take-ownership", *options, *WAIT)

    def upgrade(self, chart: Path, *values: str) -> None:
        """Change the chart or values of the installation."""
        self.logs()
        options = [f"--set={value}" for value in values]
        self._helm("upgrade", RELEASE, str(chart), "--reuse-values", *options, *WAIT)
        self._wait_pods_gone(self._pods("--field-selector=status.phase!=Running"))

    def uninstall(self) -> None:
        """Uninstall, and wait until no operator runs."""
        self.logs()
        self._helm("uninstall", RELEASE, *WAIT)
        self._wait_pods_gone(self._pods())

    def remove(self) -> None:
        """Remove what is left, whatever it is."""
        self._helm("uninstall", RELEASE, "--ignore-not-found", *WAIT)
        self._cluster.kubectl("delete", "clusterrolebinding", READER, "--ignore-not-found")
        self._cluster.kubectl("delete", "namespace", self._namespace, "--ignore-not-found")

    def logs(self) -> str:
        """All that the operator's pods have logged so far, those of the past included."""
        for pod in self._pods():
            log = self._cluster.kubectl("--namespace", self._namespace, "logs", pod, check=False)
            self.seen_logs[pod] = log or self.seen_logs.get(pod, "")
        return "\n".join(self.seen_logs.values())

    def metrics(self, token: str) -> str:
        """What the operator answers to who asks for /metrics with a token, over TLS; code and text."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        read = f"""import ssl, urllib.error, urllib.request as r
try:
    request = r.Request("https://localhost:8080/metrics", headers={headers})
    answer = r.urlopen(request, context=ssl._create_unverified_context())
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())"""
        pod = self._pods()[0]
        return self._cluster.kubectl("--namespace", self._namespace, "exec", pod, "--", "python3", "-c", read)

    def reader(self) -> str:
        """The token of a service account that may do nothing yet."""
        self._cluster.kubectl("--namespace", self._namespace, "create", "serviceaccount", READER)
        return self._cluster.kubectl("--namespace", self._namespace, "create", "token", READER).strip()

    def let_read(self) -> None:
        """Bind that account to the role of the chart for those who read metrics."""
        who = f"--serviceaccount={self._namespace}:{READER}"
        self._cluster.kubectl("create", "clusterrolebinding", READER, f"--clusterrole={RELEASE}-metrics-reader", who)

    def give_certificate(self, folder: Path) -> None:
        """Make a Secret of the files in a folder."""
        files = [f"--cert={folder / 'tls.crt'}", f"--key={folder / 'tls.key'}"]
        self._cluster.kubectl("--namespace", self._namespace, "create", "secret", "tls", CERTIFICATE, *files)

    def _pods(self, *options: str) -> list[str]:
        labels = f"app.kubernetes.io/instance={RELEASE}"
        get = ["get", "pods", "--selector", labels, "--output=name", *options]
        return self._cluster.kubectl("--namespace", self._namespace, *get).split()

    def _wait_pods_gone(self, pods: list[str]) -> None:
        until(lambda: not set(pods) & set(self._pods()), 60, lambda: f"gone: {self._pods()}")

    def _helm(self, *arguments: str) -> str:
        command = [str(self._cluster.binaries / "helm"), "--namespace", self._namespace, *arguments]
        environment = {**os.environ, "KUBECONFIG": str(self._cluster.kubeconfig)}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"helm {' '.join(arguments)}: {result.stderr}\n{self.logs()}"
        return result.stdout
