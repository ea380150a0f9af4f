"""Good specs of the five kinds with many fields, of which `malformed` makes bad ones."""

from typing import Any

from batchyard.api import names

Json = Any

CONTAINER: Json = {
    "image": "busybox",
    "command": ["echo", "Ref::word"],
    "env": [{"name": "A", "value": "1"}],
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
    "nodeSelector": {"batchyard.dev/node": "simulated"},
    "tolerations": [{"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}],
    "serviceAccountName": "default",
}
TEMPLATE: Json = {
    "metadata": {"labels": {"team": "a"}},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "busybox",
                "command": ["true"],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "tolerations": [{"key": "spot", "operator": "Exists"}],
    },
}
RETRY: Json = {
    "attempts": 3,
    "backoff": {"initialSeconds": 10, "multiplier": 2, "maxSeconds": 60, "jitter": 0.5},
    "evaluateOnExit": [{"onExitCode": "1*", "onReason": "Error*", "action": "Retry"}],
    "onInterruption": {"onDemandAfter": 2},
    "maxInterruptions": 5,
}
RANGES: Json = [{"targetNodes": "0", "container": CONTAINER}, {"targetNodes": "1:", "container": CONTAINER}]

GOOD: dict[str, tuple[str, Json]] = {
    "short definition": (
        names.JOB_DEFINITION,
        {
            "parameters": {"word": "hello"},
            "container": CONTAINER,
            "retryStrategy": {**RETRY, "onOutOfMemory": {"memoryMultiplier": 2, "maxMemory": "1Gi"}},
            "timeout": {"attemptDurationSeconds": 600},
            "startupGraceSeconds": 60,
            "schedulingPriority": 5,
            "zonePolicy": "Spread",
            "consumableResources": [{"name": "licence", "quantity": 1}],
            "inactiveRevisions": [7],
            "revisionHistoryLimit": 5,
        },
    ),
    "full definition": (names.JOB_DEFINITION, {"template": TEMPLATE, "timeout": {"attemptDurationSeconds": 600}}),
    "multi-node definition": (
        names.JOB_DEFINITION,
        {
            "parameters": {"word": "a"},
            "multiNode": {"numNodes": 3, "mainNode": 0, "nodeRanges": RANGES},
            "zonePolicy": "Single",
        },
    ),
    "single job": (
        names.BATCH_JOB,
        {
            "jobQueue": "queue",
            "jobDefinition": "short:1",
            "parameters": {"word": "hello"},
            "containerOverrides": [
                {
                    "name": "main",
                    "command": ["echo"],
                    "env": [{"name": "B", "value": "2"}],
                    "resources": {"requests": {"cpu": "200m"}},
                }
            ],
            "retryStrategy": RETRY,
            "timeout": {"attemptDurationSeconds": 60},
            "ttlSecondsAfterFinished": 3600,
            "dependsOn": [{"job": "earlier", "type": "Succeeded"}],
            "schedulingPriorityOverride": 3,
            "suspend": True,
        },
    ),
    "array job": (
        names.BATCH_JOB,
        {
            "jobQueue": "queue",
            "jobDefinition": "short",
            "array": {
                "size": 10,
                "maxConcurrency": 2,
                "maxFailedIndexes": 3,
                "rerun": {"job": "earlier", "indexes": "1,3-5"},
            },
            "retryStrategy": RETRY,
            "stopIndexes": [{"indexes": "7,9", "reason": "bad input"}],
            "suspend": True,
        },
    ),
    "multi-node job": (
        names.BATCH_JOB,
        {
            "jobQueue": "queue",
            "jobDefinition": "nodes",
            "nodeOverrides": {
                "numNodes": 4,
                "nodeRanges": [{"targetNodes": "1:", "containerOverrides": [{"image": "busybox"}]}],
            },
            "stop": {"mode": "Cancel", "reason": "wrong input"},
        },
    ),
    "queue": (
        names.JOB_QUEUE,
        {
            "priority": 5,
            "state": "Enabled",
            "namespaceSelector": {
                "matchLabels": {"team": "a"},
                "matchExpressions": [{"key": "tier", "operator": "In", "values": ["one", "two"]}],
            },
            "computeEnvironments": ["environment"],
            "schedulingPolicy": {
                "type": "FairShare",
                "fairShare": {
                    "shareDecaySeconds": 300,
                    "computeReservation": 10,
                    "shares": [{"shareIdentifier": "red", "weightFactor": 0.5, "maxRunningJobs": 3}],
                },
            },
            "jobStateTimeLimits": [
                {"reason": "NoNodes", "state": "Runnable", "maxTimeSeconds": 600, "action": "Cancel"}
            ],
            "preemption": {"policy": "Never", "minimumRunSeconds": 10},
            "queueing": {"policy": "Bypass", "maxBypassSeconds": 60},
            "limits": {"maxRunningJobs": 10, "maxRunningJobsPerShare": 2},
        },
    ),
    "environment": (
        names.COMPUTE_ENVIRONMENT,
        {
            "type": "Unmanaged",
            "state": "Enabled",
            "maxVcpus": 8,
            "maxMemory": "16Gi",
            "maxGpus": 1,
            "unschedulableSeconds": 60,
            "unmanaged": {
                "nodeSelector": {"batchyard.dev/node": "simulated"},
                "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
            },
        },
    ),
    "managed environment": (
        names.COMPUTE_ENVIRONMENT,
        {
            "type": "Managed",
            "state": "Enabled",
            "maxVcpus": 8,
            "maxMemory": "16Gi",
            "managed": {
                "provisioner": "karpenter",
                "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
                "capacityTypes": ["Spot", "OnDemand"],
                "allocationStrategy": "SPOT_PRICE_CAPACITY_OPTIMIZED",
                "onDemandPercent": 20,
                "instanceTypes": ["m5.large"],
                "instanceFamilies": ["m5"],
                "minGeneration": 5,
                "architectures": ["amd64"],
                "zones": ["zone-a"],
                "requirements": [{"key": "example.com/rack", "operator": "In", "values": ["one", "two"]}],
                "shapes": [{"instanceType": "m5.large", "vcpus": 2, "memory": "8Gi", "gpus": 1}],
                "maxPendingPods": 100,
                "onShortage": {"graceSeconds": 30, "leaveAloneSeconds": 120},
                "idleSeconds": 30,
                "deletionPolicy": "Wait",
            },
        },
    ),
    "serverless environment": (
        names.COMPUTE_ENVIRONMENT,
        {
            "type": "Serverless",
            "state": "Enabled",
            "maxVcpus": 8,
            "maxMemory": "16Gi",
            "maxGpus": 1,
            "unschedulableSeconds": 60,
            "serverless": {
                "provisioner": "virtualNodes",
                "labels": {"compute": "virtual"},
                "namespaces": ["audio", "team-*", "???-prod"],
                "nodeSelector": {"type": "virtual-kubelet"},
                "tolerations": [{"key": "virtual-kubelet.io/provider", "operator": "Exists", "effect": "NoSchedule"}],
                "sizes": [{"vcpus": 0.5, "memory": ["1Gi", "2Gi"]}, {"vcpus": 2, "memory": ["8Gi"]}],
                "endedPodSeconds": 120,
                "leaveAloneSeconds": 60,
            },
        },
    ),
    "Fargate environment": (
        names.COMPUTE_ENVIRONMENT,
        {
            "type": "Serverless",
            "maxVcpus": 8,
            "maxMemory": "16Gi",
            "serverless": {
                "provisioner": "fargate",
                "labels": {"compute": "fargate"},
                "namespaces": ["audio"],
                "endedPodSeconds": 30,
                "leaveAloneSeconds": 60,
            },
        },
    ),
    "consumable resource": (names.CONSUMABLE_RESOURCE, {"type": "Replenishable", "total": 10}),
}
"""Good specs; jobs refer to what `context` makes."""
