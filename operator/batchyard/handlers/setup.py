"""How Kopf is set up: zero writes of its own, little memory, and the same credentials as the rest.

Each setting replaces a default of Kopf that costs writes to the user's objects, memory, or correctness here.
"""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import kopf

from batchyard.kube.credentials import load
from batchyard.kube.kopf_session import open_session
from batchyard.kube.protocol import PAGE
from batchyard.kube.transport import IDLE_SECONDS, REQUEST_SECONDS

NO_FINALIZER = "none of Kopf's"
"""What Kopf takes for its finalizer. It removes that from every object that has it, so it is a name that none can have:
the API server takes qualified names only."""


class _NoDiffBase(kopf.DiffBaseStorage):
    """Remembers no last-handled state: with `on.event` alone there is nothing to compare."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Remembers no progress of handlers."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


class _ForEver:
    """Seconds between the tries of a request, without an end: Kopf ends the process after the last one."""

    def __iter__(self) -> Iterator[float]:
        return chain((1.0, 2.0, 4.0, 8.0, 15.0), repeat(30.0))


def configure() -> kopf.OperatorSettings:
    """Return Kopf's settings."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # a stray peering object would pause the operator; the lease decides
    settings.scanning.disabled = True  # no watches on CRDs and namespaces, hence fewer permissions
    settings.posting.enabled = False  # events would be posted one by one, unaggregated
    settings.queueing.idle_timeout = 0.1  # a worker per object lives on for this long: memory during bursts
    settings.watching.chunk_size = PAGE
    settings.watching.inactivity_timeout = IDLE_SECONDS
    settings.networking.request_timeout = REQUEST_SECONDS
    settings.networking.error_backoffs = _ForEver()
    settings.persistence.finalizer = NO_FINALIZER
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    return settings


async def login(kubeconfig: str, context: str) -> kopf.AiohttpSession:
    """Find the credentials that the rest of the operator uses; called again whenever they are refused.

    The session is as Kopf makes it, but that it decodes whatever the API server takes.
    """
    configuration, _ = await load(kubeconfig, context)
    bearer = (await configuration.auth_settings()).get("BearerToken")
    scheme, _, token = ((bearer and bearer["value"]) or "").partition(" ")
    found = kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        username=configuration.username or None,
        password=configuration.password or None,
        scheme=scheme or None,
        token=token or None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy_url=configuration.proxy,
    )
    session = open_session(found.as_ssl_context(), found.as_http_headers(), found.proxy_url)
    return kopf.AiohttpSession(server=found.server, aiohttp_session=session)
