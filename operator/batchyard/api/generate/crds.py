"""Writes the CustomResourceDefinitions: `python -m batchyard.api.generate.crds crds/`.

The files are generated from the models and committed; a test proves that writing them again changes nothing.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from batchyard.api import names
from batchyard.api.generate.schema import structural_schema
from batchyard.api.models.batchjob import BatchJob
from batchyard.api.models.computeenvironment import ComputeEnvironment
from batchyard.api.models.consumableresource import ConsumableResource
from batchyard.api.models.jobdefinition import JobDefinition
from batchyard.api.models.jobqueue import JobQueue

Json = dict[str, Any]

HEADER = "# Generated from operator/batchyard/api by `make generate`; do not edit.\n"


def _column(name: str, path: str, kind: str = "string", description: str = "", priority: int = 0) -> Json:
    column: Json = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": priority} if priority else column


def _condition(kind: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{part}'


_READY = _column("Ready", _condition("Ready", "status"), description="Whether it can be used.")
_REASON = _column("Reason", _condition("Ready", "reason"), description="Why it is ready or not.")
_AGE = _column("Age", ".metadata.creationTimestamp", "date", "Time since creation.")


@dataclass(frozen=True)
class Kind:
    """What a CRD says about a kind beside its schema."""

    model: type[BaseModel]
    short_name: str
    namespaced: bool
    columns: tuple[Json, ...]
    selectable: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The kind, as in `kind:` of a manifest."""
        return self.model.__name__


KINDS = (
    Kind(
        JobDefinition,
        "jd",
        namespaced=True,
        columns=(
            _column("Latest", ".status.latestRevision", "integer", "Newest active revision."),
            _READY,
            _REASON,
            _AGE,
        ),
    ),
    Kind(
        BatchJob,
        "bj",
        namespaced=True,
        columns=(
            _column("State", ".status.state", description="Where the job stands."),
            _column("Queue", ".spec.jobQueue", description="The queue it was submitted to."),
            _column("Reason", ".status.reason", description="Why it is in this state."),
            _column("Indexes", ".status.array.progress", description="Of an array: indexes that have ended, of all."),
            _column("Definition", ".status.jobDefinition", description="Definition and revision.", priority=1),
            _column("Position", ".status.queuePosition", "integer", "Place in the queue.", priority=1),
            _column("Starts", ".status.estimatedStartAt", description="About when it will start.", priority=1),
            _column("Exit code", ".status.attempts[-1:].exitCode", "integer", "Of the last run.", priority=1),
            _AGE,
        ),
        selectable=(".spec.jobQueue", ".spec.jobDefinition", ".status.state"),
    ),
    Kind(
        JobQueue,
        "jq",
        namespaced=False,
        columns=(
            _column("Priority", ".spec.priority", "integer", "Higher goes first."),
            _column("State", ".spec.state", description="Whether it starts new jobs."),
            _column("Runnable", ".status.jobs.runnable", "integer", "Jobs that wait for capacity."),
            _column("Running", ".status.jobs.running", "integer", "Jobs that run."),
            _column("Blocked", ".status.blocked.reason", description="Why nothing of it starts.", priority=1),
            _column("Since", ".status.blocked.since", "date", "How long nothing of it has started.", priority=1),
            _column("Head", ".status.head.name", description="The job that goes next.", priority=1),
            _READY,
            _AGE,
        ),
    ),
    Kind(
        ComputeEnvironment,
        "ce",
        namespaced=False,
        columns=(
            _column("Type", ".spec.type", description="Where the nodes come from."),
            _column("State", ".spec.state", description="Whether it takes new jobs."),
            _column("Nodes", ".status.nodes", "integer", "Nodes that can take pods."),
            _column("vCPU", ".status.capacity.cpu", description="What jobs may use together."),
            _column("Used", ".status.used.cpu", description="vCPU granted to jobs."),
            _READY,
            _AGE,
        ),
    ),
    Kind(
        ConsumableResource,
        "cr",
        namespaced=False,
        columns=(
            _column("Type", ".spec.type", description="Whether jobs give it back."),
            _column("Total", ".spec.total", "integer", "How much there is in all."),
            _column("In use", ".status.inUse", "integer", "What jobs hold."),
            _column("Consumed", ".status.consumption.consumed", "integer", "What was used up.", priority=1),
            _column("Available", ".status.available", "integer", "What further jobs may take."),
            _READY,
            _AGE,
        ),
    ),
)


def definition(kind: Kind) -> Json:
    """The CustomResourceDefinition of one kind."""
    plural = names.PLURALS[kind.name]
    version: Json = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": list(kind.columns),
        "schema": {"openAPIV3Schema": structural_schema(kind.model, kind.name)},
    }
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short_name],
                "categories": [names.CATEGORY],
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


class _Writer(yaml.SafeDumper):
    """Writes repeated parts in full: anchors are no help to readers of a CRD."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def render(kind: Kind) -> str:
    """The file of one kind."""
    return HEADER + yaml.dump(definition(kind), Dumper=_Writer, sort_keys=False, width=110, allow_unicode=True)


def file_name(kind: Kind) -> str:
    """Name of the file of one kind, as customary: group_plural.yaml."""
    return f"{names.GROUP}_{names.PLURALS[kind.name]}.yaml"


def main(folder: Path) -> None:
    """Write all files into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        (folder / file_name(kind)).write_text(render(kind), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
