"""The page for people from AWS Batch has every setting of a compute environment there, and fields that exist here."""

import re
from typing import Any

import pytest

from batchyard.api.generate.schema import structural_schema
from batchyard.api.kinds import KINDS
from batchyard.api.models.managed import AllocationStrategy
from unit.docs.tables import rows

PAGE = "coming-from-aws-batch.md"
SETTINGS = {
    *("computeEnvironmentName", "computeEnvironment", "type", "state", "unmanagedvCpus", "tags", "serviceRole"),
    *("context", "replaceComputeEnvironment", "ecsSettings.containerInsights"),
    *(f"updatePolicy.{each}" for each in ("terminateJobsOnUpdate", "jobExecutionTimeoutMinutes")),
    *(f"eksConfiguration.{each}" for each in ("eksClusterArn", "kubernetesNamespace", "accessEntry")),
    *(f"cr.{each}" for each in ("type", "allocationStrategy", "minvCpus", "maxvCpus", "desiredvCpus", "instanceTypes")),
    *(f"cr.{each}" for each in ("imageId", "subnets", "securityGroupIds", "ec2KeyPair", "instanceRole", "tags")),
    *(f"cr.{each}" for each in ("placementGroup", "bidPercentage", "spotIamFleetRole", "updateToLatestImageVersion")),
    *(f"cr.{each}" for each in ("scalingPolicy.minScaleDownDelayMinutes", "managedInstancesProvider", "capacityTags")),
    *(f"cr.launchTemplate.launchTemplate{each}" for each in ("Id", "Name")),
    *(f"cr.launchTemplate.{each}" for each in ("version", "overrides", "userdataType")),
    *(f"cr.ec2Configuration.image{each}" for each in ("Type", "IdOverride", "KubernetesVersion")),
    "cr.ec2Configuration.batchImageStatus",
}
"""What CreateComputeEnvironment and UpdateComputeEnvironment take, and CloudFormation besides."""
NOT_OURS = {"BEST_FIT_PROGRESSIVE_ORDERED", "SPOT_CAPACITY_OPTIMIZED_PRIORITIZED", "none"}


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell.partition(":")[0])


def test_every_setting_of_an_environment_is_listed() -> None:
    listed = [name for row in rows(PAGE, "setting") for name in named(row[0])]
    assert set(listed) == SETTINGS
    assert {name for name in listed if listed.count(name) > 1} == {"cr.instanceTypes"}


def test_every_allocation_strategy_is_listed_once() -> None:
    listed = [name for row in rows(PAGE, "strategy") for name in named(row[0]) or [row[0]]]
    assert sorted(listed) == sorted({*AllocationStrategy, *NOT_OURS})


@pytest.mark.parametrize("heading", ["setting", "strategy"])
def test_fields_of_environments_exist(heading: str) -> None:
    fields: dict[str, Any] = structural_schema(KINDS["ComputeEnvironment"].model, "ComputeEnvironment")["properties"]
    spec = fields["spec"]["properties"]
    text = " ".join(cell for row in rows(PAGE, heading) for cell in row[1:])
    found = re.findall(r"`(managed|unmanaged|serverless)\.(\w+)", text)
    assert found
    assert {f"{part}.{field}" for part, field in found if field not in spec[part]["properties"]} == set()
