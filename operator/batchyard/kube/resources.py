"""The kinds the operator reads and writes, as URLs name them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from batchyard.api import names
from batchyard.api.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object: group ("" is the core group), version, plural, and whether it is namespaced."""

    group: str
    version: str
    plural: str
    namespaced: bool
    bookmarks: bool = True
    """Whether the API server tells those that watch it that it is there, as it does of all kinds that it caches."""

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects, such as `batch/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def __str__(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


JOBS = Resource("batch", "v1", "jobs", namespaced=True)
PODS = Resource("", "v1", "pods", namespaced=True)
NODES = Resource("", "v1", "nodes", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False)
LIMIT_RANGES = Resource("", "v1", "limitranges", namespaced=True)
RUNTIME_CLASSES = Resource("node.k8s.io", "v1", "runtimeclasses", namespaced=False)
SERVICES = Resource("", "v1", "services", namespaced=True)
SECRETS = Resource("", "v1", "secrets", namespaced=True)
EVENTS = Resource("", "v1", "events", namespaced=True, bookmarks=False)
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", namespaced=True)
NODE_POOLS = Resource("karpenter.sh", "v1", "nodepools", namespaced=False)
NODE_CLAIMS = Resource("karpenter.sh", "v1", "nodeclaims", namespaced=False)
LEASES = Resource("coordination.k8s.io", "v1", "leases", namespaced=True)
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False)

OWN: Mapping[str, Resource] = MappingProxyType(
    {kind.name: Resource(names.GROUP, names.VERSION, kind.plural, kind.namespaced) for kind in KINDS.values()}
)
"""Batchyard's kinds, by name."""
BATCHJOBS = OWN[names.BATCH_JOB]
JOBDEFINITIONS = OWN[names.JOB_DEFINITION]
JOBQUEUES = OWN[names.JOB_QUEUE]
COMPUTEENVIRONMENTS = OWN[names.COMPUTE_ENVIRONMENT]
