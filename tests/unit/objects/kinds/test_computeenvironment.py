"""From a ComputeEnvironment to its record."""

from typing import Any

from batchyard.core.model.environment import Environment, Toleration
from batchyard.objects.kinds.computeenvironment import read_environment
from objects.api import manifest
from objects.managed import managed_environment

CREATED = 1_767_225_600.0


def read(**spec: Any) -> Environment:
    obj = manifest("ComputeEnvironment", **spec)
    obj["metadata"] |= {"uid": "uid", "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return read_environment(obj)


def test_an_environment_that_says_nothing_has_all_nodes_and_no_ceilings() -> None:
    assert read() == Environment("sample", "uid", 3, CREATED, enabled=True, unschedulable_seconds=300)


def test_every_field_is_a_part_of_the_record() -> None:
    tolerations = [{"key": "spot", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60}]
    environment = read(
        state="Disabled",
        maxVcpus=1.5,
        maxMemory="4Gi",
        maxGpus=2,
        unschedulableSeconds=60,
        countOtherPods=False,
        unmanaged={"nodeSelector": {"pool": "batch"}, "tolerations": [*tolerations, {"operator": "Exists"}]},
    )
    assert environment == Environment(
        "sample",
        "uid",
        3,
        CREATED,
        enabled=False,
        node_selector={"pool": "batch"},
        tolerations=(Toleration("spot", "Equal", "yes", "NoExecute", 60), Toleration(operator="Exists")),
        ceilings={"cpu": 1500, "memory": 4 * 2**30, "nvidia.com/gpu": 2},
        unschedulable_seconds=60,
        count_other_pods=False,
    )


def test_of_a_refused_environment_nothing_counts() -> None:
    environment = read(state="Disabled", maxVcpus=0)
    assert "spec.maxVcpus must be more than 0" in environment.refusal
    assert (environment.enabled, environment.ceilings) == (True, {})


def test_what_is_not_done_yet_is_refused() -> None:
    environment = read_environment(managed_environment(minVcpus=1))
    assert environment.refusal.startswith("capacity that is kept warm is not supported by this version")
