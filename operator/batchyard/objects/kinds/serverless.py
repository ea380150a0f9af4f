"""From what a ComputeEnvironment says of pods that run without nodes of its own to the record of that."""

from batchyard.api.models.serverless import PodSize, ServerlessProvisioner
from batchyard.api.models.serverless import Serverless as Spec
from batchyard.api.quantities import parse_bytes
from batchyard.core.model.serverless import fargate
from batchyard.core.model.serverless.offer import Serverless, Sizes


def read_serverless(spec: Spec, *, gpus: bool) -> Serverless:
    """Read how pods run there. `gpus` says whether the environment's ceilings allow any."""
    ended = spec.ended_pod_seconds
    if spec.provisioner is ServerlessProvisioner.FARGATE:
        return Serverless(
            spec.provisioner,
            fargate.SIZES,
            fargate.SYSTEM_MEMORY,
            fargate.MOST_STORAGE,
            equal_limits=True,
            node_labels=fargate.NODE_LABELS,
            ended_pod_seconds=fargate.ENDED_POD_SECONDS if ended is None else ended,
            labels=spec.labels,
            namespaces=spec.namespaces,
            leave_alone_seconds=spec.leave_alone_seconds,
        )
    return Serverless(
        spec.provisioner,
        tuple(sorted(_sizes(each) for each in spec.sizes)),
        gpus=gpus,
        ended_pod_seconds=ended,
        labels=spec.labels,
        namespaces=spec.namespaces,
        leave_alone_seconds=spec.leave_alone_seconds,
    )


def _sizes(size: PodSize) -> Sizes:
    return Sizes(round(size.vcpus * 1000), tuple(sorted(map(parse_bytes, size.memory))))
