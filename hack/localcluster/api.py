"""Requests to the API server of a cluster on this machine, for what asks several times a second.

A program such as kubectl would have to be started for each; this is one connection that stays open.
"""

import http.client
import json
import ssl
import urllib.parse
from typing import Any

from .errors import LocalClusterError
from .state import LOOPBACK, ClusterState

Json = dict[str, Any]
_SECONDS = 30.0


class ApiRefusedError(LocalClusterError):
    """The API server said no, with an HTTP status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Api:
    """The API server, as its administrator asks it; of one thread at a time."""

    def __init__(self, state: ClusterState) -> None:
        context = ssl.create_default_context(cafile=str(state.ca_cert))
        context.load_cert_chain(state.admin_cert, state.admin_key)
        self._connection = http.client.HTTPSConnection(
            LOOPBACK, state.apiserver_port, context=context, timeout=_SECONDS
        )

    def close(self) -> None:
        """Give the connection up; a further request would connect anew."""
        self._connection.close()

    def list(self, path: str, **query: str) -> list[Json]:
        """The objects of a collection."""
        items: list[Json] = self._request("GET", f"{path}?{urllib.parse.urlencode(query)}")["items"]
        return items

    def create(self, path: str, body: Json) -> Json:
        """Create an object in a collection, or a subresource such as a binding."""
        return self._request("POST", path, body)

    def apply(self, path: str, body: Json) -> Json:
        """Have an object as it is given, whether it is there or not."""
        return self._request("PATCH", f"{path}?fieldManager=localcluster&force=true", body, "apply-patch+yaml")

    def patch(self, path: str, change: Json) -> Json:
        """Change an object, or its status; of conditions, those that are named."""
        return self._request("PATCH", path, change, "strategic-merge-patch+json")

    def delete(self, path: str) -> None:
        """Delete an object; fine where it is gone."""
        try:
            self._request("DELETE", path)
        except ApiRefusedError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise

    def _request(self, method: str, path: str, body: Json | None = None, form: str = "json") -> Json:
        """The answer; where there is none it is an OSError, and the next request connects anew."""
        data = None if body is None else json.dumps(body).encode()
        try:
            self._connection.request(method, path, data, {"Content-Type": f"application/{form}"})
            response = self._connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise ConnectionError(f"{method} {path}: {error}") from error
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiRefusedError(f"{method} {path}: {_words(text)}", response.status)
        answer: Json = json.loads(text)
        return answer


def _words(text: bytes) -> str:
    """What a refusal says, which is mostly in a Status."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text.decode(errors="replace").strip()
