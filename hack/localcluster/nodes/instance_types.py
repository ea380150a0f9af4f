"""The machines that Karpenter may make in a local cluster: names, sizes and on-demand prices as on AWS."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ZONES = ("test-zone-a", "test-zone-b", "test-zone-c")
SPOT_DISCOUNT = 0.7


@dataclass(frozen=True)
class InstanceType:
    """One size of machine; the price is in dollars an hour."""

    name: str
    cpu: int
    memory: str
    price: float
    devices: Mapping[str, int] = field(default_factory=dict)


INSTANCE_TYPES = (
    InstanceType("m5.large", 2, "8Gi", 0.096),
    InstanceType("m5.xlarge", 4, "16Gi", 0.192),
    InstanceType("m5.2xlarge", 8, "32Gi", 0.384),
    InstanceType("m5.4xlarge", 16, "64Gi", 0.768),
    InstanceType("c5.large", 2, "4Gi", 0.085),
    InstanceType("c5.xlarge", 4, "8Gi", 0.17),
    InstanceType("c5.4xlarge", 16, "32Gi", 0.68),
    InstanceType("r5.xlarge", 4, "32Gi", 0.252),
    InstanceType("g4dn.xlarge", 4, "16Gi", 0.526, {"nvidia.com/gpu": 1}),
)


def instance_type_list() -> list[dict[str, Any]]:
    """The list in the form that Karpenter's kwok provider reads, each type as spot and on demand in every zone."""
    return [
        {
            "name": machine.name,
            "architecture": "amd64",
            "operatingSystems": ["linux"],
            "resources": {
                "cpu": str(machine.cpu),
                "memory": machine.memory,
                "ephemeral-storage": "100Gi",
                "pods": "110",
                **{device: str(count) for device, count in machine.devices.items()},
            },
            "offerings": [
                _offering(capacity_type, zone, price)
                for zone in ZONES
                for capacity_type, price in (
                    ("spot", round(machine.price * (1 - SPOT_DISCOUNT), 4)),
                    ("on-demand", machine.price),
                )
            ],
        }
        for machine in INSTANCE_TYPES
    ]


def _offering(capacity_type: str, zone: str, price: float) -> dict[str, Any]:
    requirements = {"karpenter.sh/capacity-type": capacity_type, "topology.kubernetes.io/zone": zone}
    return {
        "Price": price,
        "Requirements": [{"key": key, "operator": "In", "values": [value]} for key, value in requirements.items()],
    }
