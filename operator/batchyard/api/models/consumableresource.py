"""ConsumableResource: something beside capacity of which there is only so much, such as licences or tokens."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from batchyard.api import names
from batchyard.api.models.base import Integer, ListMap, ListSet, Model, Rule, StatusModel, Timestamp
from batchyard.api.models.meta import Condition, ObjectMeta


class ConsumableType(StrEnum):
    """Whether jobs give back what they took."""

    REPLENISHABLE = "Replenishable"
    NON_REPLENISHABLE = "NonReplenishable"


class ConsumableResourceSpec(Model):
    """How much of the resource there is, and whether jobs give it back."""

    type: ConsumableType = ConsumableType.REPLENISHABLE
    """Replenishable: a job holds its amount from its start to its end. NonReplenishable: what a run takes is used up,
    also when it fails and is tried again. It cannot be changed."""
    total: Annotated[Integer, Field(ge=0)]
    """How much there is in all. Raise it to refill a NonReplenishable resource: what was used up stays counted."""

    rules = (
        Rule(
            "self.type == oldSelf.type",
            "the type of a consumable resource cannot be changed; make another one and let job definitions name that",
            field="type",
        ),
    )


class ConsumptionStatus(StatusModel):
    """What runs have used up of a NonReplenishable resource, and which runs that includes; an operator that starts goes
    on from it."""

    consumed: Integer
    """What all runs together have used up."""
    counted_until: Timestamp
    """Every run whose Kubernetes Job was made before is included."""
    counted_runs: Annotated[tuple[str, ...], ListSet()] = ()
    """Uids of the Kubernetes Jobs made since that are included as well."""


class ConsumableResourceStatus(StatusModel):
    """What jobs hold of the resource, and what is left."""

    observed_generation: Integer | None = None
    """The generation of the spec this status is about."""
    in_use: Integer | None = None
    """What jobs hold that run or are about to."""
    available: Integer | None = None
    """What further jobs may take."""
    consumption: ConsumptionStatus | None = None
    """Of a NonReplenishable resource: what was used up."""
    conditions: Annotated[tuple[Condition, ...], ListMap("type")] = ()
    """Ready says whether jobs can get any of it at all, and if not, why."""


class ConsumableResource(Model):
    """Something beside capacity of which there is only so much, such as licences."""

    api_version: Literal["batchyard.dev/v1alpha1"] = "batchyard.dev/v1alpha1"
    """Version of the API."""
    kind: Literal["ConsumableResource"] = "ConsumableResource"
    """Kind of the object."""
    metadata: ObjectMeta
    """Name and labels."""
    spec: ConsumableResourceSpec
    """How much of the resource there is, and whether jobs give it back."""
    status: ConsumableResourceStatus | None = None
    """What jobs hold of the resource, and what is left."""

    rules = (
        Rule(
            f"self.metadata.name.size() <= {names.MAX_LABEL_VALUE}",
            f"the name of a ConsumableResource may have at most {names.MAX_LABEL_VALUE} characters",
            lambda it: len(it.metadata.name) <= names.MAX_LABEL_VALUE,
            field="metadata.name",
        ),
    )
