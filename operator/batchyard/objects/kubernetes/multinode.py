"""What a multi-node job consists of: a Kubernetes Job for each node, and a Service that gives their pods DNS names.

Every node has a Job of its own, because its pod must be told its own index.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchyard.api import names
from batchyard.api.models.jobdefinition import ZonePolicy
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob
from batchyard.core.model.objectnames import node_run_name, service_name
from batchyard.core.model.pods.gang import Gang
from batchyard.core.model.run import Run
from batchyard.objects.kubernetes.job import add_label, build_job, rendered_request
from batchyard.objects.kubernetes.zones import together
from batchyard.objects.ownership import owner_reference


def build_service(job: BatchJob) -> dict[str, Any]:
    """The headless Service by which node 3 is `node-3.<service>`, from the moment that its pod has an address."""
    namespace, name = job.key
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": service_name(name),
            "namespace": namespace,
            "labels": {names.JOB: name, names.JOB_UID: job.uid, names.MANAGED_BY: names.MANAGED_BY_VALUE},
            "ownerReferences": [owner_reference(names.BATCH_JOB, name, job.uid)],
        },
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {names.JOB_UID: job.uid},
        },
    }


def build_main(
    job: BatchJob,
    resolved: Resolved,
    gang: Gang,
    environment: Environment,
    run: int,
    attempt: int,
    zone: str | None = None,
) -> dict[str, Any]:
    """The Job of the main node. It bears the run's name: its end is the run's."""
    variables = _variables(job, gang, gang.main)
    body = build_job(job, resolved, environment, run, attempt, variables)
    _keep_together(body, resolved, zone)
    return _placed(body, job.key[1], gang.main, {names.GANG_REQUEST: rendered_request(resolved.request)})


def build_node(
    job: BatchJob, resolved: Resolved, gang: Gang, environment: Environment, main: Run, node: int, address: str
) -> dict[str, Any]:
    """The Job of another node; `address` is the main pod's. The timeout of the whole is the main node's."""
    variables = {
        **_variables(job, gang, node),
        "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": address,
    }
    own = replace(resolved, template=gang.group(node).template, timeout_seconds=None)
    body = build_job(job, own, environment, main.number, main.attempt, variables)
    _keep_together(body, resolved, main.zone)
    body["metadata"]["name"] = node_run_name(job.key[1], main.number, node)
    annotations = {names.GANG_REQUEST: rendered_request(main.request), names.MAIN_UID: main.uid}
    return _placed(body, job.key[1], node, annotations)


def _variables(job: BatchJob, gang: Gang, node: int) -> dict[str, str]:
    namespace, name = job.key
    domain = f"{service_name(name)}.{namespace}.svc"
    return {
        "AWS_BATCH_JOB_ID": f"{job.uid}#{node}",
        "AWS_BATCH_JOB_MAIN_NODE_INDEX": str(gang.main),
        "AWS_BATCH_JOB_NODE_INDEX": str(node),
        "AWS_BATCH_JOB_NUM_NODES": str(gang.size),
        "BATCHYARD_JOB_NODE_DOMAIN": domain,
        "BATCHYARD_JOB_MAIN_NODE_HOST": f"{_host(gang.main)}.{domain}",
    }


def _keep_together(body: dict[str, Any], resolved: Resolved, zone: str | None) -> None:
    """Have the pod in one zone with the others, where they are to be; None for that in which the first comes to be."""
    if resolved.zone_policy is ZonePolicy.SINGLE:
        body["spec"]["template"] = together(body["spec"]["template"], zone)


def _host(node: int) -> str:
    return f"node-{node}"


def _placed(body: dict[str, Any], job: str, node: int, annotations: Mapping[str, str]) -> dict[str, Any]:
    """The Job of a node, with what tells it apart from the others. Host names of the template give way to ours."""
    add_label(body, names.NODE, str(node))
    body["metadata"]["annotations"] = {**body["metadata"]["annotations"], **annotations}
    body["spec"]["template"]["spec"].update(hostname=_host(node), subdomain=service_name(job))
    return body
