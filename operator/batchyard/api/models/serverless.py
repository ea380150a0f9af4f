"""The part of a ComputeEnvironment that says where pods run without nodes of the environment."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from batchyard.api.models.base import Integer, Labels, ListMap, ListSet, Model, Number, Quantity, Rule, pattern
from batchyard.api.models.managed import LEAVE_ALONE_SECONDS
from batchyard.api.models.meta import Toleration

_NAMESPACE = Annotated[
    str,
    Field(max_length=63),
    pattern(r"[a-z0-9*?]([-a-z0-9*?]*[a-z0-9*?])?", "must be a namespace, in which * and ? may stand for anything"),
]


class ServerlessProvisioner(StrEnum):
    """Who runs the pods."""

    FARGATE = "fargate"
    VIRTUAL_NODES = "virtualNodes"


class PodSize(Model):
    """Sizes of pods that have the same vCPUs."""

    vcpus: Annotated[Number, Field(gt=0, le=10_000)]
    """Their vCPUs."""
    memory: Annotated[tuple[Quantity, ...], Field(min_length=1, max_length=64), ListSet()]
    """The amounts of memory that exist with them."""


class Serverless(Model):
    """Pods that run without nodes of the environment: each brings the capacity that it needs."""

    provisioner: ServerlessProvisioner
    """Who runs the pods. With fargate, a Fargate profile of your EKS cluster has to match them; with virtualNodes, a
    virtual kubelet does, on the nodes that nodeSelector names."""
    labels: Labels = Field({})
    """Labels that the pods get, such as those by which a Fargate profile chooses them, in place of their own of the
    same names."""
    namespaces: Annotated[tuple[_NAMESPACE, ...], Field(max_length=64), ListSet()] = ()
    """Namespaces whose jobs may run here, such as those of the Fargate profile; left out, all. * stands for any
    characters, ? for one."""
    node_selector: Labels = Field({})
    """With virtualNodes: labels of the virtual nodes, such as `type: virtual-kubelet`."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=64)] = ()
    """With virtualNodes: their taints."""
    sizes: Annotated[tuple[PodSize, ...], Field(max_length=64), ListMap("vcpus")] = ()
    """With virtualNodes: the sizes that pods can have. A pod counts as the smallest that holds it; left out, as what it
    asks for. Those of fargate are known."""
    ended_pod_seconds: Annotated[Integer, Field(ge=0, le=604_800)] | None = None
    """How long pods stay after their end, for their logs. Left out, 60 with fargate, where they are paid for as long as
    they are there; with virtualNodes as long as their job."""
    leave_alone_seconds: Annotated[Integer, Field(ge=10, le=604_800)] = LEAVE_ALONE_SECONDS
    """For how long no job that asks for the same is started here after one got no capacity in unschedulableSeconds.
    Then one is tried, and others once that one has got it."""

    rules = (
        Rule(
            "self.provisioner != 'virtualNodes' || (has(self.nodeSelector) && size(self.nodeSelector) > 0)",
            "virtualNodes needs nodeSelector, by which they are told from others; often `type: virtual-kubelet`",
            lambda it: it.provisioner is not ServerlessProvisioner.VIRTUAL_NODES or bool(it.node_selector),
            field="nodeSelector",
        ),
        Rule(
            "self.provisioner != 'fargate' || ((!has(self.nodeSelector) || size(self.nodeSelector) == 0) &&"
            " (!has(self.tolerations) || size(self.tolerations) == 0) &&"
            " (!has(self.sizes) || size(self.sizes) == 0))",
            "nodeSelector, tolerations and sizes are for virtualNodes: a Fargate profile chooses pods by namespace and"
            " labels, and the sizes of Fargate are known",
            lambda it: (
                it.provisioner is not ServerlessProvisioner.FARGATE
                or not (it.node_selector or it.tolerations or it.sizes)
            ),
        ),
    )
