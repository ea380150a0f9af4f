"""The client against a real HTTP server on the loopback interface."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration

from batchyard.kube import errors, transport
from batchyard.kube.client import KubeClient
from batchyard.kube.protocol import KubeApi, Object, Selection
from batchyard.kube.resources import BATCHJOBS, JOBQUEUES, JOBS, PODS
from batchyard.kube.transport import Transport
from unit.kube.server import Handler, Server, fixed, streamed

JOB: Object = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}}


async def _drop(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def _status(code: int, reason: str, message: str = "the server's words") -> Object:
    return {"kind": "Status", "code": code, "reason": reason, "message": message}


class Recorder:
    """What the client told about its requests and how long it chose to wait."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []
        self.sleeps: list[float] = []

    def on_request(self, verb: str, resource: str, code: int, seconds: float) -> None:
        assert seconds >= 0
        self.requests.append((verb, resource, code))

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)


def _client(url: str, recorder: Recorder, configuration: Configuration | None = None) -> KubeClient:
    configuration = configuration or Configuration()
    configuration.host = url
    return KubeClient(Transport(configuration, on_request=recorder.on_request, rng=lambda: 0.5, sleep=recorder.sleep))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def api(server: Server, recorder: Recorder) -> AsyncIterator[KubeApi]:
    client = _client(server.url, recorder)
    yield client
    await client.close()


async def test_an_object_nested_too_deeply_keeps_no_list_from_being_read(server: Server, api: KubeApi) -> None:
    items = ['{"spec":' + "[" * 5000 + "]" * 5000 + "}", '{"metadata":{"name":"next"}}']
    server.answer((200, f'{{"items":[{",".join(items)}],"metadata":{{"resourceVersion":"1"}}}}'))

    found, _ = await api.list(JOBS, Selection("media"))

    assert [each.get("metadata") for each in found] == [None, {"name": "next"}]


async def test_a_create_is_one_post_of_the_body(server: Server, api: KubeApi, recorder: Recorder) -> None:
    server.answer((201, {**JOB, "status": {}}))

    created = await api.create(JOBS, JOB, "media")

    assert created == {**JOB, "status": {}}
    [(method, path, headers, body)] = server.requests
    assert (method, path, json.loads(body)) == ("POST", "/apis/batch/v1/namespaces/media/jobs", JOB)
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"].startswith("batchyard-operator/")
    assert recorder.requests == [("create", "jobs.batch", 201)]


async def test_paths_and_content_types(server: Server, api: KubeApi) -> None:
    server.answer((200, {}))

    await api.get(PODS, "p", "ns")
    await api.get(JOBQUEUES, "q")
    await api.create(BATCHJOBS, {}, "ns", dry_run=True)
    await api.patch(BATCHJOBS, "b", {"status": {}}, "ns", subresource="status")
    await api.patch(JOBS, "j", {"spec": {}}, "ns", patch_type="apply")
    await api.replace(JOBS, "j", {}, "ns")
    await api.delete(JOBS, "j", "ns", uid="u1", propagation="Foreground")

    assert [(method, path, headers.get("content-type", "")) for method, path, headers, _ in server.requests] == [
        ("GET", "/api/v1/namespaces/ns/pods/p", ""),
        ("GET", "/apis/batchyard.dev/v1alpha1/jobqueues/q", ""),
        (
            "POST",
            "/apis/batchyard.dev/v1alpha1/namespaces/ns/batchjobs?dryRun=All&fieldValidation=Strict",
            "application/json",
        ),
        (
            "PATCH",
            "/apis/batchyard.dev/v1alpha1/namespaces/ns/batchjobs/b/status",
            "application/merge-patch+json",
        ),
        (
            "PATCH",
            "/apis/batch/v1/namespaces/ns/jobs/j?fieldManager=batchyard-operator&force=true",
            "application/apply-patch+yaml",
        ),
        ("PUT", "/apis/batch/v1/namespaces/ns/jobs/j", "application/json"),
        ("DELETE", "/apis/batch/v1/namespaces/ns/jobs/j", "application/json"),
    ]
    options = json.loads(server.requests[-1][3])
    assert (options["propagationPolicy"], options["preconditions"]) == ("Foreground", {"uid": "u1"})


async def test_a_namespaced_object_without_namespace_is_a_mistake(api: KubeApi) -> None:
    with pytest.raises(ValueError, match="live in namespaces"):
        await api.get(JOBS, "j")


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (403, "Forbidden", errors.Forbidden),
        (404, "NotFound", errors.NotFound),
        (409, "AlreadyExists", errors.AlreadyExists),
        (409, "Conflict", errors.Conflict),
        (410, "Expired", errors.Gone),
        (422, "Invalid", errors.Denied),
        (400, "BadRequest", errors.BadRequest),
        (401, "Unauthorized", errors.ApiError),
    ],
)
async def test_refusals_by_class_with_the_servers_sentence(
    server: Server, api: KubeApi, code: int, reason: str, kind: type[errors.ApiError]
) -> None:
    server.answer((code, _status(code, reason)))

    with pytest.raises(errors.ApiError) as caught:
        await api.get(JOBS, "j", "ns")

    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.reason, str(caught.value)) == (
        code,
        reason,
        "the server's words",
    )
    assert len(server.requests) == 1


