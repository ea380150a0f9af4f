"""The production `KubeApi`: the verbs as URLs, headers and bodies."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import lru_cache
from urllib.parse import quote, urlencode

from batchyard.api import names
from batchyard.kube import credentials, watch_decode
from batchyard.kube.errors import Conflict, Denied, Invalid
from batchyard.kube.protocol import ALL, PAGE, Object, Objects, PatchType, Propagation, Selection, WatchEvent
from batchyard.kube.resources import Resource
from batchyard.kube.transport import OnRequest, Transport

PAGE_OF_METADATA = 250
"""The same as `PAGE` where only metadata is read, of which annotations may have 256 KiB."""

_JSON = {"Content-Type": "application/json"}
_JSON_PATCH = {"Content-Type": "application/json-patch+json"}
_PATCH_HEADERS = {
    "merge": {"Content-Type": "application/merge-patch+json"},
    "apply": {"Content-Type": "application/apply-patch+yaml"},
}
_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}


async def connect(
    kubeconfig: str = "",
    context: str = "",
    *,
    connections: int = 32,
    on_request: OnRequest | None = None,
    user_agent: str = names.USER_AGENT,
) -> "KubeClient":
    """Open a client with the credentials of the pod or of a kubeconfig (see `credentials`)."""
    configuration, refresh = await credentials.load(kubeconfig, context)
    transport = Transport(configuration, connections=connections, on_request=on_request, user_agent=user_agent)
    client = KubeClient(transport)
    client.keep_fresh(refresh)
    return client


class KubeClient:
    """The API server, over HTTP."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._refresh: asyncio.Task[None] | None = None

    def keep_fresh(self, refresh: credentials.Refresh) -> None:
        """Run the renewal of short-lived credentials until `close`."""
        self._refresh = asyncio.ensure_future(refresh())

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Object:
        """Read one object."""
        path = _path(resource, namespace, name)
        answer: Object = await self._transport.request("get", str(resource), "GET", path, repeatable=True)
        return answer

    async def create(self, resource: Resource, body: Object, namespace: str = "", *, dry_run: bool = False) -> Object:
        """Create an object, or have the API server check strictly that it could."""
        path = _path(resource, namespace) + ("?dryRun=All&fieldValidation=Strict" if dry_run else "")
        answer: Object = await self._transport.request(
            "create", str(resource), "POST", path, body=body, headers=_JSON, repeatable=dry_run
        )
        return answer

    async def replace(self, resource: Resource, name: str, body: Object, namespace: str = "") -> Object:
        """Replace an object as a whole."""
        path = _path(resource, namespace, name)
        answer: Object = await self._transport.request(
            "update", str(resource), "PUT", path, body=body, headers=_JSON, repeatable=False
        )
        return answer

    async def patch(
        self,
        resource: Resource,
        name: str,
        body: Object,
        namespace: str = "",
        *,
        subresource: str = "",
        patch_type: PatchType = "merge",
    ) -> Object:
        """Change an object in part; `apply` takes over fields that others own."""
        path = _path(resource, namespace, name)
        if subresource:
            path += f"/{subresource}"
        if patch_type == "apply":
            path += f"?fieldManager={names.FIELD_MANAGER}&force=true"
        answer: Object = await self._transport.request(
            "patch",
            str(resource),
            "PATCH",
            path,
            body=body,
            headers=_PATCH_HEADERS[patch_type],
            repeatable=True,
        )
        return answer

    async def replace_status(
        self, resource: Resource, name: str, status: Object, namespace: str = "", *, uid: str
    ) -> Object:
        """Write the whole status of the object of that uid.

        As a JSON patch, whose `test` is made against the stored object: of a merge patch's metadata, the status
        subresource of custom resources ignores the uid.
        """
        body = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        path = _path(resource, namespace, name) + "/status"
        try:
            answer: Object = await self._transport.request(
                "patch", str(resource), "PATCH", path, body=body, headers=_JSON_PATCH, repeatable=True
            )
        except (Invalid, Denied):
            # A failed test is answered with the code of an invalid status.
            found = (await self.get(resource, name, namespace))["metadata"]["uid"]
            if found != uid:
                message = f"{resource} {name} is not the one of uid {uid} any more, but of {found}"
                raise Conflict(409, "Conflict", message) from None
            raise
        return answer

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        propagation: Propagation = "Background",
    ) -> None:
        """Delete an object."""
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        path = _path(resource, namespace, name)
        await self._transport.request(
            "delete", str(resource), "DELETE", path, body=options, headers=_JSON, repeatable=True
        )

    async def evict(self, resource: Resource, name: str, namespace: str, *, uid: str, version: str = "") -> None:
        """Delete a pod by the Eviction API."""
        preconditions = {"uid": uid, **({"resourceVersion": version} if version else {})}
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": preconditions},
        }
        path = _path(resource, namespace, name) + "/eviction"
        await self._transport.request(
            "create", f"{resource}/eviction", "POST", path, body=body, headers=_JSON, repeatable=False
        )

    async def list(self, resource: Resource, selection: Selection = ALL, *, limit: int = PAGE) -> tuple[Objects, str]:
        """All selected objects and the resourceVersion they stand for."""
        items: Objects = []
        version = ""
        async for page, version in self.list_pages(resource, selection, limit=limit):  # noqa: B007 - the last counts
            items += page
        return items, version

    def list_pages(
        self, resource: Resource, selection: Selection = ALL, *, limit: int = PAGE
    ) -> AsyncGenerator[tuple[Objects, str], None]:
        """All selected objects, a page at a time."""
        return self._pages(resource, selection, limit, {})

    async def list_metadata(self, resource: Resource, selection: Selection = ALL) -> Objects:
        """The metadata of all selected objects."""
        pages = self._pages(resource, selection, PAGE_OF_METADATA, _METADATA_ONLY)
        return [item async for page, _ in pages for item in page]

    async def _pages(
        self, resource: Resource, selection: Selection, limit: int, headers: dict[str, str]
    ) -> AsyncGenerator[tuple[Objects, str], None]:
        path = _path(resource, selection.namespace)
        token = ""
        while True:
            query = _query({**_selectors(selection), "limit": str(limit), "continue": token})
            page = await self._transport.request(
                "list", str(resource), "GET", path + query, headers=headers, repeatable=True
            )
            yield page.get("items") or [], page["metadata"]["resourceVersion"]
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def watch(
        self,
        resource: Resource,
        resource_version: str,
        selection: Selection = ALL,
        *,
        timeout: float = 300,  # noqa: ASYNC109 - it is the server that ends the stream
    ) -> AsyncGenerator[WatchEvent, None]:
        """Changes after a resourceVersion, as they happen."""
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            **_selectors(selection),
            "timeoutSeconds": str(int(timeout)),
        }
        path = _path(resource, selection.namespace) + _query(query)
        async with (
            aclosing(self._transport.stream("watch", str(resource), path)) as chunks,
            aclosing(watch_decode.decode(chunks)) as events,
        ):
            async for event in events:
                yield event

    async def close(self) -> None:
        """Close all connections and stop renewing credentials."""
        if self._refresh:
            self._refresh.cancel()
            with suppress(asyncio.CancelledError):
                await self._refresh
        await self._transport.close()


@lru_cache(maxsize=64)
def _prefix(resource: Resource) -> str:
    return f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"


def _path(resource: Resource, namespace: str | None, name: str = "") -> str:
    """The URL path of a collection or an object; every namespace's collection when `namespace` is None."""
    path = _prefix(resource)
    if namespace:
        path += f"/namespaces/{quote(namespace, safe='')}"
    elif resource.namespaced and namespace is not None:
        raise ValueError(f"{resource} live in namespaces; name one")
    path += f"/{resource.plural}"
    return f"{path}/{quote(name, safe='')}" if name else path


def _selectors(selection: Selection) -> dict[str, str]:
    return {"labelSelector": selection.labels, "fieldSelector": selection.fields}


def _query(parameters: dict[str, str]) -> str:
    return "?" + urlencode({key: value for key, value in parameters.items() if value})
