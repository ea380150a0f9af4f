"""The container of a job definition's short form, and what a BatchJob may override of it."""

from typing import Annotated, Literal

from pydantic import Field

from batchyard.api.models.base import Labels, ListMap, Model, Name, ResourceList, Rule, pattern
from batchyard.api.models.meta import Toleration
from batchyard.api.models.podtypes import (
    EnvFromSource,
    EnvVarSource,
    LocalObjectReference,
    SecurityContext,
    Volume,
    VolumeMount,
)
from batchyard.api.names import DEFAULT_CONTAINER, RESERVED_ENV_PREFIX

ContainerName = Annotated[
    str,
    Field(max_length=63),
    pattern(
        r"[a-z0-9]([-a-z0-9]*[a-z0-9])?",
        "must be a container name: lower case letters, digits and '-', with a letter or digit at both ends",
    ),
]
Words = Annotated[tuple[Annotated[str, Field(max_length=65536)], ...], Field(max_length=1024)]
Image = Annotated[str, Field(min_length=1, max_length=1024)]


class EnvVar(Model):
    """One environment variable."""

    name: Annotated[
        str,
        Field(max_length=128),
        pattern(
            r"[-._a-zA-Z][-._a-zA-Z0-9]*",
            "must be the name of an environment variable: letters, digits, '_', '-' and '.', "
            "not beginning with a digit",
        ),
        Rule(
            f"!self.startsWith('{RESERVED_ENV_PREFIX}')",
            f"names beginning with {RESERVED_ENV_PREFIX} are set by Batchyard; choose another name",
            lambda name: not name.startswith(RESERVED_ENV_PREFIX),
        ),
    ]
    """Name of the variable. Names that begin with AWS_BATCH are set by Batchyard."""
    value: Annotated[str, Field(max_length=131072)] | None = None
    """Value of the variable."""
    value_from: EnvVarSource | None = None
    """Source of the value (configMapKeyRef, secretKeyRef, fieldRef, resourceFieldRef), as in a pod."""

    rules = (
        Rule(
            "!has(self.value) || !has(self.valueFrom)",
            "value and valueFrom exclude each other; keep one of them",
            lambda it: it.value is None or it.value_from is None,
            field="valueFrom",
        ),
    )


Environment = Annotated[tuple[EnvVar, ...], Field(max_length=256), ListMap("name")]


class Resources(Model):
    """What a container asks for and what it may use at most."""

    requests: ResourceList = Field({})
    """Amounts reserved for the container, by resource; the queue counts these. A resource that stands only
    in limits is requested in the same amount."""
    limits: ResourceList = Field({})
    """Amounts the container may use at most, by resource."""


class Container(Model):
    """The short form of a job definition: one container and the few pod settings that batch work needs.

    Anything else a pod can do is written as `template`.
    """

    name: ContainerName = DEFAULT_CONTAINER
    """Name of the container, which `containerOverrides` of a BatchJob refer to."""
    image: Image
    """Container image."""
    command: Words = ()
    """Program and arguments, replacing the image's entrypoint. `Ref::name` stands for that parameter."""
    args: Words = ()
    """Arguments, replacing the image's command. `Ref::name` stands for that parameter."""
    env: Environment = ()
    """Environment variables."""
    env_from: Annotated[tuple[EnvFromSource, ...], Field(max_length=64)] = ()
    """ConfigMaps and Secrets whose entries become environment variables, as in a pod."""
    resources: Resources = Resources()
    """CPU, memory, GPUs and other resources."""
    working_dir: Annotated[str, Field(max_length=4096)] | None = None
    """Working directory; left out, the image's."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the image is pulled; left out, Always for the tag latest and IfNotPresent for others."""
    security_context: SecurityContext | None = None
    """Security settings of the container, as in a pod."""
    volume_mounts: Annotated[tuple[VolumeMount, ...], Field(max_length=64)] = ()
    """Where volumes appear in the container, as in a pod."""
    volumes: Annotated[tuple[Volume, ...], Field(max_length=64)] = ()
    """Volumes of the pod, as in a pod."""
    service_account_name: Name | None = None
    """Service account the job runs as (AWS Batch's job role)."""
    image_pull_secrets: Annotated[tuple[LocalObjectReference, ...], Field(max_length=16)] = ()
    """Secrets to pull the image with, each as `name: secret`."""
    node_selector: Labels = Field({})
    """Labels a node must have, beside those of the compute environment."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=64)] = ()
    """Taints the pod tolerates, beside those of the compute environment."""


class ContainerOverride(Model):
    """What one job changes of a container of its definition."""

    name: ContainerName = DEFAULT_CONTAINER
    """Name of the container to change."""
    image: Image | None = None
    """Replaces the image."""
    command: Words | None = None
    """Replaces the command as a whole."""
    args: Words | None = None
    """Replaces the arguments as a whole."""
    env: Environment = ()
    """Variables added before those of the definition; the same name replaces. Values arrive as they are: `$(VAR)` is
    not expanded in them."""
    resources: Resources = Resources()
    """Amounts that replace the definition's, resource by resource."""


ContainerOverrides = Annotated[tuple[ContainerOverride, ...], Field(max_length=10), ListMap("name")]
