"""What the operator can be told from outside, as command-line options; the Helm chart sets the same ones."""

import argparse
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from batchyard import __version__
from batchyard.core.insight.visibility import Visibility


@dataclass(slots=True, frozen=True)
class Settings:
    """The operator's options."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = "batchyard-system"
    lease: str = "batchyard-operator"
    identity: str = ""
    host: str = "0.0.0.0"  # noqa: S104 - probes and scrapers come from outside the pod
    port: int = 8080
    tls_folder: str = ""
    metrics_authentication: bool = False
    log_format: str = "text"
    log_level: str = "info"
    resync_seconds: float = 300.0
    show_names: Visibility = Visibility.ALL
    protected_namespaces: tuple[str, ...] = ("kube-system", "kube-public", "kube-node-lease")


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line; exits with a usage message when it does not make sense."""
    defaults = Settings()
    parser = argparse.ArgumentParser(
        prog="batchyard operator",
        description="Runs the Batchyard operator until it is stopped or loses its lease; `operator` may be left out.",
        epilog="Other commands: `batchyard simulate` replays a workload without a cluster, `batchyard version` says"
        " which one it is.",
    )
    parser.add_argument("--version", action="version", version=f"batchyard {__version__}")
    parser.add_argument(
        "--kubeconfig",
        default="",
        help="kubeconfig to use (default: the pod's service account, else $KUBECONFIG)",
    )
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: the current one)")
    parser.add_argument(
        "--namespace",
        default=os.environ.get("POD_NAMESPACE", defaults.namespace),
        help="namespace of the lease (default: $POD_NAMESPACE, else %(default)s)",
    )
    parser.add_argument("--lease", default=defaults.lease, help="name of the lease (default: %(default)s)")
    parser.add_argument(
        "--identity",
        default=os.environ.get("POD_NAME", "") or f"{socket.gethostname()}-{os.getpid()}",
        help="name of this process in the lease (default: $POD_NAME, else host and process id)",
    )
    parser.add_argument("--host", default=defaults.host, help="address of /metrics, /healthz and /readyz")
    parser.add_argument(
        "--port",
        type=int,
        default=defaults.port,
        help="port of the same, 0 for a free one (default: %(default)s)",
    )
    parser.add_argument(
        "--tls-folder",
        default=defaults.tls_folder,
        help="folder with tls.crt and tls.key: speak TLS on the port (default: do not)",
    )
    parser.add_argument(
        "--metrics-authentication",
        action="store_true",
        help="show /metrics only to those whose token the API server knows and lets GET /metrics (needs --tls-folder)",
    )
    parser.add_argument("--log-format", choices=["text", "json"], default=defaults.log_format)
    parser.add_argument("--log-level", choices=["debug", "info", "warning", "error"], default=defaults.log_level)
    parser.add_argument(
        "--resync-seconds",
        type=float,
        default=defaults.resync_seconds,
        help="time between two resyncs, for events that a watch missed (default: %(default)s)",
    )
    parser.add_argument(
        "--show-names",
        type=Visibility,
        choices=list(Visibility),
        default=defaults.show_names,
        help="which jobs an object's status and Events may name: all, or those of its own namespace only, hence none in"
        " the status of a queue (default: %(default)s)",
    )
    parser.add_argument(
        "--protected-namespaces",
        type=_names,
        default=defaults.protected_namespaces,
        metavar="NAMES",
        help="namespaces in which no jobs run, separated by commas; the operator's own is always one of them"
        f" (default: {','.join(defaults.protected_namespaces)})",
    )
    settings = Settings(**vars(parser.parse_args(arguments)))
    if settings.metrics_authentication and not settings.tls_folder:
        parser.error("--metrics-authentication needs --tls-folder: tokens must not cross the network in the clear")
    return settings


def _names(text: str) -> tuple[str, ...]:
    """Read a list of namespaces. A mistyped one would go unnoticed, so what cannot be one is refused."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise argparse.ArgumentTypeError(f"{name!r} is no name of a namespace; separate names by commas")
    return names
