"""What pods can be on AWS Fargate, as Amazon EKS documents it (Fargate Pod configuration; considerations).

AWS says GB there and counts in GiB.
"""

from typing import Final

from batchyard.core.model.serverless.offer import Sizes

_MEBIBYTE = 1024**2
_GIBIBYTE = 1024**3


def _sizes(milli_vcpus: int, *gibibytes: float) -> Sizes:
    return Sizes(milli_vcpus, tuple(int(each * _GIBIBYTE) for each in gibibytes))


SIZES: Final = (
    _sizes(250, 0.5, 1, 2),
    _sizes(500, 1, 2, 3, 4),
    _sizes(1_000, *range(2, 9)),
    _sizes(2_000, *range(4, 17)),
    _sizes(4_000, *range(8, 31)),
    _sizes(8_000, *range(16, 61, 4)),
    _sizes(16_000, *range(32, 121, 8)),
)
SYSTEM_MEMORY: Final = 256 * _MEBIBYTE
"""What kubelet, kube-proxy and containerd take of each pod's memory."""
MOST_STORAGE: Final = 175 * _GIBIBYTE
"""Ephemeral storage that a pod can have at most."""
ENDED_POD_SECONDS: Final = 60
"""How long pods stay after their end where the environment does not say: their machines are paid for until they are
deleted, and their logs can be read as long."""
NODE_LABELS: Final = {
    "eks.amazonaws.com/compute-type": "fargate",
    "kubernetes.io/arch": "amd64",
    "kubernetes.io/os": "linux",
}
"""Labels of the node that each pod gets for itself. Its zone is that of a subnet of the profile, whichever that is."""