async def test_a_refusal_that_is_not_json(server: Server, api: KubeApi) -> None:
    server.answer((400, "upstream connect error"))

    with pytest.raises(errors.ApiError, match="upstream connect error"):
        await api.get(JOBS, "j", "ns")


async def test_a_kind_the_server_does_not_know(server: Server, api: KubeApi) -> None:
    server.answer((404, "404 page not found\n"))

    with pytest.raises(errors.NotFound, match=r"does not know batchjobs.batchyard.dev; install the CRDs"):
        await api.list(BATCHJOBS)


async def test_a_patch_meant_for_another_uid_is_a_conflict(server: Server, api: KubeApi) -> None:
    status = _status(422, "Invalid", 'BatchJob "b" is invalid: metadata.uid: field is immutable')
    server.answer((422, {**status, "details": {"causes": [{"field": "metadata.uid"}]}}))

    with pytest.raises(errors.Conflict):
        await api.patch(BATCHJOBS, "b", {"metadata": {"uid": "old"}, "status": {}}, "ns", subresource="status")


@pytest.mark.parametrize(("found", "expected"), [("new", errors.Conflict), ("old", errors.Invalid)])
async def test_a_refused_status_is_of_another_object_or_invalid(
    server: Server, api: KubeApi, found: str, expected: type[errors.ApiError]
) -> None:
    invalid = {**_status(422, "Invalid"), "details": {"causes": [{"field": "status.state"}]}}
    server.answer((422, _status(422, "Invalid") if found == "new" else invalid), (200, {"metadata": {"uid": found}}))

    with pytest.raises(expected):
        await api.replace_status(BATCHJOBS, "b", {"state": "Running"}, "ns", uid="old")

    assert server.requests[0][2]["content-type"] == "application/json-patch+json"
    assert json.loads(server.requests[0][3]) == [
        {"op": "test", "path": "/metadata/uid", "value": "old"},
        {"op": "add", "path": "/status", "value": {"state": "Running"}},
    ]


async def test_reads_deletes_and_merge_patches_are_tried_three_times(
    server: Server, api: KubeApi, recorder: Recorder
) -> None:
    busy = (503, _status(503, "ServiceUnavailable"))
    for request in (
        lambda: api.get(JOBS, "j", "ns"),
        lambda: api.delete(JOBS, "j", "ns"),
        lambda: api.patch(JOBS, "j", {}, "ns"),
        lambda: api.list(JOBS),
    ):
        server.handlers.clear()
        server.requests.clear()
        recorder.sleeps.clear()
        server.answer(busy, (500, "boom"), (200, {"items": [], "metadata": {"resourceVersion": "1"}}))
        await request()
        assert len(server.requests) == 3
        assert recorder.sleeps == [0.2, 0.4]


async def test_the_third_failure_is_final(server: Server, api: KubeApi, recorder: Recorder) -> None:
    server.answer((503, _status(503, "ServiceUnavailable")))

    with pytest.raises(errors.Unavailable, match="the server's words"):
        await api.get(JOBS, "j", "ns")

    assert recorder.requests == [("get", "jobs.batch", 503)] * 3


async def test_retry_after_is_honoured_even_for_a_create(server: Server, api: KubeApi, recorder: Recorder) -> None:
    server.answer((429, _status(429, "TooManyRequests"), {"Retry-After": "7"}), (201, JOB))

    assert await api.create(JOBS, JOB, "ns") == JOB
    assert recorder.sleeps == [7.0]


async def test_a_long_retry_after_is_the_callers_business(server: Server, api: KubeApi, recorder: Recorder) -> None:
    server.answer((429, _status(429, "TooManyRequests"), {"Retry-After": "120"}))

    with pytest.raises(errors.TooManyRequests) as caught:
        await api.get(JOBS, "j", "ns")

    assert caught.value.retry_after == 120
    assert not recorder.sleeps


@pytest.mark.parametrize("failure", [fixed(500, "boom", {}), _drop])
async def test_a_create_of_unknown_outcome_is_not_repeated(server: Server, api: KubeApi, failure: Handler) -> None:
    server.handlers = [failure]

    with pytest.raises(errors.Unavailable):
        await api.create(JOBS, JOB, "ns")

    assert len(server.requests) == 1


async def test_a_read_survives_a_dropped_connection(server: Server, api: KubeApi) -> None:
    server.handlers = [_drop, _drop]
    server.answer((200, JOB))

    assert await api.get(JOBS, "j", "ns") == JOB


async def test_an_answer_that_breaks_off_is_unavailable(server: Server, api: KubeApi) -> None:
    server.answer((200, '{"kind": "Jo'))

    with pytest.raises(errors.Unavailable, match="broke during get jobs"):
        await api.get(JOBS, "j", "ns")


async def test_an_unreachable_server_was_sent_nothing(recorder: Recorder) -> None:
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    client = _client(f"http://127.0.0.1:{port}", recorder)

    with pytest.raises(errors.Unreachable, match="cannot connect to the API server"):
        await client.create(JOBS, JOB, "ns")

    assert recorder.requests == [("create", "jobs.batch", 0)] * 3
    await client.close()


