"""Good objects of the five kinds, and bad ones with the words that must tell people what is wrong.

The unit tests feed the bad ones to the models, the end-to-end tests to a real API server: both must refuse.
"""

from dataclasses import dataclass, field
from typing import Any

from batchyard.api import names

Json = dict[str, Any]

GOOD_SPECS: dict[str, Json] = {
    "JobDefinition": {"container": {"image": "busybox"}},
    "BatchJob": {"jobQueue": "urgent", "jobDefinition": "transcode"},
    "JobQueue": {"computeEnvironments": ["on-prem"]},
    "ComputeEnvironment": {"unmanaged": {}},
    "ConsumableResource": {"total": 10},
}


def manifest(kind: str, spec: Json | None = None, *, name: str = "sample", **fields: Any) -> Json:
    """An object whose spec is the good one of its kind with these fields; a field that is None is left out."""
    merged = {**GOOD_SPECS[kind], **fields} if spec is None else spec
    return {
        "apiVersion": names.API_VERSION,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {key: value for key, value in merged.items() if value is not None},
    }


@dataclass(frozen=True)
class Bad:
    """One mistake, and a piece of the message that each side must answer with."""

    id: str
    kind: str
    fields: Json = field(default_factory=dict)
    server: str = ""
    operator: str = ""
    """Left empty: the same words as the API server's."""
    name: str = "sample"

    @property
    def manifest(self) -> Json:
        return manifest(self.kind, name=self.name, **self.fields)

    @property
    def operator_says(self) -> str:
        return self.operator or self.server


def _job(id: str, server: str, operator: str = "", *, name: str = "sample", **fields: Any) -> Bad:  # noqa: A002
    return Bad(id, "BatchJob", fields, server, operator, name)


def _definition(id: str, server: str, operator: str = "", *, name: str = "sample", **fields: Any) -> Bad:  # noqa: A002
    return Bad(id, "JobDefinition", fields, server, operator, name)


def _container(id: str, server: str, operator: str = "", **fields: Any) -> Bad:  # noqa: A002
    return _definition(f"container-{id}", server, operator, container={"image": "busybox", **fields})


def _queue(id: str, server: str, operator: str = "", *, name: str = "sample", **fields: Any) -> Bad:  # noqa: A002
    return Bad(id, "JobQueue", fields, server, operator, name)


def _fair_queue(id: str, server: str, operator: str = "", **settings: Any) -> Bad:  # noqa: A002
    policy = {"type": "FairShare", "fairShare": settings}
    return _queue(f"fair-share-{id}", server, operator, schedulingPolicy=policy)


def _share(identifier: str, weight: float = 1) -> Json:
    return {"shareIdentifier": identifier, "weightFactor": weight}


def _environment(id: str, server: str, operator: str = "", *, name: str = "sample", **fields: Any) -> Bad:  # noqa: A002
    return Bad(id, "ComputeEnvironment", fields, server, operator, name)


def _serverless(id: str, server: str, serverless: Json, operator: str = "", **fields: Any) -> Bad:  # noqa: A002
    beside = {"type": "Serverless", "unmanaged": None, "maxVcpus": 16, **fields}
    return _environment(f"serverless-{id}", server, operator, **beside, serverless=serverless)


_VIRTUAL = {"type": "virtual-kubelet"}


def _of_sizes(*sizes: Json) -> Json:
    return {"provisioner": "virtualNodes", "nodeSelector": _VIRTUAL, "sizes": list(sizes)}


