"""What is followed of the cluster beside Batchyard's own kinds, and where it is entered."""

from collections.abc import Callable
from typing import Any

from batchyard.api import names
from batchyard.core.planner.containment import Stage
from batchyard.kube.informer import Informer, OnDelete
from batchyard.kube.protocol import KubeApi, Selection
from batchyard.kube.resources import (
    CONTROLLER_REVISIONS,
    EVENTS,
    JOBS,
    LIMIT_RANGES,
    NAMESPACES,
    NODE_CLAIMS,
    NODE_POOLS,
    NODES,
    PODS,
    RUNTIME_CLASSES,
    Resource,
)
from batchyard.objects.kubernetes.karpenter.mishap import NO_INSTANCE_TYPES, UNSCHEDULED
from batchyard.runtime.metrics import Metrics
from batchyard.runtime.state.cache import Cache
from batchyard.runtime.state.pods import indexpods
from batchyard.runtime.state.pods.podenvironments import environment_of

TAKES_ROOM = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
"""The field selector of pods that take room on a node."""
CLAIM_EVENTS = "involvedObject.kind=NodeClaim,type=Warning"
"""The field selectors of Events that tell why no node comes."""
POOL_EVENTS = f"involvedObject.kind=NodePool,reason={NO_INSTANCE_TYPES}"
POD_EVENTS = f"involvedObject.kind=Pod,reason={UNSCHEDULED},source!=default-scheduler"
"""Karpenter has not the same name everywhere. What other schedulers say is told apart by its words."""


def informers(api: KubeApi, cache: Cache, metrics: Metrics, monotonic: Callable[[], float]) -> list[Informer]:
    """Return those that each look at objects by themselves."""
    catalogue = cache.catalogue
    pod_rules = catalogue.pod_rules

    def informer(resource: Resource, put: Callable[[Any], None], remove: OnDelete, label: str = "") -> Informer:
        return _informer(api, resource, put, remove, Selection(labels=label), metrics, monotonic)

    return [
        informer(NODES, catalogue.put_node, lambda _, name, __: catalogue.remove_node(name)),
        informer(NAMESPACES, catalogue.put_namespace, lambda _, name, __: catalogue.remove_namespace(name)),
        informer(
            LIMIT_RANGES,
            pod_rules.put_limit_range,
            lambda namespace, name, _: pod_rules.remove_limit_range((namespace, name)),
        ),
        informer(
            RUNTIME_CLASSES,
            pod_rules.put_runtime_class,
            lambda _, name, __: pod_rules.remove_runtime_class(name),
        ),
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
            lambda namespace, name, uid: cache.remove_pod((namespace, name), uid),
            f"{names.JOB_UID},!{names.ARRAY}",
        ),
    ]


def informers_of_provisioner(
    api: KubeApi, cache: Cache, metrics: Metrics, monotonic: Callable[[], float]
) -> list[Informer]:
    """Return those of what Karpenter has, which may not be installed. All NodePools matter: a name may be taken."""
    provisioned = cache.catalogue.provisioned

    def informer(resource: Resource, put: Callable[[Any], None], remove: OnDelete, label: str = "") -> Informer:
        return _informer(api, resource, put, remove, Selection(labels=label), metrics, monotonic, optional=True)

    found = [
        informer(NODE_POOLS, provisioned.put_pool, lambda _, name, uid: provisioned.remove_pool(name, uid)),
        informer(
            NODE_CLAIMS,
            provisioned.put_claim,
            lambda _, name, __: provisioned.remove_claim(name),
            names.NODE_ENVIRONMENT,
        ),
    ]
    provisioned.sources = found
    return found


def informers_of_failures(
    api: KubeApi, cache: Cache, metrics: Metrics, monotonic: Callable[[], float]
) -> list[Informer]:
    """Return those of Events that tell why no node comes: taken of claims, environments and runs that are known.

    An Event that is gone, as each is after an hour, has been one all the same.
    """
    provisioned = cache.catalogue.provisioned

    def informer(resource: Resource, put: Callable[[Any], None], fields: str) -> Informer:
        selection = Selection(fields=fields)
        return _informer(api, resource, put, lambda *_: None, selection, metrics, monotonic, optional=True)

    def put_pod_event(event: Any) -> None:
        about = event["involvedObject"]
        pod = about.get("namespace") or "", about.get("name") or ""
        provisioned.put_pod_event(event, environment_of(cache.runs, pod))

    return [
        informer(EVENTS, provisioned.put_claim_event, CLAIM_EVENTS),
        informer(EVENTS, provisioned.put_pool_event, POOL_EVENTS),
        informer(EVENTS, put_pod_event, POD_EVENTS),
    ]


def informer_of_other_pods(api: KubeApi, cache: Cache, metrics: Metrics, monotonic: Callable[[], float]) -> Informer:
    """Return the one of pods that take room on nodes and do not say that they are Batchyard's."""
    other_pods = cache.catalogue.other_pods
    selection = Selection(labels=f"!{names.JOB_UID}", fields=TAKES_ROOM)
    return _informer(
        api, PODS, other_pods.put, lambda _, __, uid: other_pods.remove(uid), selection, metrics, monotonic
    )


def _informer(
    api: KubeApi,
    resource: Resource,
    put: Callable[[Any], None],
    remove: OnDelete,
    selection: Selection,
    metrics: Metrics,
    monotonic: Callable[[], float],
    *,
    optional: bool = False,
) -> Informer:
    def take_in(obj: Any, _: bool) -> None:
        try:
            put(obj)
        except Exception:  # the informer logs it
            metrics.contained_errors.labels(Stage.READING.value).inc()
            raise

    return Informer(api, resource, take_in, remove, selection, optional=optional, clock=monotonic)


def informer_of_index_pods(api: KubeApi, cache: Cache, metrics: Metrics, monotonic: Callable[[], float]) -> Informer:
    """Return the one of the pods of Indexed Jobs. Which of them were asked to stop is taken of Jobs that are known."""
    return _informer(
        api,
        PODS,
        lambda pod: indexpods.put(cache, pod),
        lambda namespace, name, uid: indexpods.remove(cache, (namespace, name), uid),
        Selection(labels=f"{names.JOB_UID},{names.ARRAY}", fields=TAKES_ROOM),
        metrics,
        monotonic,
    )
