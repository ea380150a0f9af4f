"""The Kubernetes Job of one run: as it is created, and as it is read again.

One pod, run once: retries are Batchyard's, each a Job of its own. The timeout is the pod's `activeDeadlineSeconds`, not
the Job's: it counts from the moment a node has taken the pod (image pull included), so that waiting for a node costs no
time, which is as close to AWS Batch's clock (from RUNNING) as Kubernetes comes. Only what `state.marks` believes is
read: then labels and annotations are there, and true.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from batchyard.api import names
from batchyard.api.models.jobdefinition import ZonePolicy
from batchyard.api.reasons import Reason
from batchyard.core.definition.commands import each_container, filled_in
from batchyard.core.definition.errors import TemplateError
from batchyard.core.lifecycle.ending.podfailure import RULES
from batchyard.core.model.array import IndexedJob
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment, Toleration
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.job import BatchJob
from batchyard.core.model.objectnames import run_name
from batchyard.core.model.resources import Resources, pod_requests
from batchyard.core.model.run import Run
from batchyard.core.scheduling.reservation import time_limit
from batchyard.objects.kubernetes.terms import read_terms, render_terms
from batchyard.objects.kubernetes.zones import spread
from batchyard.objects.meta import Object, created_at, timestamp
from batchyard.objects.ownership import owner_of, owner_reference


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


def add_label(body: dict[str, Any], label: str, value: str) -> None:
    """Have a Job that is being built, and its pods, bear one more label."""
    for metadata in (body["metadata"], body["spec"]["template"]["metadata"]):
        metadata["labels"] = {**metadata["labels"], label: value}


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
    """What each slot of a run takes (of a multi-node job all nodes together); None where its Job does not tell."""
    text = annotations.get(names.GANG_REQUEST) or annotations.get(names.REQUEST)
    return json.loads(text) if text else None


def read_consumables(annotations: Mapping[str, str]) -> dict[str, int]:
    """What each slot of a run takes of consumable resources, as its Job tells it."""
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
    # Those of the environment stand in place of the pod's own: they decide where it runs.
    chosen_by = environment.serverless.labels if environment.serverless is not None else {}
    metadata = {**metadata, "labels": {**(metadata.get("labels") or {}), **chosen_by, **labels}}
    if environment.managed is not None:
        # Else what makes the nodes would move running jobs, to save a node.
        metadata["annotations"] = {names.DO_NOT_DISRUPT: "true", **(metadata.get("annotations") or {})}
    template = {"metadata": metadata, "spec": spec}
    if resolved.zone_policy is ZonePolicy.SPREAD and environment.serverless is None:
        return spread(template)
    return template


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


def read_run(obj: Object, known: Run | None = None) -> Run | None:
    """Read a Kubernetes Job; None when it is not Batchyard's. What `known` tells cannot change, whatever labels say."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    ended = ended_condition(obj)
    constant = known or _made(obj)
    if constant is None:
        return None
    return constant._replace(
        active=status.get("active", 0),
        ready=status.get("ready", 0) if constant.indexed is not None else 0,  # of one pod, itself tells more
        started_at=timestamp(status.get("startTime")),
        condition=ended.get("type", ""),
        condition_reason=ended.get("reason", ""),
        condition_message=ended.get("message", ""),
        ended_at=timestamp(ended.get("lastTransitionTime")),
        deleting="deletionTimestamp" in metadata,
        indexed=_indexed(obj, known) if constant.indexed is not None else None,
        suspended_at=_suspended_at(obj),
    )


def ended_condition(obj: Object) -> Mapping[str, Any]:
    """The condition of a Kubernetes Job that says that it has ended; empty while it has not."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    ends = (each for each in conditions if each["status"] == "True" and each["type"] in ("Complete", "Failed"))
    return next(ends, {})


def _made(obj: Object) -> Run | None:
    """What a Kubernetes Job says about itself from its creation on."""
    belongs = owner_of(obj)
    if belongs is None:
        return None
    metadata = obj["metadata"]
    labels, annotations = metadata["labels"], metadata["annotations"]
    return Run(
        name=metadata["name"],
        uid=metadata["uid"],
        owner=belongs[0],
        owner_uid=belongs[1],
        number=int(labels[names.RUN]),
        attempt=int(annotations[names.ATTEMPT]),
        queue=labels.get(names.QUEUE, ""),
        environment=labels.get(names.ENVIRONMENT, ""),
        revision=int(labels[names.REVISION]),
        request=read_request(annotations) or pod_requests(obj["spec"]["template"]["spec"]),
        created=created_at(obj),
        node=int(labels[names.NODE]) if names.NODE in labels else None,
        main_uid=annotations.get(names.MAIN_UID, ""),
        share=annotations.get(names.SHARE, ""),
        consumables=read_consumables(annotations),
        indexed=IndexedJob(0, 0) if names.ARRAY in labels else None,
        index=int(labels[names.INDEX]) if names.INDEX in labels else None,
        terms=read_terms(annotations),
        instead=annotations.get(names.INSTEAD, ""),
        on_demand=names.ON_DEMAND in annotations,
        charged_as=annotations.get(names.CHARGED_AS, ""),
        zone=annotations.get(names.ZONE),
    )


def _suspended_at(obj: Object) -> float | None:
    if not obj["spec"].get("suspend"):
        return None
    conditions = (obj.get("status") or {}).get("conditions") or ()
    since = (each.get("lastTransitionTime") for each in conditions if each["type"] == "Suspended")
    return timestamp(next(since, None)) or created_at(obj)


def _indexed(obj: Object, known: Run | None) -> IndexedJob:
    """What an Indexed Job shows; a text of indexes that is the same as before is not read again."""
    spec, status = obj["spec"], obj.get("status") or {}
    before = known.indexed if known and known.indexed else IndexedJob(0, 0)

    def indexes(field: str, last: IndexSet) -> IndexSet:
        text = status.get(field) or ""
        return last if text == str(last) else IndexSet.parse(text)

    return IndexedJob(
        size=spec["completions"],
        parallelism=spec["parallelism"],
        terminating=status.get("terminating") or 0,
        completed=indexes("completedIndexes", before.completed),
        failed=indexes("failedIndexes", before.failed),
    )
