"""Parts of Kubernetes' own API that the five kinds use: metadata, conditions, selectors, tolerations."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from batchyard.api.models.base import Integer, LabelKey, Labels, LabelValue, Model, Rule, StatusModel, Timestamp

ConditionStatus = Literal["True", "False", "Unknown"]


class ObjectMeta(Model):
    """What the operator reads of an object's metadata; the rest is passed over."""

    model_config = ConfigDict(extra="ignore")

    name: str
    """Name of the object."""
    namespace: str = ""
    """Namespace of the object; empty for kinds of the whole cluster."""
    uid: str = ""
    """Identity given by the API server."""
    generation: Integer = 0
    """Counts the changes of the spec."""


class Condition(StatusModel):
    """One statement about the object, in the form that kubectl wait, Argo CD and Flux understand."""

    type: Annotated[str, Field(max_length=316)]
    """What the statement is about, such as Ready."""
    status: ConditionStatus
    """Whether it holds."""
    reason: Annotated[str, Field(max_length=1024)] | None = None
    """One word for programs."""
    message: Annotated[str, Field(max_length=32768)] | None = None
    """A sentence for people."""
    last_transition_time: Timestamp | None = None
    """When the status last changed."""
    observed_generation: Integer | None = None
    """The generation of the spec the statement is about."""


class SelectorRequirement(Model):
    """One condition on a label."""

    key: LabelKey
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label is compared with the values."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=64)] = ()
    """Values to compare with: needed for In and NotIn, forbidden for Exists and DoesNotExist."""

    rules = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "values must be given for the operators In and NotIn, and left out for Exists and DoesNotExist",
            lambda it: (it.operator in {"In", "NotIn"}) == bool(it.values),
            field="values",
        ),
    )


class LabelSelector(Model):
    """Selects by labels; all conditions must hold, an empty selector selects everything."""

    match_labels: Labels = Field({})
    """Labels that must have exactly these values."""
    match_expressions: Annotated[tuple[SelectorRequirement, ...], Field(max_length=32)] = ()
    """Further conditions on labels."""


class Toleration(Model):
    """Lets pods run on nodes with a matching taint."""

    key: LabelKey | None = None
    """Key of the taint; left out, with operator Exists, every taint matches."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Whether the taint's value is compared (Equal) or any value matches (Exists)."""
    value: LabelValue | None = None
    """Value of the taint, for the operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint; left out, all effects match."""
    toleration_seconds: Integer | None = None
    """How long a pod stays on a node that gets a NoExecute taint; left out, for ever."""

    rules = (
        Rule(
            "self.operator != 'Exists' || !has(self.value) || self.value == ''",
            "value must be left out when operator is Exists",
            lambda it: it.operator != "Exists" or not it.value,
            field="value",
        ),
        Rule(
            "self.operator != 'Equal' || (has(self.key) && self.key != '')",
            "key must be given unless operator is Exists",
            lambda it: it.operator != "Equal" or bool(it.key),
            field="key",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerationSeconds needs the effect NoExecute",
            lambda it: it.toleration_seconds is None or it.effect == "NoExecute",
            field="tolerationSeconds",
        ),
    )
