"""Every metric of the operator. The loop and the client count into them, `web` shows them under /metrics."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from batchyard.core.insight.madenodes import MadeNodes

_WAITS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


class Metrics:
    """The operator's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.pass_seconds = Histogram(
            "batchyard_pass_seconds", "Duration of one scheduling pass.", registry=self.registry
        )
        self.wait_seconds = Histogram(
            "batchyard_job_wait_seconds",
            "Time from a job's submission to each of its placements.",
            buckets=_WAITS,
            registry=self.registry,
        )
        self.finished = Counter(
            "batchyard_jobs_finished",
            "Jobs that ended, by queue (empty if it does not exist) and final state.",
            ["queue", "state"],
            registry=self.registry,
        )
        self.contained_errors = Counter(
            "batchyard_contained_errors",
            "Errors that were kept to the object, or to the stage of a pass, that they were raised in.",
            ["stage"],
            registry=self.registry,
        )
        self._requests = Counter(
            "batchyard_api_requests",
            "Requests to the API server, by verb, resource and HTTP status (0: no answer).",
            ["verb", "resource", "code"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "batchyard_api_request_seconds",
            "Duration of requests to the API server, watches excepted.",
            ["verb"],
            registry=self.registry,
        )

    def count_request(self, verb: str, resource: str, code: int, seconds: float) -> None:
        """Count one request to the API server; called by the client."""
        self._requests.labels(verb, resource, str(code)).inc()
        if verb != "watch":
            self._request_seconds.labels(verb).observe(seconds)

    def show(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Have gauges read from the running operator whenever the metrics are scraped."""
        self.registry.register(_Live(collect))


class _Live(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


def gauges(
    *,
    jobs: Mapping[str, Mapping[str, int]],
    backlog: int,
    work: int,
    leader: bool,
    index_restarts: int,
    used: Mapping[str, Mapping[str, int]],
    capacity: Mapping[str, Mapping[str, int]],
) -> Iterable[Metric]:
    """Readings of the moment; `jobs` by queue and state, `used` and `capacity` by environment and resource."""
    family = GaugeMetricFamily(
        "batchyard_jobs", "Jobs by queue (empty if it does not exist) and state.", labels=["queue", "state"]
    )
    for queue, states in jobs.items():
        for state, count in states.items():
            family.add_metric([queue, state], count)
    yield family
    yield GaugeMetricFamily("batchyard_backlog_jobs", "Jobs that wait for capacity.", value=backlog)
    yield GaugeMetricFamily("batchyard_work_items", "Writes to the API server that are due.", value=work)
    yield GaugeMetricFamily("batchyard_leader", "1 while this process holds the lease.", value=int(leader))
    restarts = "Indexes of arrays that had to begin anew: they were interrupted, or lost their slot to others."
    yield CounterMetricFamily("batchyard_index_restarts", restarts, value=index_restarts)
    for name, amounts, text in (
        ("batchyard_environment_used", used, "Requests of running jobs (milli-vCPU, bytes, counts)."),
        ("batchyard_environment_capacity", capacity, "Capacity for jobs (milli-vCPU, bytes, counts)."),
    ):
        resources = GaugeMetricFamily(name, text, labels=["environment", "resource"])
        for environment, amount in amounts.items():
            for resource, value in amount.items():
                resources.add_metric([environment, resource], value)
        yield resources


def node_metrics(made: Mapping[str, MadeNodes], now: float) -> Iterable[Metric]:
    """The same of nodes that are made, by environment."""
    nodes = GaugeMetricFamily(
        "batchyard_environment_nodes",
        "Nodes that were asked for and are not gone, where nodes are made (labels are empty while not known).",
        labels=["environment", "zone", "instance_type", "capacity_type"],
    )
    coming = GaugeMetricFamily(
        "batchyard_environment_nodes_coming", "Those of them that cannot take pods yet.", labels=["environment"]
    )
    scale_ups = CounterMetricFamily(
        "batchyard_environment_scale_ups",
        "Nodes that were asked for since the environment exists.",
        labels=["environment"],
    )
    interruptions = CounterMetricFamily(
        "batchyard_environment_interruptions",
        "Nodes that were taken away while jobs ran there, since the environment exists.",
        labels=["environment"],
    )
    rates = GaugeMetricFamily(
        "batchyard_environment_interruptions_per_hour",
        "How many of these there are an hour: each counts exp(-age / 1 h).",
        labels=["environment"],
    )
    for environment, each in made.items():
        for kind, count in each.kinds:
            nodes.add_metric([environment, *kind], count)
        coming.add_metric([environment], each.coming)
        scale_ups.add_metric([environment], each.history.scale_ups)
        interruptions.add_metric([environment], each.history.interruptions.nodes)
        rates.add_metric([environment], each.history.interruptions.rate(now))
    return nodes, coming, scale_ups, interruptions, rates
