"""The operator's process: options, logs, Kopf's settings, and the activities that start and stop the runtime.

This is the command `batchyard operator`. The process ends by itself, with exit code 1, when it lost the lease or
one of its parts died: Kubernetes starts a fresh one, which reads everything anew.
"""

import asyncio
import logging
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kopf

from batchyard import __version__
from batchyard.core.admission.protection import Protection
from batchyard.handlers import kinds, setup
from batchyard.kube.client import connect
from batchyard.kube.credentials import CredentialsError
from batchyard.kube.errors import ApiError
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.process import logs, settings
from batchyard.runtime.process.acting import Rules
from batchyard.runtime.process.certificate import Certificate, CertificateError
from batchyard.runtime.process.leader import LeaderElection
from batchyard.runtime.process.metricsaccess import MetricsAccess
from batchyard.runtime.process.operator import Operator
from batchyard.runtime.process.web import WebServer
from batchyard.runtime.state.marks import MarkKey, secret_name

_log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until stopped."""
    options = settings.parse(arguments)
    logs.configure(options.log_format, options.log_level)
    _log.info("Batchyard %s starts as %s", __version__, options.identity)
    try:
        reason = asyncio.run(run(options))
    except (CredentialsError, CertificateError, ApiError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        reason = ""
    if reason:
        sys.exit(f"error: {reason}")


async def run(options: settings.Settings) -> str:
    """Run Kopf with the runtime inside; returns why it stopped by itself, or nothing when it was told to stop."""
    metrics = Metrics()
    certificate = Certificate(Path(options.tls_folder)) if options.tls_folder else None
    api = await connect(options.kubeconfig, options.context, on_request=metrics.count_request)
    stop_flag = asyncio.Event()
    reasons: list[str] = []

    def stopped(reason: str) -> None:
        if not stop_flag.is_set():
            reasons.append(reason)
            stop_flag.set()

    # Renewals must not queue behind a burst of other requests, hence connections of their own.
    election_api = await connect(options.kubeconfig, options.context, connections=2)
    operator = Operator(
        api,
        LeaderElection(election_api, options.namespace, options.lease, options.identity),
        metrics,
        MarkKey(api, options.namespace, secret_name(options.lease), secrets.token_bytes),
        Rules(
            visibility=options.show_names,
            protection=Protection(options.namespace, frozenset(options.protected_namespaces)),
            resync_seconds=options.resync_seconds,
        ),
        clock=time.time,
        monotonic=time.monotonic,
        stopped=stopped,
    )
    access_api = None
    if options.metrics_authentication:  # connections of their own, too: nobody's scraping may hold a write up
        access_api = await connect(options.kubeconfig, options.context, connections=2)
    access = MetricsAccess(access_api, time.monotonic) if access_api is not None else None
    web = WebServer(metrics.registry, operator.healthy, operator.ready, certificate=certificate, access=access)
    registry = kopf.OperatorRegistry()
    kinds.register(registry)

    # Kopf cancels tasks that were created before its activities or that outlive them, hence start and stop there.
    @kopf.on.startup(registry=registry)
    async def start(**_: Any) -> None:
        port = await web.start(options.host, options.port)
        _log.info("Serving /metrics, /healthz and /readyz on port %d", port)
        await operator.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        stop_flag.set()
        await operator.stop()
        await web.stop()
        await api.close()
        await election_api.close()
        if access_api is not None:
            await access_api.close()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return await setup.login(options.kubeconfig, options.context)

    await kopf.operator(
        registry=registry,
        settings=setup.configure(),
        memo=kopf.Memo(cache=operator.cache),
        clusterwide=True,
        standalone=True,
        # Kopf's own guess asks for the user's name, and a container's user has none.
        identity=options.identity,  # type: ignore[arg-type]  # a private type, which is a str
        stop_flag=stop_flag,
    )
    return reasons[0] if reasons else ""
