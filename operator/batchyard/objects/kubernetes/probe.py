"""The Jobs by which a definition's pod templates are proved: sent to the API server as a dry run, never created.

One of them is what a run would create, save for the parameters, which only jobs have: placeholders stay as they are. A
multi-node definition has one for each part of its nodes. They bear the definition's own name, so that the API server's
words are the same each time. Should a Job of that name exist, the answer AlreadyExists comes after validation: all is
well.
"""

from collections.abc import Mapping
from typing import Any

from batchyard.core.definition.podtemplate import pod_templates
from batchyard.core.model.definition import Definition
from batchyard.objects.kubernetes.job import job_spec


def build_probes(definition: Definition, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The Jobs to create with `dryRun=All`; raises TemplateError where the content has no pod template."""
    namespace, name = definition.key
    return [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": namespace},
            "spec": job_spec(template),
        }
        for template in pod_templates(content)
    ]
