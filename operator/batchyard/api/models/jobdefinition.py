"""JobDefinition: a versioned template of jobs, every change of which becomes a new, immutable revision."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from batchyard.api import names
from batchyard.api.models.base import Integer, ListMap, ListSet, Model, Name, Rule, StatusModel, Timestamp, pattern
from batchyard.api.models.container import Container
from batchyard.api.models.meta import Condition, ObjectMeta
from batchyard.api.models.podtypes import PodTemplateSpec
from batchyard.api.models.strategy import RetryStrategy, Timeout

# Defaults, also for revisions that earlier versions have stored.
STARTUP_GRACE_SECONDS = 300
REVISION_HISTORY_LIMIT = 10
MAIN_NODE = 0
NEEDED_QUANTITY = 1


def _without_reserved_variables(template: dict[str, Any]) -> dict[str, Any]:
    """Refuse variables that Batchyard sets; all else of a template is left to the API server."""
    spec = template.get("spec")
    for field in ("initContainers", "containers"):
        for container in _objects(spec.get(field) if isinstance(spec, dict) else None):
            for entry in _objects(container.get("env")):
                if (name := str(entry.get("name"))).startswith(names.RESERVED_ENV_PREFIX):
                    raise PydanticCustomError(
                        "rule",
                        "{message}",
                        {
                            "message": f"container {container.get('name')} sets {name}, but names beginning with"
                            f" {names.RESERVED_ENV_PREFIX} are set by Batchyard; choose another name",
                            "field": "",
                        },
                    )
    return template


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


PodTemplate = Annotated[
    PodTemplateSpec,
    AfterValidator(_without_reserved_variables),
    Rule(
        "has(self.spec) && size(self.spec.containers) > 0",
        "a template needs at least one container: give spec.containers, or leave template out",
        lambda template: not isinstance(spec := template.get("spec") or {}, dict) or bool(spec.get("containers")),
    ),
]
MAX_PARAMETER_NAME = 128
Parameters = Annotated[
    dict[str, Annotated[str, Field(max_length=32768)]],
    Field(max_length=256),
    Rule(
        f"self.all(name, size(name) > 0 && size(name) <= {MAX_PARAMETER_NAME})",
        f"the name of a parameter has 1 to {MAX_PARAMETER_NAME} characters",
        lambda parameters: all(0 < len(name) <= MAX_PARAMETER_NAME for name in parameters),
    ),
]

NodeRangeText = Annotated[
    str,
    Field(max_length=16),
    pattern(
        r"[0-9]{1,3}|[0-9]{1,3}:[0-9]{0,3}|:[0-9]{1,3}",
        "must be a node index of at most three digits, or a range, such as 0, 1:3, 1: or :3",
    ),
]


class NodeRange(Model):
    """What the nodes of one range run."""

    target_nodes: NodeRangeText
    """Node indexes, such as `0`, `1:3`, `1:` or `:3`. Where ranges overlap, the narrower one counts."""
    container: Container | None = None
    """The container of these nodes."""
    template: PodTemplate | None = None
    """The pod of these nodes: a whole PodTemplateSpec."""

    rules = (
        Rule(
            "has(self.container) != has(self.template)",
            "exactly one of container and template must be set",
            lambda it: (it.container is None) != (it.template is None),
        ),
    )


class MultiNode(Model):
    """A job that runs on several nodes at once, started all or none."""

    num_nodes: Annotated[Integer, Field(ge=1, le=1000)]
    """Number of nodes."""
    main_node: Annotated[Integer, Field(ge=0, le=999)] = MAIN_NODE
    """Index of the main node, whose end decides the job's."""
    node_ranges: Annotated[tuple[NodeRange, ...], Field(min_length=1, max_length=5)]
    """What the nodes run, by ranges of their indexes."""

    rules = (
        Rule(
            "self.mainNode < self.numNodes",
            "mainNode must be less than numNodes; nodes are counted from 0",
            lambda it: it.main_node < it.num_nodes,
            field="mainNode",
        ),
    )


class ConsumableNeed(Model):
    """An amount of a ConsumableResource, such as licences."""

    name: Name
    """Name of the ConsumableResource."""
    quantity: Annotated[Integer, Field(ge=1)] = NEEDED_QUANTITY
    """Amount that each run takes: a single job, a multi-node job as a whole, each index of an array."""


def _one_form(spec: "JobDefinitionSpec") -> bool:
    return sum(form is not None for form in (spec.container, spec.template, spec.multi_node)) == 1


class ZonePolicy(StrEnum):
    """How pods that belong together are divided between zones."""

    ANY = "Any"
    SPREAD = "Spread"
    SINGLE = "Single"


