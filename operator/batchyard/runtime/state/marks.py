"""Which Kubernetes Jobs are believed: those that this installation has made, for jobs that exist.

The key is a Secret beside the lease, so an operator believes what the one before it has made; it is made by the first
that acts.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from batchyard.api import names
from batchyard.kube.errors import AlreadyExists, ApiError, NotFound
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import SECRETS
from batchyard.objects.kubernetes import mark
from batchyard.objects.meta import created_at
from batchyard.objects.ownership import is_controlled

_FIELD = "key"
KEY_BYTES = 32


def secret_name(lease: str) -> str:
    """The name of the Secret: as many leases there are, as many installations."""
    return f"{lease}-marks"


class Marks:
    """Signs Jobs, and tells those that were made here. Without a key nothing is believed."""

    def __init__(self, key: bytes = b"", since: float = 0.0) -> None:
        self._key = key
        self._since = since

    def learn(self, key: bytes, since: float) -> None:
        """Use a key from now on; `since` is when it was made, by the API server's clock."""
        self._key, self._since = key, since

    def sign(self, job: Object) -> Object:
        """Return a Job that is about to be created with its mark."""
        return mark.signed(job, self._key)

    def believes(self, job: Mapping[str, Any], *, owner_exists: bool) -> bool:
        """Whether a Job was made here.

        A Job of a BatchJob that is gone is believed as long as it names that one as its controller: then garbage
        collection ends it. One without a right mark is believed if it is older than the key, as those are that an
        operator without marks has made: nobody can choose when the API server took it in.
        """
        if not self._key:
            return False
        if mark.is_signed(job, self._key):
            return owner_exists or is_controlled(job)
        return owner_exists and is_controlled(job) and created_at(job) <= self._since


class MarkKey:
    """The Secret that holds the key."""

    def __init__(self, api: KubeApi, namespace: str, name: str, random_bytes: Callable[[int], bytes]) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._random_bytes = random_bytes

    async def load(self, marks: Marks) -> None:
        """Have the marks learn the key. Without it no running job could be told from another's."""
        secret = await self._provide()
        key = b64decode((secret.get("data") or {}).get(_FIELD, ""))
        if len(key) < KEY_BYTES:
            message = (
                f"Secret {self._name} in namespace {self._namespace} has no {_FIELD} of {KEY_BYTES} bytes; "
                "delete it to have another one made"
            )
            raise ApiError(0, "Invalid", message)
        marks.learn(key, created_at(secret))

    async def _provide(self) -> Object:
        """The Secret as it is, or one made now."""
        try:
            return await self._api.get(SECRETS, self._name, self._namespace)
        except NotFound:
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": self._name, "labels": {names.MANAGED_BY: names.MANAGED_BY_VALUE}},
                "immutable": True,
                "data": {_FIELD: b64encode(self._random_bytes(KEY_BYTES)).decode()},
            }
        try:
            return await self._api.create(SECRETS, body, self._namespace)
        except AlreadyExists:
            return await self._api.get(SECRETS, self._name, self._namespace)