NODE_CLASS = {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"}
FOREIGN_CLASS = {"group": "example.com", "kind": "Machine", "name": "default"}


def _managed(id: str, server: str, operator: str = "", **managed: Any) -> Bad:  # noqa: A002
    fields = {"nodeClassRef": NODE_CLASS, **managed}
    made = {name: value for name, value in fields.items() if value is not None}
    return _environment(f"managed-{id}", server, operator, type="Managed", unmanaged=None, maxVcpus=16, managed=made)


def _shape(instance_type: str, **fields: Any) -> Json:
    return {"instanceType": instance_type, "vcpus": 4, "memory": "16Gi", **fields}


def _consumable(id: str, server: str, operator: str = "", *, name: str = "sample", **fields: Any) -> Bad:  # noqa: A002
    return Bad(id, "ConsumableResource", fields, server, operator, name)


TEMPLATE: Json = {"spec": {"containers": [{"name": "main", "image": "busybox"}]}}
STOPPED = {"indexes": "1", "reason": "bad input"}
RERUN: Json = {"size": 4, "rerun": {"job": "sweep"}}
NOT_YET = "not supported by this version of Batchyard"

BAD_JOBS = (
    _job("parameter-without-a-name", "has 1 to 128 characters", parameters={"": "x"}),
    _job("name-too-long", "at most 52 characters", name="a" * 53),
    _job("name-with-dot", "may not contain '.'", name="v1.transcode"),
    _job("no-queue", "spec.jobQueue: Required value", "spec.jobQueue is required", jobQueue=None),
    _job("no-definition", "spec.jobDefinition: Required value", "spec.jobDefinition is required", jobDefinition=None),
    _job("unknown-field", 'unknown field "spec.jobQeue"', "did you mean jobQueue?", jobQeue="urgent"),
    _job("queue-not-text", "must be of type string", "spec.jobQueue must be text", jobQueue=7),
    _job("queue-not-a-name", "must be the name of an object: lower case", jobQueue="Urgent!"),
    _job("queue-empty", "must be the name of an object: lower case", jobQueue=""),
    _job("definition-revision-0", "name:revision such as transcode:3", jobDefinition="transcode:0"),
    _job("definition-revision-word", "name:revision such as transcode:3", jobDefinition="transcode:latest"),
    _job("definition-too-long", "may not be more than 80", "at most 80 characters", jobDefinition="a" * 81),
    _job("parameters-list", "must be of type object", "spec.parameters must be an object", parameters=["a"]),
    _job("parameter-number", "must be of type string", "must be text; put it in quotes, not 3", parameters={"n": 3}),
    _job(
        "too-many-parameters",
        "must have at most 256",
        "at most 256 entries",
        parameters={f"p{number}": "x" for number in range(257)},
    ),
    _job("timeout-0", "greater than or equal to 1", "at least 1, not 0", timeout={"attemptDurationSeconds": 0}),
    _job("timeout-text", "must be of type integer", "must be a whole number", timeout={"attemptDurationSeconds": "1h"}),
    _job("timeout-empty", "Required value", "attemptDurationSeconds is required", timeout={}),
    _job("ttl-negative", "greater than or equal to 0", "at least 0, not -1", ttlSecondsAfterFinished=-1),
    _job("ttl-fraction", "must be of type integer", "must be a whole number", ttlSecondsAfterFinished=1.5),
    _job("attempts-0", "greater than or equal to 1", "at least 1, not 0", retryStrategy={"attempts": 0}),
    _job("attempts-11", "less than or equal to 10", "at most 10, not 11", retryStrategy={"attempts": 11}),
    _job(
        "backoff-shrinks",
        "maxSeconds (300 if left out) must be at least initialSeconds (10 if left out)",
        retryStrategy={"backoff": {"initialSeconds": 60, "maxSeconds": 5}},
    ),
    _job(
        "backoff-below-a-default",
        "spec.retryStrategy.backoff.maxSeconds: Invalid value: maxSeconds (300 if left out) must be at least",
        "spec.retryStrategy.backoff.maxSeconds: maxSeconds (300 if left out) must be at least initialSeconds (10 if",
        retryStrategy={"backoff": {"maxSeconds": 5}},
    ),
    _job(
        "amount-of-nothing",
        "spec.containerOverrides[0].resources.requests: Invalid value: each amount needs the name of a resource",
        "spec.containerOverrides[0].resources.requests: each amount needs the name of a resource",
        containerOverrides=[{"resources": {"requests": {"": "1"}}}],
    ),
    _job(
        "amount-of-a-long-name",
        "each amount needs the name of a resource",
        containerOverrides=[{"resources": {"requests": {f"x/{'y' * 24_000}": "1"}}}],
    ),
    _job(
        "amount-of-a-forged-name",
        "each amount needs the name of a resource",
        containerOverrides=[{"resources": {"limits": {"a\nEvents:\n  b": 1}}}],
    ),
    _job(
        "amount-of-forty-digits",
        "cpu: Too long: may not be more than 32",
        '"11111111111111111111…" is not a quantity',
        containerOverrides=[{"resources": {"requests": {"cpu": "1" * 40}}}],
    ),
    _job(
        "backoff-multiplier",
        "greater than or equal to 1",
        "at least 1, not 0.5",
        retryStrategy={"backoff": {"multiplier": 0.5}},
    ),
    _job(
        "growth-alone",
        "onOutOfMemory needs attempts of 2 or more",
        "attempts of 2 or more",
        retryStrategy={"onOutOfMemory": {}},
    ),
    _job(
        "interruption",
        "onDemandAfter: Required value",
        "onDemandAfter is required",
        retryStrategy={"onInterruption": {}},
    ),
    _job(
        "interruption-0",
        "greater than or equal to 1",
        "at least 1, not 0",
        retryStrategy={"onInterruption": {"onDemandAfter": 0}},
    ),
    _job(
        "backoff-jitter",
        "less than or equal to 1",
        "at most 1, not 1.5",
        retryStrategy={"backoff": {"jitter": 1.5}},
    ),
    _job(
        "override-twice",
        'Duplicate value: {"name":"main"}',
        'two entries have the name "main"',
        containerOverrides=[{"image": "a"}, {"image": "b"}],
    ),
    _job(
        "override-reserved-env",
        "names beginning with AWS_BATCH are set by Batchyard",
        containerOverrides=[{"env": [{"name": "AWS_BATCH_JOB_ID", "value": "1"}]}],
    ),
    _job(
        "override-quantity",
        'Invalid value: "2 cores"',
        '"2 cores" is not a quantity',
        containerOverrides=[{"resources": {"requests": {"cpu": "2 cores"}}}],
    ),
    _job("override-unknown-field", "unknown field", "is not a field", containerOverrides=[{"volumes": []}]),
    _job("override-not-a-list", "must be of type array", "must be a list", containerOverrides="a"),
    _job("suspend-text", "must be of type boolean", "must be true or false", suspend="yes"),
    _job("stop-text", "must be of type object", "spec.stop must be an object", stop="Cancel"),
    _job(
        "stop-mode", "Unsupported value", "must be one of 'Cancel' or 'Terminate'", stop={"mode": "Kill", "reason": "x"}
    ),
    _job("stop-without-mode", "spec.stop.mode: Required value", "spec.stop.mode is required", stop={"reason": "x"}),
    _job(
        "stop-without-reason",
        "spec.stop.reason: Required value",
        "spec.stop.reason is required",
        stop={"mode": "Cancel"},
    ),
    _job(
        "stop-reason-empty",
        "at least 1 chars long",
        "must not be empty",
        stop={"mode": "Cancel", "reason": ""},
    ),
    _job("array-0", "greater than or equal to 1", "at least 1, not 0", array={"size": 0}),
    _job("array-too-large", "less than or equal to 100000", "at most 100000", array={"size": 100_001}),
    *(
        _job(f"depends-{entry['type']}", are_for_arrays, are_for_arrays, dependsOn=[{"job": "sort"}, entry])
        for entry in ({"type": "Sequential"}, {"job": "fetch", "type": "NToN"})
        for are_for_arrays in ["the types NToN, and Sequential without a job, are for arrays"]
    ),
    _job("stop-indexes-of-no-array", "stopIndexes is for arrays", "stopIndexes is for arrays", stopIndexes=[STOPPED]),
    _job(
        "stop-indexes-wrong",
        "must be indexes and ranges of them",
        "must be indexes and ranges of them",
        array={"size": 4},
        stopIndexes=[{**STOPPED, "indexes": "1-"}],
    ),
    _job(
        "stop-indexes-huge",
        "an index has at most six digits",
        array={"size": 4},
        stopIndexes=[{**STOPPED, "indexes": "9" * 900}],
    ),
    _job(
        "stop-indexes-of-any-length",
        "may not be more than 1000",
        "at most 1000 characters",
        array={"size": 4},
        stopIndexes=[{**STOPPED, "indexes": ",".join(["7"] * 501)}],
    ),
    _job(
        "rerun-of-huge-indexes",
        "an index has at most six digits",
        array={"size": 4, "rerun": {"job": "sweep", "indexes": "0-" + "9" * 3900}},
    ),
    _job(
        "rerun-of-words",
        "must be Failed, or indexes and ranges of them, such as 3,7-9",
        array={"size": 4, "rerun": {"job": "sweep", "indexes": "all"}},
    ),
    _job(
        "rerun-without-job",
        "rerun.job: Required value",
        "spec.array.rerun.job is required",
        array=RERUN | {"rerun": {}},
    ),
    _job("rerun-of-itself", "an array cannot run indexes of itself again", array=RERUN, name="sweep"),
    _job(
        "rerun-and-dependency",
        "a rerun waits for the end of the array that it names: remove that one from dependsOn",
        array=RERUN,
        dependsOn=[{"job": "sweep", "type": "Failed"}],
    ),
    _job("array-without-size", "spec.array.size: Required value", "spec.array.size is required", array={}),
    _job(
        "depends-twice",
        "each job may be named once only",
        dependsOn=[{"job": "fetch"}, {"job": "fetch", "type": "Finished"}],
    ),
    _job("depends-unknown-type", "Unsupported value", "must be one of", dependsOn=[{"job": "fetch", "type": "After"}]),
    _job("depends-on-itself", "a job cannot depend on itself", name="itself", dependsOn=[{"job": "itself"}]),
    _job("depends-on-nothing", "job is required unless type is Sequential", dependsOn=[{"type": "NToN"}]),
    _job(
        "depends-too-many",
        "must have at most 20 items",
        "at most 20 entries",
        dependsOn=[{"job": f"job-{number}"} for number in range(21)],
    ),
    _job("share-with-underscore", "must be letters, digits and '-'", shareIdentifier="team_a"),
    _job("priority-override", "less than or equal to 9999", "at most 9999", schedulingPriorityOverride=10_000),
    _job(
        "node-overrides-range",
        "must be a node index of at most three digits, or a range",
        nodeOverrides={"nodeRanges": [{"targetNodes": "all"}]},
    ),
)

BAD_DEFINITIONS = (
    _definition("name-too-long", "at most 63 characters", name="a" * 64),
    _definition("no-form", "exactly one of container, template and multiNode", container=None),
    _definition("two-forms", "exactly one of container, template and multiNode", template=TEMPLATE),
    _definition("template-empty", "give spec.containers", container=None, template={}),
    _definition(
        "template-without-containers", "give spec.containers", container=None, template={"spec": {"containers": []}}
    ),
    _definition(
        "node-range-template-empty",
        "give spec.containers",
        container=None,
        multiNode={"numNodes": 2, "nodeRanges": [{"targetNodes": "0:", "template": {}}]},
    ),
    _definition(
        "node-range-of-many-digits",
        "a node index of at most three digits",
        container=None,
        multiNode={"numNodes": 2, "nodeRanges": [{"targetNodes": "0:9999999", "container": {"image": "busybox"}}]},
    ),
    _definition("template-text", "must be of type object", "must be an object", container=None, template="pod"),
    _definition("parameter-name", "has 1 to 128 characters", parameters={"a" * 129: ""}),
    _definition("unknown-field", 'unknown field "spec.retries"', "spec.retries is not a field", retries=3),
    _definition(
        "one-zone-for-single-jobs", "zonePolicy Single is for multi-node jobs: choose the zone", zonePolicy="Single"
    ),
    _definition(
        "zones-for-multi-node-jobs",
        "zonePolicy Spread is for single jobs and arrays: nodes of a multi-node job work together",
        container=None,
        multiNode={"numNodes": 2, "nodeRanges": [{"targetNodes": "0:", "container": {"image": "busybox"}}]},
        zonePolicy="Spread",
    ),
    _definition("zone-policy", "Unsupported value", "must be one of 'Any', 'Spread'", zonePolicy="Zonal"),
    _definition("attempts-text", "must be of type integer", "must be a whole number", retryStrategy={"attempts": "3"}),
    _definition(
        "rules-without-retry",
        "needs attempts of 2",
        retryStrategy={"evaluateOnExit": [{"onReason": "*", "action": "Exit"}]},
    ),
    _definition(
        "rule-without-condition",
        "at least one of onExitCode",
        retryStrategy={"attempts": 2, "evaluateOnExit": [{"action": "Exit"}]},
    ),
    _definition(
        "rule-exit-code",
        "must be digits",
        retryStrategy={"attempts": 2, "evaluateOnExit": [{"onExitCode": "13?", "action": "Exit"}]},
    ),
    _definition(
        "rule-action",
        "Unsupported value",
        "must be one of 'Retry' or 'Exit'",
        retryStrategy={"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "Stop"}]},
    ),
    _definition(
        "too-many-rules",
        "must have at most 5 items",
        "at most 5 entries",
        retryStrategy={"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "Exit"}] * 6},
    ),
    _definition(
        "memory-multiplier",
        "greater than 1",
        "more than 1",
        retryStrategy={"onOutOfMemory": {"memoryMultiplier": 1}},
    ),
    _definition("grace-negative", "greater than or equal to 0", "at least 0", startupGraceSeconds=-5),
    _definition("history-0", "greater than or equal to 1", "at least 1", revisionHistoryLimit=0),
    _definition("inactive-0", "greater than or equal to 1", "at least 1", inactiveRevisions=[0]),
    _definition("inactive-twice", "Duplicate value: 2", "each value may be listed once only", inactiveRevisions=[2, 2]),
    _definition("priority", "less than or equal to 9999", "at most 9999", schedulingPriority=10_000),
    _definition(
        "consumable-twice",
        "Duplicate value",
        'two entries have the name "licence"',
        consumableResources=[{"name": "licence"}, {"name": "licence"}],
    ),
    _definition(
        "consumable-quantity-0",
        "greater than or equal to 1",
        "at least 1, not 0",
        consumableResources=[{"name": "licence", "quantity": 0}],
    ),
    _definition(
        "consumable-name", "must be the name of an object: lower case", consumableResources=[{"name": "Licence!"}]
    ),
    _definition(
        "main-node",
        "mainNode must be less than numNodes",
        container=None,
        multiNode={
            "numNodes": 2,
            "mainNode": 2,
            "nodeRanges": [{"targetNodes": "0:", "container": {"image": "busybox"}}],
        },
    ),
    _definition(
        "node-range-form",
        "exactly one of container and template must be set",
        container=None,
        multiNode={"numNodes": 2, "nodeRanges": [{"targetNodes": "0:"}]},
    ),
    _definition("container-no-image", "spec.container.image: Required value", "image is required", container={}),
    _container("image-empty", "at least 1 chars long", "must not be empty", image=""),
    _container("name", "must be a container name", name="Main_1"),
    _container("command-text", "must be of type array", "must be a list", command="sleep 1"),
    _container("command-number", "must be of type string", "must be text", command=["sleep", 1]),
    _container("env-name", "must be the name of an environment variable", env=[{"name": "1A", "value": "x"}]),
    _container("env-reserved", "names beginning with AWS_BATCH", env=[{"name": "AWS_BATCH_X", "value": "x"}]),
    _container(
        "env-twice",
        "Duplicate value",
        'two entries have the name "A"',
        env=[{"name": "A"}, {"name": "A", "value": "1"}],
    ),
    _container("env-number", "must be of type string", "must be text", env=[{"name": "A", "value": 1}]),
    _container(
        "env-two-sources",
        "value and valueFrom exclude each other",
        env=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
    ),
    _container(
        "quantity",
        'limits[memory]: Invalid value: "lots": must be a quantity of at least 0, such as 500m, 2 or 4Gi',
        'limits.memory: "lots" is not a quantity of at least 0, such as 500m, 2 or 4Gi',
        resources={"limits": {"memory": "lots"}},
    ),
    _container("amount-of-nothing", "each amount needs the name of a resource", resources={"limits": {"": "1"}}),
    _container("node-selector-without-key", "each key must be that of a label", nodeSelector={"": "fast"}),
    _container("node-selector-key", "each key must be that of a label", nodeSelector={"disk type": "fast"}),
    _container("node-selector-value", "must be the value of a label", nodeSelector={"disk": "very fast"}),
    _container("toleration-key-with-space", "must be the key of a label", tolerations=[{"key": "a b", "value": "x"}]),
    _container("quantity-fraction", "cpu", "must be text", resources={"requests": {"cpu": 0.5}}),
    _container("quantity-negative", "cpu", '"-1" is not a quantity', resources={"requests": {"cpu": -1}}),
    _container("quantity-negative-text", "cpu", '"-1" is not a quantity', resources={"requests": {"cpu": "-1"}}),
    _container("pull-policy", "Unsupported value", "must be 'Always'", imagePullPolicy="Sometimes"),
    _container("service-account", "must be the name of an object", serviceAccountName="Robot"),
    _container("toleration-value", "value must be left out", tolerations=[{"operator": "Exists", "value": "x"}]),
    _container("toleration-key", "key must be given unless", tolerations=[{"value": "x"}]),
    _container(
        "toleration-seconds",
        "tolerationSeconds needs the effect NoExecute",
        tolerations=[{"key": "spot", "tolerationSeconds": 5}],
    ),
)

BAD_QUEUES = (
    _queue("name-too-long", "at most 63 characters", name="a" * 64),
    _queue("no-environments", "Required value", "computeEnvironments is required", computeEnvironments=None),
    _queue("empty-environments", "should have at least 1 items", "at least 1 entry", computeEnvironments=[]),
    _queue("environment-twice", "may be listed once only", computeEnvironments=["on-prem", "on-prem"]),
    _queue("environment-name", "must be the name of an object", computeEnvironments=["On Prem"]),
    _queue(
        "too-many-environments",
        "must have at most 10 items",
        "at most 10 entries",
        computeEnvironments=[f"ce-{number}" for number in range(11)],
    ),
    _queue("priority-negative", "greater than or equal to 0", "at least 0", priority=-1),
    _queue("priority-text", "must be of type integer", "must be a whole number", priority="high"),
    _queue("state", 'supported values: "Enabled", "Disabled"', "must be one of", state="On"),
    _queue("unknown-field", "unknown field", "did you mean priority?", prioritty=1),
    _queue("policy", 'supported values: "FIFO", "FairShare"', "must be one of", schedulingPolicy={"type": "LIFO"}),
    _queue("fair-share-without-type", "fairShare needs the type FairShare", schedulingPolicy={"fairShare": {}}),
    _fair_queue("weight-0", "greater than 0", "more than 0", shares=[_share("a", 0)]),
    _fair_queue("weight-tiny", "must be at least 0.0001", shares=[_share("a", 0.00001)]),
    _fair_queue("weight-1000", "less than or equal to 999", "at most 999.9999", shares=[_share("a", 1000)]),
    _fair_queue("share-twice", "Duplicate value", 'two entries have the shareIdentifier "a"', shares=[_share("a")] * 2),
    _fair_queue("share-with-underscore", "must be letters, digits and '-'", shares=[_share("team_a")]),
    _fair_queue("shares-overlap", "may not cover another entry", shares=[_share("team*"), _share("teamA")]),
    _fair_queue("beginnings-overlap", "may not cover another entry", shares=[_share("a1*"), _share("b"), _share("a*")]),
    _fair_queue("share-overlaps-itself", "may not cover another entry", shares=[_share("a"), _share("a*")]),
    _fair_queue("decay-negative", "greater than or equal to 0", "at least 0", shareDecaySeconds=-1),
    _fair_queue("decay-too-long", "less than or equal to 604800", "at most 604800", shareDecaySeconds=604_801),
    _fair_queue("reservation-100", "less than or equal to 99", "at most 99", computeReservation=100),
    _queue(
        "selector-without-key",
        "spec.namespaceSelector.matchLabels: Invalid value: each key must be that of a label",
        "spec.namespaceSelector.matchLabels: each key must be that of a label",
        namespaceSelector={"matchLabels": {"": "x"}},
    ),
    _queue(
        "selector-expression-key",
        "must be the key of a label",
        namespaceSelector={"matchExpressions": [{"key": "a b", "operator": "Exists"}]},
    ),
    _queue(
        "selector-values",
        "values must be given for the operators In and NotIn",
        namespaceSelector={"matchExpressions": [{"key": "team", "operator": "In"}]},
    ),
    _queue(
        "selector-operator",
        "Unsupported value",
        "must be 'In'",
        namespaceSelector={"matchExpressions": [{"key": "team", "operator": "Like"}]},
    ),
    _queue(
        "time-limit",
        "greater than or equal to 600",
        "at least 600",
        jobStateTimeLimits=[{"reason": "NoNodes", "maxTimeSeconds": 5}],
    ),
    _queue(
        "time-limit-reason",
        'Unsupported value: "Capacity"',
        "must be one of",
        jobStateTimeLimits=[{"reason": "Capacity", "maxTimeSeconds": 600}],
    ),
    _queue(
        "time-limit-twice",
        'Duplicate value: {"reason":"NoNodes"}',
        'two entries have the reason "NoNodes"',
        jobStateTimeLimits=[{"reason": "NoNodes", "maxTimeSeconds": 600}, {"reason": "NoNodes", "maxTimeSeconds": 900}],
    ),
    _queue("bypass-8-days", "less than or equal to 604800", "at most 604800", queueing={"maxBypassSeconds": 691200}),
    _queue("bypass-negative", "greater than or equal to 0", "at least 0", queueing={"maxBypassSeconds": -1}),
    _queue("queueing-policy", 'Unsupported value: "Backfill"', "must be one of", queueing={"policy": "Backfill"}),
    _queue("running-0", "greater than or equal to 1", "at least 1", limits={"maxRunningJobs": 0}),
    _queue(
        "running-per-share-without-shares",
        "maxRunningJobsPerShare needs the scheduling policy FairShare",
        limits={"maxRunningJobsPerShare": 2},
    ),
    _fair_queue(
        "share-running-0",
        "greater than or equal to 1",
        "at least 1",
        shares=[{"shareIdentifier": "red", "maxRunningJobs": 0}],
    ),
)

BAD_ENVIRONMENTS = (
    _environment("name-too-long", "at most 63 characters", name="a" * 64),
    _environment("no-unmanaged", "write `unmanaged: {}` to use all nodes", unmanaged=None),
    _environment("both-types", "needs unmanaged, and nothing else of the kind", managed={"nodeClassRef": NODE_CLASS}),
    _environment("managed-missing", "the type Managed needs managed", type="Managed", unmanaged=None, maxVcpus=16),
    _environment(
        "managed-and-unmanaged",
        "the type Managed needs managed, and neither unmanaged nor serverless",
        type="Managed",
        maxVcpus=16,
        managed={"nodeClassRef": NODE_CLASS},
    ),
    _environment(
        "managed-without-ceiling",
        "the types Managed and Serverless need maxVcpus: nothing else keeps them from growing without end",
        type="Managed",
        unmanaged=None,
        managed={"nodeClassRef": NODE_CLASS},
    ),
    _environment(
        "serverless-missing",
        "the type Serverless needs serverless, and neither unmanaged nor managed",
        type="Serverless",
        unmanaged=None,
        maxVcpus=16,
    ),
    _environment(
        "serverless-without-ceiling",
        "the types Managed and Serverless need maxVcpus: nothing else keeps them from growing without end",
        type="Serverless",
        unmanaged=None,
        serverless={"provisioner": "fargate"},
    ),
    _serverless("fargate-with-gpus", "Fargate has no GPUs", {"provisioner": "fargate"}, maxGpus=1),
    _serverless(
        "fargate-selector",
        "nodeSelector, tolerations and sizes are for virtualNodes",
        {"provisioner": "fargate", "nodeSelector": {"type": "virtual-kubelet"}},
    ),
    _serverless("virtual-nodes-which", "virtualNodes needs nodeSelector", {"provisioner": "virtualNodes"}),
    _serverless(
        "namespace-pattern",
        "must be a namespace, in which * and ? may stand for anything",
        {"provisioner": "fargate", "namespaces": ["Team"]},
    ),
    _serverless(
        "and-unmanaged",
        "the type Serverless needs serverless, and neither unmanaged nor managed",
        {"provisioner": "fargate"},
        unmanaged={},
    ),
    _serverless(
        "of-another-type",
        "the type Unmanaged needs unmanaged, and nothing else of the kind",
        {"provisioner": "fargate"},
        type="Unmanaged",
        unmanaged={},
    ),
    _serverless(
        "provisioner",
        'supported values: "fargate", "virtualNodes"',
        {"provisioner": "lambda"},
        "must be one of 'fargate' or 'virtualNodes', not \"lambda\"",
    ),
    _serverless(
        "without-provisioner",
        "spec.serverless.provisioner: Required value",
        {"nodeSelector": _VIRTUAL},
        "spec.serverless.provisioner is required",
    ),
    *(
        _serverless(
            f"fargate-{field}",
            "nodeSelector, tolerations and sizes are for virtualNodes",
            {"provisioner": "fargate", field: value},
        )
        for field, value in (("tolerations", [{"operator": "Exists"}]), ("sizes", [{"vcpus": 1, "memory": ["2Gi"]}]))
    ),
    _serverless(
        "virtual-nodes-any", "virtualNodes needs nodeSelector", {"provisioner": "virtualNodes", "nodeSelector": {}}
    ),
    _serverless(
        "namespace-twice",
        'Duplicate value: "audio"',
        {"provisioner": "fargate", "namespaces": ["audio", "audio"]},
        "each value may be listed once only",
    ),
    _serverless(
        "namespace-of-a-set",
        "must be a namespace, in which * and ? may stand for anything",
        {"provisioner": "fargate", "namespaces": ["[a-z]*"]},
    ),
    _serverless(
        "size-twice",
        "Duplicate value: {",
        _of_sizes({"vcpus": 1, "memory": ["2Gi"]}, {"vcpus": 1, "memory": ["4Gi"]}),
        "two entries have the vcpus",
    ),
    _serverless(
        "size-without-memory",
        "spec.serverless.sizes[0].memory in body should have at least 1 items",
        _of_sizes({"vcpus": 1, "memory": []}),
        "spec.serverless.sizes[0].memory",
    ),
    _serverless("size-of-nothing", "greater than 0", _of_sizes({"vcpus": 0, "memory": ["2Gi"]}), "more than 0"),
    _serverless(
        "size-in-words",
        'Invalid value: "2 GB"',
        _of_sizes({"vcpus": 1, "memory": ["2 GB"]}),
        '"2 GB" is not a quantity',
    ),
    _serverless(
        "alone",
        "greater than or equal to 10",
        {"provisioner": "fargate", "leaveAloneSeconds": 5},
        "at least 10, not 5",
    ),
    _serverless(
        "ended-before-its-end",
        "greater than or equal to 0",
        {"provisioner": "fargate", "endedPodSeconds": -1},
        "at least 0, not -1",
    ),
    _environment("type", 'supported values: "Managed", "Unmanaged", "Serverless"', "must be one of", type="Lambda"),
    _environment("vcpus-0", "greater than 0", "more than 0", maxVcpus=0),
    _environment("vcpus-text", "must be of type number", "must be a number", maxVcpus="16"),
    _environment("memory", 'Invalid value: "64 GB"', '"64 GB" is not a quantity', maxMemory="64 GB"),
    _environment("gpus-negative", "greater than or equal to 0", "at least 0", maxGpus=-1),
    _environment("gpus-fraction", "must be of type integer", "must be a whole number", maxGpus=0.5),
    _environment("selector-without-key", "each key must be that of a label", unmanaged={"nodeSelector": {"": "fast"}}),
    _environment("selector-value", "must be the value of a label", unmanaged={"nodeSelector": {"pool": "a b"}}),
    _environment("selector-number", "must be of type string", "must be text", unmanaged={"nodeSelector": {"pool": 1}}),
    _environment(
        "toleration",
        "key must be given unless operator is Exists",
        unmanaged={"tolerations": [{"effect": "NoSchedule"}]},
    ),
    _environment("unknown-field", "unknown field", "did you mean maxVcpus?", maxVCpus=4),
)

BAD_MANAGED = (
    _managed("without-class", "nodeClassRef: Required value", "nodeClassRef is required", nodeClassRef=None),
    _managed(
        "class-without-name",
        "nodeClassRef.name: Required value",
        "nodeClassRef.name is required",
        nodeClassRef={"group": "karpenter.k8s.aws", "kind": "EC2NodeClass"},
    ),
    _managed("provisioner", "Unsupported value", "must be one of 'karpenter'", provisioner="autoscaler"),
    _managed("capacity-type", "Unsupported value", "must be 'OnDemand' or 'Spot'", capacityTypes=["Reserved"]),
    _managed("no-capacity-type", "at least 1 items", "at least 1 entry", capacityTypes=[]),
    _managed(
        "families-of-another-provider",
        "are known of the node classes of karpenter.k8s.aws and karpenter.kwok.sh only",
        nodeClassRef=FOREIGN_CLASS,
        instanceFamilies=["m5"],
    ),
    _managed(
        "generation-of-another-provider",
        "name the labels of your provider in requirements",
        nodeClassRef=FOREIGN_CLASS,
        minGeneration=5,
    ),
    _managed("generation-0", "greater than or equal to 1", "at least 1, not 0", minGeneration=0),
    _managed("types-twice", "Duplicate value", "each value may be listed once only", instanceTypes=["a", "a"]),
    _managed(
        "shape-that-no-node-may-have",
        "shapes and instanceTypes name different instance types",
        instanceTypes=["m5.large"],
        shapes=[_shape("m5.large"), _shape("m5.xlarge")],
    ),
    _managed(
        "shape-twice",
        "Duplicate value",
        'two entries have the instanceType "m5.large"',
        shapes=[_shape("m5.large"), _shape("m5.large")],
    ),
    _managed("shape-of-nothing", "greater than 0", "more than 0", shapes=[_shape("m5.large", vcpus=0)]),
    _managed("shape-memory", 'Invalid value: "16 GB"', "is not a quantity", shapes=[_shape("a", memory="16 GB")]),
    *(
        _managed(f"requirement-{each['operator']}", "values must be given for the operators In", requirements=[each])
        for each in (
            {"key": "example.com/rack", "operator": "Gt", "values": ["many"]},
            {"key": "example.com/rack", "operator": "Lt", "values": ["1", "2"]},
            {"key": "example.com/rack", "operator": "In"},
            {"key": "example.com/rack", "operator": "Exists", "values": ["a"]},
        )
    ),
    _managed(
        "requirement-key",
        "must be the key of a label",
        requirements=[{"key": "my rack", "operator": "Exists"}],
    ),
    _managed("pending-pods-0", "greater than or equal to 1", "at least 1, not 0", maxPendingPods=0),
    _managed(
        "on-demand-percent-of-one",
        "onDemandPercent needs both OnDemand and Spot in capacityTypes",
        capacityTypes=["Spot"],
        onDemandPercent=20,
    ),
    _managed("on-demand-percent-default", "onDemandPercent needs both OnDemand and Spot", onDemandPercent=20),
    _managed(
        "on-demand-percent",
        "less than or equal to 100",
        "at most 100, not 120",
        capacityTypes=["OnDemand", "Spot"],
        onDemandPercent=120,
    ),
    _managed(
        "best-fit-of-any-type",
        "BEST_FIT means to wait for one instance type: name just one in instanceTypes or shapes",
        allocationStrategy="BEST_FIT",
    ),
    _managed(
        "best-fit-of-two-types",
        "BEST_FIT means to wait for one instance type: name just one in instanceTypes or shapes",
        allocationStrategy="BEST_FIT",
        instanceTypes=["m5.large", "m5.xlarge"],
        shapes=[_shape("m5.large"), _shape("m5.xlarge")],
    ),
    *(
        _managed(
            f"{strategy.lower().replace('_', '-')}-on-demand",
            "are about spot nodes: add Spot to capacityTypes",
            allocationStrategy=strategy,
        )
        for strategy in ("SPOT_CAPACITY_OPTIMIZED", "SPOT_PRICE_CAPACITY_OPTIMIZED")
    ),
    _managed(
        "strategy-of-another-spelling",
        "Unsupported value",
        "must be one of 'BEST_FIT', 'BEST_FIT_PROGRESSIVE', ",
        allocationStrategy="best_fit",
    ),
    _managed("grace", "greater than or equal to 0", "at least 0, not -1", onShortage={"graceSeconds": -1}),
    _managed("alone", "greater than or equal to 10", "at least 10, not 5", onShortage={"leaveAloneSeconds": 5}),
    _managed("idle-negative", "greater than or equal to 0", "at least 0, not -1", idleSeconds=-1),
    _managed("deletion-policy", "Unsupported value", "must be one of 'Wait' or 'Drain'", deletionPolicy="Keep"),
)

BAD_CONSUMABLES = (
    _consumable("name-too-long", "at most 63 characters", name="a" * 64),
    _consumable("no-total", "spec.total: Required value", "spec.total is required", total=None),
    _consumable("total-negative", "greater than or equal to 0", "at least 0, not -1", total=-1),
    _consumable("total-fraction", "must be of type integer", "must be a whole number", total=1.5),
    _consumable("type", 'Unsupported value: "Leased"', "must be one of", type="Leased"),
    _consumable("unknown-field", 'unknown field "spec.totl"', "did you mean total?", totl=3),
)

BAD = (*BAD_JOBS, *BAD_DEFINITIONS, *BAD_QUEUES, *BAD_ENVIRONMENTS, *BAD_MANAGED, *BAD_CONSUMABLES)

# What the API describes but this version refuses.
REFUSED = (_managed("min-vcpus", f"capacity that is kept warm is {NOT_YET}", minVcpus=1),)