async def test_a_silent_server_times_out(server: Server, api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "REQUEST_SECONDS", 0.02)
    done = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await done.wait()
        return web.Response()

    server.handlers = [hang]
    with pytest.raises(errors.Unavailable, match="fell silent during create jobs"):
        await api.create(JOBS, JOB, "ns")
    done.set()


async def test_a_list_is_read_page_by_page(server: Server, api: KubeApi) -> None:
    server.answer(
        (200, {"items": [{"n": 1}, {"n": 2}], "metadata": {"resourceVersion": "9", "continue": "t/1="}}),
        (200, {"items": None, "metadata": {"resourceVersion": "9"}}),
    )

    items, version = await api.list(JOBS, Selection(labels="a=b,c"), limit=2)

    assert (items, version) == ([{"n": 1}, {"n": 2}], "9")
    assert [path for _, path, _, _ in server.requests] == [
        "/apis/batch/v1/jobs?labelSelector=a%3Db%2Cc&limit=2",
        "/apis/batch/v1/jobs?labelSelector=a%3Db%2Cc&limit=2&continue=t%2F1%3D",
    ]


async def test_metadata_only(server: Server, api: KubeApi) -> None:
    server.answer((200, {"items": [{"metadata": {"name": "a"}}], "metadata": {"resourceVersion": "9"}}))

    assert await api.list_metadata(JOBS) == [{"metadata": {"name": "a"}}]
    assert "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1" in server.requests[0][2]["accept"]


def _line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


async def test_a_watch_of_long_and_short_lines(server: Server, api: KubeApi, recorder: Recorder) -> None:
    big = {"data": "x" * 3_000_000}
    server.handlers = [streamed(_line("ADDED", big) + _line("MODIFIED", {"a": 1}), _line("BOOKMARK", {}))]

    events = [event async for event in api.watch(JOBS, "7", Selection(labels="a=b"), timeout=240)]

    assert events == [("ADDED", big), ("MODIFIED", {"a": 1}), ("BOOKMARK", {})]
    assert server.requests[0][1] == (
        "/apis/batch/v1/jobs?watch=1&allowWatchBookmarks=true&resourceVersion=7&labelSelector=a%3Db&timeoutSeconds=240"
    )
    assert recorder.requests == [("watch", "jobs.batch", 200)]


async def test_an_expired_watch_is_gone(server: Server, api: KubeApi) -> None:
    server.handlers = [streamed(_line("ERROR", _status(410, "Expired", "too old resource version")))]

    with pytest.raises(errors.Gone, match="too old resource version"):
        await anext(api.watch(JOBS, "7"))


async def test_a_refused_watch_is_not_retried_here(server: Server, api: KubeApi) -> None:
    server.answer((503, _status(503, "ServiceUnavailable")))

    with pytest.raises(errors.Unavailable):
        await anext(api.watch(JOBS, "7"))

    assert len(server.requests) == 1


async def test_a_silent_watch_is_given_up(server: Server, api: KubeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.02)
    server.handlers = [streamed(_line("ADDED", JOB), hang=True)]

    watch = api.watch(JOBS, "7")
    assert await anext(watch) == ("ADDED", JOB)
    with pytest.raises(errors.Unavailable, match="fell silent"):
        await anext(watch)


async def test_a_cut_watch_is_unavailable(server: Server, api: KubeApi) -> None:
    server.handlers = [streamed(_line("ADDED", JOB), abort=True)]

    watch = api.watch(JOBS, "7")
    assert await anext(watch) == ("ADDED", JOB)
    with pytest.raises(errors.Unavailable, match="broke during watch"):
        await anext(watch)


async def test_leaving_a_watch_frees_its_connection(server: Server, recorder: Recorder) -> None:
    configuration = Configuration()
    configuration.host = server.url
    client = KubeClient(Transport(configuration, connections=1, on_request=recorder.on_request))
    server.handlers = [streamed(_line("ADDED", JOB), hang=True), fixed(200, JOB, {})]

    async with aclosing(client.watch(JOBS, "7")) as events:
        async for _ in events:
            break

    async with asyncio.timeout(1):
        assert await client.get(JOBS, "j", "ns") == JOB
    await client.close()


async def test_a_rotated_token_is_used(server: Server, recorder: Recorder) -> None:
    tokens = iter(["Bearer one", "Bearer two"])

    def read_token_file(configuration: Configuration) -> None:
        configuration.api_key["BearerToken"] = next(tokens)

    configuration = Configuration()
    configuration.api_key["BearerToken"] = "Bearer zero"
    setattr(configuration, "refresh_api_key_hook", read_token_file)  # noqa: B010 - annotated as always None
    client = _client(server.url, recorder, configuration)
    server.answer((200, JOB))

    await client.get(JOBS, "j", "ns")
    await client.get(JOBS, "j", "ns")

    assert [headers["authorization"] for _, _, headers, _ in server.requests] == ["Bearer one", "Bearer two"]
    await client.close()
