"""The Kubernetes Jobs of an array: one that goes through all indexes, and one for each further run of an index.

The pods of both kinds are alike: the index is in their annotations under Kubernetes' own name, and from there in the
environment, so that commands can refer to it.
"""

from dataclasses import replace
from typing import Any

from batchyard.api import names
from batchyard.core.definition.ondemand import is_due, without_spot
from batchyard.core.model.array import MAIN_RUN, ArrayShape, IndexRun
from batchyard.core.model.definition import Resolved
from batchyard.core.model.environment import Environment
from batchyard.core.model.job import BatchJob
from batchyard.core.model.objectnames import index_run_name
from batchyard.objects.kubernetes.job import add_label, build_job

_FROM_ANNOTATION = {"fieldRef": {"fieldPath": f"metadata.annotations['{names.COMPLETION_INDEX}']"}}


def build_indexed_job(
    job: BatchJob, resolved: Resolved, shape: ArrayShape, environment: Environment, parallelism: int
) -> dict[str, Any]:
    """The Indexed Job that runs each index once, at most `parallelism` at the same time.

    Raises TemplateError where no node of the environment can be right.
    """
    body = build_job(job, resolved, environment, MAIN_RUN, 1, _variables(job, shape))
    spec = body["spec"]
    spec.update(parallelism=parallelism, completions=shape.size, completionMode="Indexed", backoffLimitPerIndex=0)
    del spec["backoffLimit"], spec["podFailurePolicy"]  # the index fails with its pod, whatever ended that
    add_label(body, names.ARRAY, "true")
    return body


def build_index_job(
    job: BatchJob, resolved: Resolved, shape: ArrayShape, environment: Environment, run: IndexRun
) -> dict[str, Any]:
    """The Job of another run of one index. Raises TemplateError where no node of the environment can be right."""
    on_demand = _goes_on_demand(resolved, environment, run)
    if on_demand:
        resolved = replace(resolved, template=without_spot(resolved.template))
    variables = {**_variables(job, shape), "JOB_COMPLETION_INDEX": _FROM_ANNOTATION}  # Kubernetes' own, elsewhere
    body = build_job(job, resolved, environment, run.run, run.attempt, variables)
    body["metadata"]["name"] = index_run_name(job.key[1], run.run, run.index)
    index = str(run.index)
    add_label(body, names.INDEX, index)
    if on_demand:
        body["metadata"]["annotations"][names.ON_DEMAND] = "true"
    template = body["spec"]["template"]["metadata"]
    template["annotations"] = {**(template.get("annotations") or {}), names.COMPLETION_INDEX: index}
    return body


def _goes_on_demand(resolved: Resolved, environment: Environment, run: IndexRun) -> bool:
    """Whether an index has lost its nodes too often for spot, and its environment may have others as well."""
    managed = environment.managed
    return managed is not None and managed.mixes_spot and is_due(resolved.retry, run.run - run.attempt)


def _variables(job: BatchJob, shape: ArrayShape) -> dict[str, Any]:
    """As AWS Batch sets them for the children of an array."""
    return {
        "AWS_BATCH_JOB_ARRAY_INDEX": _FROM_ANNOTATION,
        "AWS_BATCH_JOB_ARRAY_SIZE": str(shape.size),
        "AWS_BATCH_JOB_ID": f"{job.uid}:$(AWS_BATCH_JOB_ARRAY_INDEX)",
    }
