"""A real Kubernetes cluster on this machine, for the demo, the tests and the benchmarks."""

from .cluster import Cluster, down, up
from .errors import LocalClusterError

__all__ = ["Cluster", "LocalClusterError", "down", "up"]
