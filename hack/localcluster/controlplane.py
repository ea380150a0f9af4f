"""Starts the control plane of a local cluster: etcd, API server, controller manager, scheduler and kwok.

kwokctl writes certificates and starts the processes; this module tells it ports, flags and Stages, and
records what it started.
"""

import base64
import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from .errors import LocalClusterError
from .nodes.simulated import NODE_ANNOTATION, stages
from .ports import free_ports, one_start_at_a_time
from .processes import log_tail, marked_environment, record_process, start_process, start_time
from .programs.build import KUBERNETES_VERSION
from .state import API_SERVICE_ADDRESS, LOOPBACK, ClusterState

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok-controller")

# Without a real node the API server still must name an address that is not loopback; nothing connects to it.
_UNUSED_ADDRESS = "192.0.2.1"
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted", "Panic"],
    "rules": [{"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]}],
}


def start(state: ClusterState, binaries: Path, progress: Callable[[str], None]) -> ClusterState:
    """Bring the control plane up; the returned state carries its port and processes."""
    with one_start_at_a_time():
        addresses = (LOOPBACK, state.host_address) if state.host_address else (LOOPBACK,)
        apiserver, *others = free_ports(6, addresses)
        state = state.replace(apiserver_port=apiserver).save()
        config = state.dir / "kwokctl.yaml"
        config.write_text(yaml.safe_dump_all(kwokctl_config(state, binaries, others), sort_keys=False))
        if state.audit:
            (state.dir / "audit-policy.yaml").write_text(yaml.safe_dump(_AUDIT_POLICY))
        _run_kwokctl(state, binaries, config)
        state = _record_components(state)
    if state.host_address:
        script = str(Path(__file__).with_name("forward.py"))
        command = [sys.executable, "-I", script, state.host_address, str(apiserver)]
        state = start_process(state, "forward", command)
    _write_kubeconfig(state)
    _wait_until_ready(state, binaries)
    progress(f"control plane ready: {state.api_address}")
    return state


def kwokctl_config(state: ClusterState, binaries: Path, ports: list[int]) -> list[dict[str, Any]]:
    """The documents kwokctl reads: its own configuration and the Stages of simulated nodes and pods."""
    etcd, etcd_peer, controller_manager, scheduler, kwok = ports
    options = {
        "runtime": "binary",
        "kubeVersion": KUBERNETES_VERSION,
        "bindAddress": LOOPBACK,
        "kubeApiserverPort": state.apiserver_port,
        "etcdPort": etcd,
        "etcdPeerPort": etcd_peer,
        "kubeControllerManagerPort": controller_manager,
        "kubeSchedulerPort": scheduler,
        "kwokControllerPort": kwok,
        # A lost node is noticed after Kubernetes' usual 50 s; simulated ones renew their leases every 20 s.
        "heartbeatFactor": 1,
        "nodeLeaseDurationSeconds": 80,
        "kubeControllerManagerNodeMonitorPeriodMilliseconds": 5000,
        "kubeControllerManagerNodeMonitorGracePeriodMilliseconds": 50000,
        "kubeApiserverCertSANs": [
            "kubernetes.default.svc.cluster.local",
            API_SERVICE_ADDRESS,
            *([state.host_address] if state.host_address else []),
        ],
        "etcdBinary": str(binaries / "etcd"),
        "kubeApiserverBinary": str(binaries / "kube-apiserver"),
        "kubeControllerManagerBinary": str(binaries / "kube-controller-manager"),
        "kubeSchedulerBinary": str(binaries / "kube-scheduler"),
        "kwokControllerBinary": str(binaries / "kwok"),
        "kubectlBinary": str(binaries / "kubectl"),
    }
    fast_client = {"kube-api-qps": "500", "kube-api-burst": "1000", "leader-elect": "false"}
    apiserver = {
        "advertise-address": state.host_address or _UNUSED_ADDRESS,
        "service-cluster-ip-range": state.service_cidr,
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-client-certificate": str(state.admin_cert),
        "kubelet-client-key": str(state.admin_key),
    }
    if state.audit_log is not None:
        apiserver |= {
            "audit-policy-file": str(state.dir / "audit-policy.yaml"),
            "audit-log-path": str(state.audit_log),
            "audit-log-maxsize": "10000",
        }
    patches = {
        "etcd": {"unsafe-no-fsync": "true"},  # the data is thrown away with the cluster
        "kube-apiserver": apiserver,
        # Each controller by its own name, as in most clusters: admission policies tell them apart.
        "kube-controller-manager": {
            **fast_client,
            "concurrent-job-syncs": "20",
            "use-service-account-credentials": "true",
        },
        "kube-scheduler": fast_client,
        "kwok-controller": {"manage-nodes-with-annotation-selector": "=".join(NODE_ANNOTATION)},
    }
    components: list[dict[str, Any]] = [
        {"name": name, "extraArgs": [{"key": key, "value": value} for key, value in flags.items()]}
        for name, flags in patches.items()
    ]
    # kwokctl itself says --manage-all-nodes=true, which would take over the real node.
    components[-1]["extraArgs"].append({"key": "manage-all-nodes", "value": "false", "override": True})
    configuration = {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": options,
        "componentsPatches": components,
    }
    return [configuration, *stages()]


def _run_kwokctl(state: ClusterState, binaries: Path, config: Path) -> None:
    state.logs.mkdir(parents=True, exist_ok=True)
    log = state.logs / "kwokctl.log"
    environment = {key: value for key, value in marked_environment(state).items() if not key.startswith("KWOK_")}
    command = [str(binaries / "kwokctl"), "--name", state.name, "--config", str(config), "create", "cluster"]
    command += ["--kubeconfig", str(state.dir / "kwokctl.kubeconfig"), "--timeout", "90s"]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            env={**environment, "KWOK_WORKDIR": str(state.kwok_dir)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as kwokctl,
    ):
        try:
            while kwokctl.poll() is None:
                _check_components(state)  # kwokctl itself would wait in vain for one that ended
                time.sleep(0.1)
        finally:
            kwokctl.kill()
    if kwokctl.returncode != 0:
        raise LocalClusterError(f"the control plane did not start: {log_tail(log)}")


def _check_components(state: ClusterState) -> None:
    for name, pid in _started_components(state).items():
        if start_time(pid) is None:
            raise LocalClusterError(f"{name} ended: {_component_log_tail(state, name)}")


def _started_components(state: ClusterState) -> dict[str, int]:
    """The components that kwokctl has started so far, with their pids."""
    pids = {}
    for name in COMPONENTS:
        with contextlib.suppress(OSError, ValueError):  # not there yet, or just being written
            pids[name] = int((state.control_plane_dir / "pids" / f"{name}.pid").read_text())
    return pids


def _record_components(state: ClusterState) -> ClusterState:
    _check_components(state)
    started = _started_components(state)
    for name in COMPONENTS:
        if name not in started:
            raise LocalClusterError(f"{name} was not started: {log_tail(state.logs / 'kwokctl.log')}")
        state = record_process(state, name, started[name])
    return state


def _component_log_tail(state: ClusterState, name: str) -> str:
    return log_tail(state.control_plane_dir / "logs" / f"{name}.log")


def _write_kubeconfig(state: ClusterState) -> None:
    def encoded(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    cluster = {"server": state.api_address, "certificate-authority-data": encoded(state.ca_cert)}
    user = {"client-certificate-data": encoded(state.admin_cert), "client-key-data": encoded(state.admin_key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": state.name,
        "clusters": [{"name": state.name, "cluster": cluster}],
        "users": [{"name": state.name, "user": user}],
        "contexts": [{"name": state.name, "context": {"cluster": state.name, "user": state.name}}],
    }
    state.kubeconfig.touch(mode=0o600)
    state.kubeconfig.write_text(yaml.safe_dump(document, sort_keys=False))


def is_ready(state: ClusterState, binaries: Path) -> bool:
    """Whether the API server answers that it is ready."""
    return _kubectl_succeeds(state, binaries, "get", "--raw", "/readyz", "--request-timeout=5s")


def _kubectl_succeeds(state: ClusterState, binaries: Path, *arguments: str) -> bool:
    command = [str(binaries / "kubectl"), "--kubeconfig", str(state.kubeconfig), *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _wait_until_ready(state: ClusterState, binaries: Path, seconds: float = 60.0) -> None:
    """Ready means that pods can be created: the default namespace has its service account."""
    deadline = time.monotonic() + seconds
    account = ("get", "serviceaccount", "default")
    while not (is_ready(state, binaries) and _kubectl_succeeds(state, binaries, *account)):
        if time.monotonic() > deadline:
            tail = _component_log_tail(state, "kube-apiserver")
            raise LocalClusterError(f"the API server was not ready within {seconds:.0f} s: {tail}")
        time.sleep(0.1)
