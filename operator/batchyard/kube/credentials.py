"""Where the API server is and how to log in.

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
    refresh: Refresh = _nothing_to_refresh
    path = kubeconfig or os.environ.get("KUBECONFIG", "")
    if not path and not context and "KUBERNETES_SERVICE_HOST" in os.environ:
        try:
            kube_config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        except (kube_config.ConfigException, OSError) as error:
            raise CredentialsError(f"cannot use the pod's service account: {error}") from error
    else:
        path = _existing_kubeconfig(path or str(pathlib.Path.home() / ".kube" / "config"))
        try:
            loader = await kube_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=path, context=context or None, client_configuration=configuration
            )
        except Exception as error:
            # A file of another shape than expected fails in the loader in any way whatever.
            detail = str(error) or type(error).__name__
            raise CredentialsError(f"cannot use kubeconfig {path}: {detail}; set KUBECONFIG") from error
        refresh = _refresher(loader, configuration)
    _take_proxy_from_environment(configuration)
    return configuration, refresh


def _existing_kubeconfig(path: str) -> str:
    if not any(pathlib.Path(part).is_file() for part in path.split(os.pathsep)):
        raise CredentialsError(
            f"no API server to talk to: there is no kubeconfig at {path}, and this is not a pod with a "
            "service account; set KUBECONFIG"
        )
    return path


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
