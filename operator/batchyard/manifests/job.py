"""The Kubernetes Job of one run of a BatchJob, called by the executor when the planner has granted a place.

One pod, run once: retries are Batchyard's, each a Job of its own. The timeout is the pod's
`activeDeadlineSeconds`, not the Job's: it counts from the moment a node has taken the pod (image pull
included), so that waiting for a node costs no time, which is as close to AWS Batch's clock (from RUNNING) as
Kubernetes comes.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from batchyard.api import names
from batchyard.core.commands import each_container, filled_in
from batchyard.core.environmentrecords import Environment, Toleration
from batchyard.core.objectnames import run_name
from batchyard.core.podfailure import RULES
from batchyard.core.reasons import Reason
from batchyard.core.records import BatchJob, Resolved
from batchyard.core.reservation import time_limit
from batchyard.core.resources import Resources
from batchyard.core.template import TemplateError
from batchyard.manifests.ownership import owner_reference
from batchyard.manifests.terms import render_terms


def build_job(
    job: BatchJob,
    resolved: Resolved,
    environment: Environment,
    run: int,
    attempt: int,
    variables: Mapping[str, str | Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """The batch/v1 Job to create; raises TemplateError where no node of the environment can be right.

    `variables` are set before those that every job gets, which may refer to them, or instead of them: texts, or
    sources of values.
    """
    namespace, name = job.key
    labels = _labels(job, resolved, environment, run)
    ordinary, more = _environment_variables(job, environment, attempt), variables or {}
    injected = {**{name: more[name] for name in more if name not in ordinary}, **ordinary, **more}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": run_name(name, run),
            "namespace": namespace,
            "labels": labels,
            "annotations": _annotations(job, resolved, attempt),
            "ownerReferences": [owner_reference(names.BATCH_JOB, name, job.uid)],
        },
        "spec": job_spec(_pod_template(job, resolved, environment, injected, labels)),
    }


def job_spec(template: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a Job that runs the pod once and leaves every decision about its end to Batchyard."""
    return {
        "parallelism": 1,
        "completions": 1,
        "completionMode": "NonIndexed",
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": list(RULES)},
        "template": template,
    }


def _annotations(job: BatchJob, resolved: Resolved, attempt: int) -> dict[str, str]:
    request = {names.REQUEST: rendered_request(resolved.request)} if resolved.gang is None else {}
    share = {names.SHARE: job.share} if job.share else {}
    consumables = {names.CONSUMABLES: json.dumps(dict(sorted(resolved.consumables.items())))}
    needs = consumables if resolved.consumables else {}
    return {names.ATTEMPT: str(attempt), **request, **share, **needs, **render_terms(resolved)}


def rendered_request(request: Resources) -> str:
    """What a run takes, as an annotation of its Job tells it."""
    return json.dumps(dict(sorted(request.items())))


def read_request(annotations: Mapping[str, str]) -> Resources | None:
    """What each place of a run takes (of a multi-node job all nodes together); None where its Job does not tell."""
    text = annotations.get(names.GANG_REQUEST) or annotations.get(names.REQUEST)
    return json.loads(text) if text else None


def read_consumables(annotations: Mapping[str, str]) -> dict[str, int]:
    """What each place of a run takes of consumable resources, as its Job tells it."""
    text = annotations.get(names.CONSUMABLES)
    return json.loads(text) if text else {}


def _labels(job: BatchJob, resolved: Resolved, environment: Environment, run: int) -> dict[str, str]:
    return {
        names.JOB: job.key[1],
        names.JOB_UID: job.uid,
        names.QUEUE: job.queue,
        names.ENVIRONMENT: environment.name,
        names.RUN: str(run),
        names.DEFINITION: job.definition,
        names.REVISION: str(resolved.revision),
        names.MANAGED_BY: names.MANAGED_BY_VALUE,
    }


def _pod_template(
    job: BatchJob,
    resolved: Resolved,
    environment: Environment,
    injected: Mapping[str, str | Mapping[str, Any]],
    labels: Mapping[str, str],
) -> dict[str, Any]:
    metadata = resolved.template.get("metadata") or {}
    spec = filled_in(resolved.template["spec"], resolved.parameters)
    spec = each_container(spec, lambda container: _with_variables(container, injected))
    if selector := _node_selector(spec.get("nodeSelector") or {}, environment):
        spec["nodeSelector"] = selector
    if tolerations := _tolerations(spec.get("tolerations") or (), environment.tolerations):
        spec["tolerations"] = tolerations
    if limit := time_limit(resolved):
        spec["activeDeadlineSeconds"] = limit
    return {"metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}, "spec": spec}


def _environment_variables(job: BatchJob, environment: Environment, attempt: int) -> dict[str, str]:
    return {
        "AWS_BATCH_JOB_ID": job.uid,
        "AWS_BATCH_JQ_NAME": job.queue,
        "AWS_BATCH_CE_NAME": environment.name,
        "AWS_BATCH_JOB_ATTEMPT": str(attempt),
    }


def _with_variables(container: Mapping[str, Any], injected: Mapping[str, str | Mapping[str, Any]]) -> dict[str, Any]:
    """Ours first, so that the container's own variables can refer to them as `$(AWS_BATCH_JOB_ID)`."""
    own = [entry for entry in container.get("env") or () if not entry["name"].startswith(names.RESERVED_ENV_PREFIX)]
    ours = [
        {"name": name, "value" if isinstance(value, str) else "valueFrom": value} for name, value in injected.items()
    ]
    return {**container, "env": [*ours, *own]}


def _node_selector(own: Mapping[str, str], environment: Environment) -> dict[str, str]:
    for key, value in environment.node_selector.items():
        if own.get(key, value) != value:
            raise TemplateError(
                Reason.NODE_SELECTOR_CONFLICT,
                f"the pod wants nodes with {key}={own[key]}, environment {environment.name} has only those"
                f" with {key}={value}: take {key} out of the JobDefinition's nodeSelector,"
                " or submit to a queue with another environment",
            )
    return {**own, **environment.node_selector}


def _tolerations(own: Sequence[Mapping[str, Any]], added: Sequence[Toleration]) -> list[Mapping[str, Any]]:
    rendered = [_toleration(toleration) for toleration in added]
    return [*own, *(toleration for toleration in rendered if toleration not in own)]


def _toleration(toleration: Toleration) -> dict[str, Any]:
    fields = {
        "key": toleration.key,
        "operator": toleration.operator,
        "value": toleration.value,
        "effect": toleration.effect,
        "tolerationSeconds": toleration.seconds,
    }
    return {name: value for name, value in fields.items() if value is not None and value != ""}
