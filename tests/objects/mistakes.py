"""Mistakes that no schema tells, about two fields or objects, or in a pod: each is one change of a good spec."""

import random
from collections.abc import Callable
from typing import Any

from objects.api import NODE_CLASS
from objects.goodspecs import TEMPLATE

Json = Any
Path = tuple[str | int, ...]
GONE = object()
"""In the place of a field that is left out."""

Change = Callable[[random.Random], Json]
Mistake = tuple[str, str, Path, Change | Json, tuple[str, ...]]
"""The good spec, what is wrong, where, the value that stands there then (or how to draw it), and words of which the
answer has one: none stands for the last field of the path."""


def _number(low: int, high: int) -> Callable[[random.Random], int]:
    return lambda draw: draw.randint(low, high)


def _backwards(draw: random.Random) -> str:
    low = draw.randint(0, 400)
    return f"{low + draw.randint(1, 500)}:{low}"


def _containers(**change: Json) -> Json:
    container = {**TEMPLATE["spec"]["containers"][0], **change}
    return [{name: each for name, each in container.items() if each is not GONE}]


_POD: Path = ("template", "spec")
_SHORT = "short definition"
_FULL = "full definition"
_NODES = "multi-node definition"
_MANAGED = "managed environment"
_SERVERLESS = "serverless environment"
_FARGATE = "Fargate environment"
MISTAKES: tuple[Mistake, ...] = (
    (_SHORT, "two forms", ("template",), TEMPLATE, ("exactly one of container, template and multiNode",)),
    (_SHORT, "no form", ("container",), GONE, ("exactly one of container, template and multiNode",)),
    (_SHORT, "back-off below a default", ("retryStrategy", "backoff"), lambda d: {"maxSeconds": d.randint(0, 9)}, ()),
    (_SHORT, "rules without a retry", ("retryStrategy", "attempts"), 1, ("evaluateOnExit",)),
    (_SHORT, "a reserved variable", ("container", "env", 0, "name"), "AWS_BATCH_X", ("AWS_BATCH",)),
    (
        _SHORT,
        "request above the limit",
        ("container", "resources", "limits", "memory"),
        lambda d: f"{d.randint(1, 63)}Mi",
        ("memory",),
    ),
    (
        _SHORT,
        "a device without a limit",
        ("container", "resources", "requests", "nvidia.com/gpu"),
        lambda d: str(d.randint(1, 8)),
        ("nvidia.com/gpu",),
    ),
    (
        _SHORT,
        "more than can be",
        ("container", "resources", "requests", "cpu"),
        lambda d: "9" * d.randint(20, 32),
        ("cpu",),
    ),
    (_SHORT, "half a device", ("container", "resources", "limits", "nvidia.com/gpu"), "1500m", ("nvidia.com/gpu",)),
    (_SHORT, "no resource of a container", ("container", "resources", "requests", "pods"), "1", ("pods",)),
    (_SHORT, "two sources", ("container", "env", 0, "valueFrom"), {"fieldRef": {"fieldPath": "spec.nodeName"}}, ()),
    (
        _SHORT,
        "no field of a pod",
        ("container", "env", 0),
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x.y"}}},
        ("fieldPath",),
    ),
    (
        _SHORT,
        "a mount without a volume",
        ("container", "volumeMounts"),
        [{"name": "none", "mountPath": "/x"}],
        ("volumeMounts",),
    ),
    (
        _SHORT,
        "a volume of two kinds",
        ("container", "volumes"),
        [{"name": "v", "emptyDir": {}, "configMap": {"name": "a"}}],
        ("volumes",),
    ),
    (_SHORT, "a volume twice", ("container", "volumes"), [{"name": "v", "emptyDir": {}}] * 2, ("volumes",)),
    (_SHORT, "one zone for a single job", ("zonePolicy",), "Single", ("zonePolicy Single is for multi-node jobs",)),
    (_FULL, "empty template", ("template",), {}, ("spec.containers",)),
    (_FULL, "no containers", (*_POD, "containers"), [], ("containers",)),
    (_FULL, "no image", (*_POD, "containers"), _containers(image=GONE), ("image",)),
    (_FULL, "an odd container name", (*_POD, "containers"), _containers(name="Main 1"), ("name",)),
    (_FULL, "a container twice", (*_POD, "containers"), _containers() * 2, ("name",)),
    (
        _FULL,
        "amount of forty digits",
        (*_POD, "containers"),
        _containers(resources={"requests": {"cpu": "9" * 40}}),
        ("cpu",),
    ),
    (_FULL, "amount of nothing", (*_POD, "containers"), _containers(resources={"requests": {"": "1"}}), ("requests",)),
    (
        _FULL,
        "an amount that is none",
        (*_POD, "containers"),
        _containers(resources={"requests": {"cpu": "1,5"}}),
        ("cpu",),
    ),
    (_FULL, "a negative amount", (*_POD, "containers"), _containers(resources={"requests": {"cpu": "-1"}}), ("cpu",)),
    (_FULL, "a mount without a volume", (*_POD, "volumes"), [], ("volumeMounts",)),
    (_FULL, "a reserved variable", (*_POD, "containers"), _containers(env=[{"name": "AWS_BATCH_X"}]), ("AWS_BATCH_X",)),
    (_FULL, "an odd variable", (*_POD, "containers"), _containers(env=[{"name": "a=b"}]), ("env",)),
    (
        _FULL,
        "a port that is none",
        (*_POD, "containers"),
        _containers(ports=[{"containerPort": 99999}]),
        ("containerPort",),
    ),
    (_FULL, "an odd label", ("template", "metadata", "labels"), {"a b": "c"}, ("labels",)),
    (_FULL, "a label without a key", ("template", "metadata", "labels"), {"": "c"}, ("labels",)),
    (_FULL, "an odd value of a label", ("template", "metadata", "labels"), {"a": "b c"}, ("labels",)),
    (_FULL, "a label of Batchyard's", ("template", "metadata", "labels"), {"batchyard.dev/job": "x"}, ("labels",)),
    (_FULL, "an odd node selector", (*_POD, "nodeSelector"), {"disk type": "fast"}, ("nodeSelector",)),
    (
        _FULL,
        "a toleration without a key",
        (*_POD, "tolerations"),
        [{"operator": "Equal", "value": "x"}],
        ("tolerations",),
    ),
    (_FULL, "a deadline below 0", (*_POD, "activeDeadlineSeconds"), _number(-9, 0), ("activeDeadlineSeconds",)),
    (_FULL, "a grace period below 0", (*_POD, "terminationGracePeriodSeconds"), _number(-9, -1), ()),
    (_FULL, "a policy that is none", (*_POD, "dnsPolicy"), "Sometimes", ("dnsPolicy",)),
    (_FULL, "a host name that is none", (*_POD, "hostname"), "Not A Host", ("hostname",)),
    (
        _NODES,
        "a range that ends before it begins",
        ("multiNode", "nodeRanges", 1, "targetNodes"),
        _backwards,
        ("nodeRanges",),
    ),
    (
        _NODES,
        "a range beyond the nodes",
        ("multiNode", "nodeRanges", 1, "targetNodes"),
        lambda d: f"{d.randint(3, 999)}:",
        ("nodeRanges",),
    ),
    (
        _NODES,
        "a range to beyond the nodes",
        ("multiNode", "nodeRanges", 1, "targetNodes"),
        lambda d: f"1:{d.randint(3, 999)}",
        ("nodeRanges",),
    ),
    (_NODES, "a node that no range has", ("multiNode", "nodeRanges", 1, "targetNodes"), "1", ("nodeRanges",)),
    (_NODES, "a main node beyond the nodes", ("multiNode", "mainNode"), _number(3, 999), ("mainNode",)),
    (_NODES, "a range of two forms", ("multiNode", "nodeRanges", 1, "template"), TEMPLATE, ("container and template",)),
    (
        _NODES,
        "a range with an empty template",
        ("multiNode", "nodeRanges", 1),
        {"targetNodes": "1:", "template": {}},
        ("template",),
    ),
    (
        _NODES,
        "a range with half a device",
        ("multiNode", "nodeRanges", 1, "container", "resources", "limits", "nvidia.com/gpu"),
        "500m",
        ("nvidia.com/gpu",),
    ),
    (
        _NODES,
        "zones for nodes that work together",
        ("zonePolicy",),
        "Spread",
        ("zonePolicy Spread is for single jobs",),
    ),
    (
        "single job",
        "a queue that does not exist",
        ("jobQueue",),
        lambda d: f"none-{d.randint(0, 99)}",
        ("JobQueue none-",),
    ),
    (
        "single job",
        "a definition that does not exist",
        ("jobDefinition",),
        lambda d: f"none-{d.randint(0, 99)}",
        ("JobDefinition none-",),
    ),
    (
        "single job",
        "a revision that does not exist",
        ("jobDefinition",),
        lambda d: f"short:{d.randint(2, 999)}",
        ("revision",),
    ),
    ("single job", "an unknown container", ("containerOverrides", 0, "name"), "sidecar", ("containerOverrides",)),
    (
        "single job",
        "request above the limit",
        ("containerOverrides", 0, "resources", "requests"),
        {"memory": "1Gi"},
        ("memory",),
    ),
    (
        "single job",
        "no resource of a container",
        ("containerOverrides", 0, "resources", "requests"),
        {"pods": "1"},
        ("pods",),
    ),
    (
        "single job",
        "more than can be",
        ("containerOverrides", 0, "resources", "requests", "cpu"),
        lambda d: "9" * d.randint(20, 32),
        ("cpu",),
    ),
    ("single job", "node overrides of no nodes", ("nodeOverrides",), {"numNodes": 2}, ("nodeOverrides",)),
    ("single job", "a share of a queue without", ("shareIdentifier",), "red", ("shareIdentifier",)),
    ("single job", "stop of no indexes", ("stopIndexes",), [{"indexes": "1", "reason": "x"}], ("stopIndexes",)),
    ("single job", "one index after another of no array", ("dependsOn",), [{"type": "Sequential"}], ("array",)),
    ("single job", "index by index of no array", ("dependsOn",), [{"job": "earlier", "type": "NToN"}], ("array",)),
    ("single job", "a dependency twice", ("dependsOn",), [{"job": "earlier"}] * 2, ("each job may be named once",)),
    (
        "single job",
        "a dependency on a job that is not there",
        ("dependsOn", 0, "job"),
        lambda d: f"none-{d.randint(0, 99)}",
        ("none-",),
    ),
    (
        "single job",
        "back-off above a default",
        ("retryStrategy", "backoff"),
        lambda d: {"initialSeconds": d.randint(301, 999)},
        ("maxSeconds",),
    ),
    (
        "array job",
        "indexes that are none",
        ("array", "rerun", "indexes"),
        lambda d: d.choice(["1-", "*/2", "a-b", "1--2", "-1", "", "9" * 3000]),
        (),
    ),
    ("array job", "indexes beyond the array", ("array", "rerun", "indexes"), lambda d: f"{d.randint(10, 99_999)}", ()),
    (
        "array job",
        "stopped indexes that are none",
        ("stopIndexes", 0, "indexes"),
        lambda d: d.choice(["1-", "*/2", "x", "1--2", "", "9" * 900]),
        (),
    ),
    ("array job", "a rerun that is waited for twice", ("dependsOn",), [{"job": "earlier"}], ("rerun",)),
    ("array job", "an array of multi-node jobs", ("jobDefinition",), "nodes", ("array",)),
    (
        "multi-node job",
        "overrides that do not say of which nodes",
        ("containerOverrides",),
        [{"image": "x"}],
        ("nodeOverrides",),
    ),
    (
        "multi-node job",
        "a range that is not there",
        ("nodeOverrides", "nodeRanges", 0, "targetNodes"),
        lambda d: f"0:{d.randint(1, 3)}",
        ("nodeRanges",),
    ),
    (
        "multi-node job",
        "a range beyond the nodes",
        ("nodeOverrides", "nodeRanges", 0, "targetNodes"),
        lambda d: f"{d.randint(4, 999)}:",
        ("nodeRanges",),
    ),
    (
        "multi-node job",
        "a range that ends before it begins",
        ("nodeOverrides", "nodeRanges", 0, "targetNodes"),
        _backwards,
        ("nodeRanges",),
    ),
    ("multi-node job", "an array of multi-node jobs", ("array",), {"size": 2}, ("array",)),
    (
        "queue",
        "an environment that does not exist",
        ("computeEnvironments",),
        lambda d: [f"none-{d.randint(0, 99)}"],
        ("ComputeEnvironment none-",),
    ),
    ("queue", "an environment twice", ("computeEnvironments",), ["environment"] * 2, ("computeEnvironments",)),
    ("queue", "shares without fairness", ("schedulingPolicy", "type"), "FIFO", ("fairShare",)),
    (
        "queue",
        "a share and its beginning",
        ("schedulingPolicy", "fairShare", "shares"),
        [{"shareIdentifier": "red"}, {"shareIdentifier": "re*"}],
        ("shares",),
    ),
    (
        "queue",
        "values where none belong",
        ("namespaceSelector", "matchExpressions", 0, "operator"),
        "Exists",
        ("values",),
    ),
    ("environment", "both types", ("managed",), {"nodeClassRef": NODE_CLASS}, ("managed",)),
    (_MANAGED, "capacity that is kept warm", ("managed", "minVcpus"), _number(1, 8), ("minVcpus",)),
    (_MANAGED, "no ceiling", ("maxVcpus",), GONE, ("maxVcpus",)),
    (_MANAGED, "both types", ("unmanaged",), {}, ("managed",)),
    (_MANAGED, "families of another provider", ("managed", "nodeClassRef", "group"), "example.com", ("requirements",)),
    (_MANAGED, "a shape that no node may have", ("managed", "instanceTypes"), ["m5.xlarge"], ("shapes",)),
    (
        _MANAGED,
        "one type to wait for, and any may come",
        ("managed",),
        {"nodeClassRef": NODE_CLASS, "allocationStrategy": "BEST_FIT"},
        ("BEST_FIT means to wait for one instance type",),
    ),
    (
        _MANAGED,
        "a strategy for spot without any",
        ("managed",),
        lambda d: {
            "nodeClassRef": NODE_CLASS,
            "allocationStrategy": f"SPOT_{d.choice(['', 'PRICE_'])}CAPACITY_OPTIMIZED",
        },
        ("add Spot to capacityTypes",),
    ),
    (_MANAGED, "no values", ("managed", "requirements", 0, "values"), GONE, ("values",)),
    (
        _MANAGED,
        "values where none belong",
        ("managed", "requirements", 0, "operator"),
        "Exists",
        ("values",),
    ),
    (_MANAGED, "a word for a number", ("managed", "requirements", 0, "operator"), "Gt", ("values",)),
    (_SERVERLESS, "both types", ("unmanaged",), {}, ("serverless",)),
    (_SERVERLESS, "another type", ("type",), lambda d: d.choice(["Managed", "Unmanaged"]), ("managed",)),
    (_SERVERLESS, "no ceiling", ("maxVcpus",), GONE, ("maxVcpus",)),
    (_SERVERLESS, "nothing that tells which nodes", ("serverless", "nodeSelector"), lambda d: d.choice([{}, GONE]), ()),
    (_SERVERLESS, "fields of another provisioner", ("serverless", "provisioner"), "fargate", ("nodeSelector", "GPUs")),
    (_FARGATE, "devices that it does not have", ("maxGpus",), _number(1, 8), ("Fargate has no GPUs",)),
    (_FARGATE, "nodes to choose from", ("serverless", "nodeSelector"), {"type": "virtual-kubelet"}, ()),
    (_FARGATE, "taints of no node", ("serverless", "tolerations"), [{"operator": "Exists"}], ()),
    (
        _FARGATE,
        "sizes that are known",
        ("serverless", "sizes"),
        lambda d: [{"vcpus": d.choice([1, 2]), "memory": ["4Gi"]}],
        (),
    ),
    (
        "environment",
        "labels that no node has",
        ("unmanaged", "nodeSelector"),
        lambda d: {"no": f"node-{d.randint(0, 99)}"},
        ("nodeSelector",),
    ),
    (
        "environment",
        "a time without its effect",
        ("unmanaged", "tolerations", 0, "effect"),
        "NoSchedule",
        ("tolerationSeconds",),
    ),
    ("environment", "more memory than can be", ("maxMemory",), lambda d: "9" * d.randint(20, 32), ()),
)
