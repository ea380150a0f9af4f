"""What is followed of the cluster beside Batchyard's own kinds, and where it is entered."""

from collections.abc import Callable
from typing import Any

from batchyard.api import names
from batchyard.core.planner.containment import Stage
from batchyard.kube.informer import Informer, OnDelete, OnUpsert
from batchyard.kube.protocol import KubeApi, Selection
from batchyard.kube.resources import CONTROLLER_REVISIONS, JOBS, NAMESPACES, NODES, PODS, Resource
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.pods import indexpods


def informers(api: KubeApi, cache: Cache, metrics: Metrics, monotonic: Callable[[], float]) -> list[Informer]:
    """Return those that each look at objects by themselves."""
    catalogue = cache.catalogue

    def informer(resource: Resource, put: Callable[[Any], None], remove: OnDelete, label: str = "") -> Informer:
        return Informer(api, resource, _counted(put, metrics), remove, Selection(labels=label), clock=monotonic)

    return [
        informer(NODES, catalogue.put_node, lambda _, name, __: catalogue.remove_node(name)),
        informer(NAMESPACES, catalogue.put_namespace, lambda _, name, __: catalogue.remove_namespace(name)),
        informer(
            CONTROLLER_REVISIONS,
            catalogue.put_revision,
            lambda namespace, name, uid: catalogue.remove_revision((namespace, name), uid),
            names.DEFINITION,
        ),
        informer(
            JOBS,
            cache.put_run,
            lambda namespace, name, uid: cache.remove_run((namespace, name), uid),
            names.JOB_UID,
        ),
        informer(
            PODS,
            cache.put_pod,
            lambda namespace, name, _: cache.remove_pod((namespace, name)),
            f"{names.JOB_UID},!{names.ARRAY}",
        ),
    ]


def informer_of_index_pods(api: KubeApi, cache: Cache, metrics: Metrics, monotonic: Callable[[], float]) -> Informer:
    """Return the one of the pods of Indexed Jobs. Which of them were asked to stop is taken of Jobs that are known."""
    return Informer(
        api,
        PODS,
        _counted(lambda pod: indexpods.put(cache, pod), metrics),
        lambda namespace, name, _: indexpods.remove(cache, (namespace, name)),
        Selection(labels=f"{names.JOB_UID},{names.ARRAY}", fields=indexpods.BOUND),
        clock=monotonic,
    )


def _counted(put: Callable[[Any], None], metrics: Metrics) -> OnUpsert:
    """Have what cannot be taken in counted."""

    def take_in(obj: Any, _: bool) -> None:
        try:
            put(obj)
        except Exception:  # the informer logs it
            metrics.contained_errors.labels(Stage.READING.value).inc()
            raise

    return take_in
