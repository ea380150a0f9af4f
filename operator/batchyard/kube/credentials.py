"""Where the API server is and how to log in. Used by `client.connect`, and by the app for Kopf's own login.

An explicit kubeconfig wins (argument, then $KUBECONFIG), then the pod's service account, then ~/.kube/config:
the order of other Kubernetes controllers, so that a developer's choice holds even in a pod.
"""

import asyncio
import logging
import os
import pathlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 60.0

Refresh = Callable[[], Awaitable[None]]


class CredentialsError(Exception):
    """There is no usable way to reach an API server."""


async def load(kubeconfig: str = "", context: str = "") -> tuple[Configuration, Refresh]:
    """Find the API server and credentials; the second value keeps a kubeconfig's short-lived token fresh.

    A service account's token needs no such help: its file is read again every minute, on use.
    """
    configuration = Configuration()
    path = kubeconfig or os.environ.get("KUBECONFIG", "")
    home = pathlib.Path.home() / ".kube" / "config"
    try:
        if not path and not context and "KUBERNETES_SERVICE_HOST" in os.environ:
            kube_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
            refresh: Refresh = _nothing_to_refresh
        elif path or home.is_file():
            loader = await kube_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=path or str(home), context=context or None, client_configuration=configuration
            )
            refresh = _refresher(loader, configuration)
        else:
            raise CredentialsError(
                "no API server to talk to: not in a pod, no KUBECONFIG and no ~/.kube/config; set KUBECONFIG"
            )
    except (kube_config.ConfigException, OSError) as error:
        where = f"kubeconfig {path or home}" if path or context else "the pod's service account"
        raise CredentialsError(f"cannot use {where}: {error}") from error
    _take_proxy_from_environment(configuration)
    return configuration, refresh


async def _nothing_to_refresh() -> None:
    return


def _refresher(loader: Any, configuration: Configuration) -> Refresh:
    async def refresh() -> None:
        while True:
            try:
                renewal = kube_config.refresh_token(  # type: ignore[no-untyped-call]
                    loader, configuration, REFRESH_SECONDS
                )
                await renewal
            except (kube_config.ConfigException, OSError) as error:
                logger.warning("The kubeconfig's credentials could not be renewed, trying again: %s", error)
                await asyncio.sleep(REFRESH_SECONDS)
            else:
                return

    return refresh


def _take_proxy_from_environment(configuration: Configuration) -> None:
    """Honour HTTPS_PROXY and NO_PROXY once; aiohttp's `trust_env` would look them up for every request."""
    server = urlsplit(configuration.host)
    proxy = getproxies().get(server.scheme)
    if proxy and not configuration.proxy and not proxy_bypass(server.netloc):
        configuration.proxy = proxy
