"""Probes and metrics, over real HTTP on loopback, and what the running operator answers to them."""

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from batchyard.kube.resources import JOBS
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.process.metricsaccess import MetricsAccess, Refusal
from batchyard.runtime.process.web import WebServer
from fakes.cluster import Cluster, in_cluster
from fakes.process import Process


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [("/healthz", 503, "the informer is dead\n"), ("/readyz", 200, "ok\n"), ("/elsewhere", 404, None)],
)
async def test_probes_say_what_is_wrong(path: str, status: int, text: str | None) -> None:
    web = WebServer(Metrics().registry, lambda: "the informer is dead", lambda: "")
    port = await web.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
            assert response.status == status
            assert text is None or await response.text() == text
    finally:
        await web.stop()


async def test_metrics_are_served_in_the_format_of_prometheus() -> None:
    metrics = Metrics()
    metrics.count_request("create", "jobs.batch", 201, 0.01)
    web = WebServer(metrics.registry, str, str)
    port = await web.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
            assert response.headers["Content-Type"].startswith("text/plain")
            names = {family.name for family in text_string_to_metric_families(await response.text())}
    finally:
        await web.stop()
    assert {"batchyard_api_requests", "batchyard_pass_seconds", "process_cpu_seconds"} <= names


class _Nobody(MetricsAccess):
    """Lets in who says so."""

    def __init__(self) -> None:
        pass

    async def refusal(self, authorization: str) -> Refusal | None:
        return None if authorization == "Bearer me" else Refusal(401, "say who asks")


async def test_metrics_are_for_those_who_have_access_and_probes_for_all() -> None:
    web = WebServer(Metrics().registry, str, str, access=_Nobody())
    port = await web.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/metrics") as response:
                assert (response.status, await response.text()) == (401, "say who asks\n")
                assert response.headers["WWW-Authenticate"] == "Bearer"
            async with session.get("/metrics", headers={"Authorization": "Bearer me"}) as response:
                assert response.status == 200
            for path in ("/healthz", "/readyz"):
                async with session.get(path) as response:
                    assert response.status == 200
    finally:
        await web.stop()


@in_cluster()
async def test_gauges_show_the_moment(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="2")
    for number in range(3):
        cluster.submit(f"job-{number}")
    await cluster.pass_time(5)
    seen = process.readings()
    assert seen["batchyard_leader", ""] == 1
    assert seen["batchyard_jobs", "urgent,Starting"] == 2
    assert seen["batchyard_jobs", "urgent,Runnable"] == 1
    assert seen["batchyard_backlog_jobs", ""] == 1
    assert seen["batchyard_work_items", ""] == 0
    assert seen["batchyard_environment_used", "on-prem,cpu"] == 2000
    assert seen["batchyard_environment_capacity", "on-prem,cpu"] == 2000
    assert seen["batchyard_job_wait_seconds_count", ""] == 2
    cluster.jobs.finish("job-0-1")
    cluster.jobs.finish("job-1-1", 1)
    await cluster.pass_time(5)
    seen = process.readings()
    assert seen["batchyard_jobs_finished_total", "urgent,Succeeded"] == 1
    assert seen["batchyard_jobs_finished_total", "urgent,Failed"] == 1


@in_cluster()
async def test_a_process_is_ready_once_it_has_seen_everything(cluster: Cluster) -> None:
    process = Process(cluster.store, "slow", resync_seconds=300, skew=0)
    process.api.lose_next("list", JOBS, after_effect=False)
    assert process.operator.ready() != ""
    await process.start()
    await cluster.pass_time(0.3)
    assert process.operator.ready() == "the first LIST is not through yet"
    await cluster.pass_time(10)
    assert process.operator.ready() == ""
    assert process.operator.healthy() == ""
    await process.stop()


@in_cluster()
async def test_a_feed_that_hears_nothing_for_long_is_not_healthy(cluster: Cluster) -> None:
    process = await cluster.start_operator()
    await cluster.pass_time(400)
    assert "has not heard from the API server for" in process.operator.healthy()