class JobDefinitionSpec(Model):
    """What the jobs of this definition run, and how."""

    parameters: Parameters = Field({})
    """Default values of the parameters that `Ref::name` in command and args refers to."""
    container: Container | None = None
    """Short form: one container. Exactly one of container, template and multiNode is set."""
    template: PodTemplate | None = None
    """Full form: a whole PodTemplateSpec. Its containers may be overridden by name."""
    multi_node: MultiNode | None = None
    """Several nodes at once."""
    retry_strategy: RetryStrategy = RetryStrategy()
    """How often a job is tried; a BatchJob may replace it as a whole."""
    timeout: Timeout | None = None
    """How long an attempt may run; left out, without limit. A BatchJob may replace it."""
    startup_grace_seconds: Annotated[Integer, Field(ge=0, le=86400)] = STARTUP_GRACE_SECONDS
    """How long an attempt may be unable to start (image that cannot be pulled, missing Secret) before it fails."""
    scheduling_priority: Annotated[Integer, Field(ge=0, le=9999)] | None = None
    """Order inside one share of a fair-share queue, higher first; left out, 0. Other queues pass it over."""
    zone_policy: ZonePolicy | None = None
    """In which zones (`topology.kubernetes.io/zone`) pods run. Spread: single jobs and indexes of arrays evenly over
    those there are, as far as there is room. Single, of a multi-node job: all of its nodes in one. Left out, Any:
    wherever there is room."""
    consumable_resources: Annotated[tuple[ConsumableNeed, ...], Field(max_length=32), ListMap("name")] = ()
    """Licences and the like without which no run starts."""
    inactive_revisions: Annotated[
        tuple[Annotated[Integer, Field(ge=1)], ...],
        Field(max_length=1000),
        ListSet(),
    ] = ()
    """Revisions that new jobs may not use. Changing this list makes no new revision."""
    revision_history_limit: Annotated[Integer, Field(ge=1, le=1000)] = REVISION_HISTORY_LIMIT
    """How many old revisions are kept; one in use is never dropped. Changing this makes no new revision."""

    rules = (
        Rule(
            "[has(self.container), has(self.template), has(self.multiNode)].exists_one(form, form)",
            "exactly one of container, template and multiNode must be set",
            _one_form,
        ),
        Rule(
            "!has(self.zonePolicy) || self.zonePolicy != 'Single' || has(self.multiNode)",
            "zonePolicy Single is for multi-node jobs: choose the zone of others by a nodeSelector",
            lambda it: it.zone_policy is not ZonePolicy.SINGLE or it.multi_node is not None,
            field="zonePolicy",
        ),
        Rule(
            "!has(self.zonePolicy) || self.zonePolicy != 'Spread' || !has(self.multiNode)",
            "zonePolicy Spread is for single jobs and arrays: nodes of a multi-node job work together",
            lambda it: it.zone_policy is not ZonePolicy.SPREAD or it.multi_node is None,
            field="zonePolicy",
        ),
    )


class RevisionStatus(StatusModel):
    """One revision that exists."""

    revision: Integer
    """Number of the revision."""
    active: bool
    """Whether new jobs may use it."""
    created_at: Timestamp | None = None
    """When it was made."""


class JobDefinitionStatus(StatusModel):
    """What the operator found out about the definition."""

    observed_generation: Integer | None = None
    """The generation of the spec this status is about."""
    latest_revision: Integer | None = None
    """Number of the newest active revision, which a job gets that names no revision."""
    revisions: tuple[RevisionStatus, ...] = ()
    """The revisions that exist, newest first."""
    conditions: Annotated[tuple[Condition, ...], ListMap("type")] = ()
    """Ready says whether the API server accepts the pod template; if not, in the API server's words. Doubtful is there
    where something was hardly meant as it stands."""


class JobDefinition(Model):
    """A versioned template of jobs. Every change of its content becomes a new, immutable revision."""

    api_version: Literal["batchyard.dev/v1alpha1"] = "batchyard.dev/v1alpha1"
    """Version of the API."""
    kind: Literal["JobDefinition"] = "JobDefinition"
    """Kind of the object."""
    metadata: ObjectMeta
    """Name, namespace, labels."""
    spec: JobDefinitionSpec
    """What the jobs of this definition run, and how."""
    status: JobDefinitionStatus | None = None
    """What the operator found out about the definition."""

    rules = (
        Rule(
            f"self.metadata.name.size() <= {names.MAX_LABEL_VALUE}",
            f"the name of a JobDefinition may have at most {names.MAX_LABEL_VALUE} characters: it labels its jobs",
            lambda it: len(it.metadata.name) <= names.MAX_LABEL_VALUE,
            field="metadata.name",
        ),
    )
