"""Objects that make no sense, drawn from the CRDs' schemas and beyond what those let through; repeatable by a seed.

Most of an object is as it should be, else the first check would refuse it and nothing behind would be reached.
"""

import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from objects.api import NODE_CLASS

Json = Any

KINDS = ("BatchJob", "JobDefinition", "JobQueue", "ComputeEnvironment", "ConsumableResource")
NAMES = {kind: [f"{kind.lower()}-{number}" for number in range(6)] for kind in KINDS}
"""Names under which odd objects come and go, so that others refer to them."""

_CRDS = Path(__file__).parents[2] / "crds"
_REFERENCES = {
    "jobQueue": "JobQueue",
    "jobDefinition": "JobDefinition",
    "computeEnvironments": "ComputeEnvironment",
    "job": "BatchJob",
}


@functools.cache
def schema(kind: str) -> dict[str, Json]:
    """The schema of a kind's spec."""
    text = (_CRDS / f"batchyard.dev_{kind.lower()}s.yaml").read_text(encoding="utf-8")
    whole = yaml.safe_load(text)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    found: dict[str, Json] = whole["properties"]["spec"]
    return found


class Odd:
    """Draws objects."""

    def __init__(self, seed: int, oddity: float = 0.03) -> None:
        self.random = random.Random(seed)  # noqa: S311 - has to be repeatable
        self.oddity = oddity
        """How likely each single value is another than it should be."""

    def spec(self, kind: str) -> Json:
        """The spec of an object of Batchyard's."""
        spec = self._value(schema(kind), "", kind)
        return self._sensible(kind, spec) if isinstance(spec, dict) else spec

    def _sensible(self, kind: str, spec: dict[str, Json]) -> dict[str, Json]:
        """What hardly any object could do without; which alternatives go together stands in rules, not in schemas."""
        chance = self.random.random
        if kind == "JobDefinition":
            forms = ("container", "template", "multiNode")
            kept = self.random.choice([*forms, "template"]) if chance() < 0.95 else ""
            spec = {name: each for name, each in spec.items() if name not in forms or name == kept or not kept}
            if kept == "template":
                spec["template"] = self.pod_template()
            elif kept and kept not in spec:
                spec[kept] = self._value(schema(kind)["properties"][kept], kept, kind)
        if kind == "BatchJob" and chance() < 0.9:
            for field in ("array", "nodeOverrides", "stopIndexes", "stop", "dependsOn", "containerOverrides"):
                if chance() < 0.7:
                    spec.pop(field, None)
        if kind == "ComputeEnvironment" and chance() < 0.9:
            kept, other = self.random.choice(
                [("Managed", "unmanaged"), ("Unmanaged", "managed"), ("Unmanaged", "managed")]
            )
            spec.pop(other, None)
            spec["type"] = kept
            spec.setdefault(kept.lower(), {"nodeClassRef": NODE_CLASS} if kept == "Managed" else {})
            spec.setdefault("maxVcpus", 8)
        return spec

    def pod_template(self) -> Json:
        """A template such as people write, with odd values in it."""
        container = {
            "name": "main",
            "image": "busybox",
            "command": ["echo", "Ref::word", "$(VAR)"],
            "args": ["a"],
            "env": [{"name": "VAR", "value": "x"}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}},
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            "livenessProbe": {"exec": {"command": ["true"]}},
        }
        init = {"name": "init", "image": "busybox", "restartPolicy": "Always", "resources": {"requests": {"cpu": 1}}}
        template = {
            "metadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}},
            "spec": {
                "containers": [container, {"name": "side", "image": "busybox"}],
                "initContainers": [init],
                "volumes": [{"name": "data", "emptyDir": {}}],
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "overhead": {"cpu": "10m"},
                "resources": {"requests": {"cpu": "200m"}},
                "activeDeadlineSeconds": 60,
                "terminationGracePeriodSeconds": 5,
                "hostname": "here",
            },
        }
        return self._spoiled(template)

    def _spoiled(self, value: Json) -> Json:
        """The same with some parts left out and some odd."""
        if self.random.random() < self.oddity:
            return self.junk()
        if isinstance(value, dict):
            kept = {name: self._spoiled(each) for name, each in value.items() if self.random.random() < 0.9}
            return {**kept, self.text(): self.junk()} if self.random.random() < self.oddity else kept
        if isinstance(value, list):
            return [self._spoiled(each) for each in value]
        return value

    def _value(self, shape: dict[str, Json], name: str, kind: str) -> Json:
        if self.random.random() < self.oddity:
            return self.junk()
        if name == "template":
            return self.pod_template()
        if "enum" in shape:
            return self.random.choice(shape["enum"])
        if "x-kubernetes-int-or-string" in shape:
            return self.random.choice([1, "1", "500m", "4Gi", "1e3", self.text()])
        draw: dict[str, Callable[[], Json]] = {
            "object": lambda: self._object(shape, kind),
            "array": lambda: [self._value(shape["items"], name, kind) for _ in range(self.random.randrange(3))],
            "integer": lambda: self._number(shape),
            "number": lambda: self._number(shape) + self.random.choice([0, 0.5]),
            "boolean": lambda: self.random.random() < 0.3,
            "string": lambda: self._string(shape, name),
        }
        return draw.get(shape.get("type", ""), self.junk)()

    def _object(self, shape: dict[str, Json], kind: str) -> dict[str, Json]:
        known, required = shape.get("properties", {}), shape.get("required", ())
        found = {
            name: self._value(part, name, kind)
            for name, part in known.items()
            if self.random.random() < (0.97 if name in required else 0.4)
        }
        if isinstance(shape.get("additionalProperties"), dict):
            for _ in range(self.random.randrange(3)):
                key = self.random.choice(["cpu", "memory", "word", self.text()])
                found[key] = self._value(shape["additionalProperties"], key, kind)
        if shape.get("x-kubernetes-preserve-unknown-fields") or self.random.random() < self.oddity:
            found[self.text()] = self.junk()
        return found

    def _number(self, shape: dict[str, Json]) -> int:
        low, high = int(shape.get("minimum", 0)), int(min(shape.get("maximum", 1000), 10**9))
        few = [min(low + more, high) for more in (0, 1, 1, 2, 3)]
        return self.random.choice([*few, high, self.random.randint(low, high)])

    def _string(self, shape: dict[str, Json], name: str) -> str:
        if name in _REFERENCES and self.random.random() < 0.9:
            found = self.random.choice(NAMES[_REFERENCES[name]])
            return f"{found}:1" if name == "jobDefinition" and self.random.random() < 0.2 else found
        options = ["main", "a", "1", "0", "1:", "0:1", "0-3", "Failed", "urgent", "team*", "*", "SIGTERM"]
        return self.random.choice([*options, self.text()])

    def text(self) -> str:
        """A short text, seldom a sensible one."""
        texts = [
            "",
            " ",
            "x",
            "0",
            "-1",
            "1e99",
            "30s",
            "ünï",
            "a" * 70,
            "a/b",
            "batchyard.dev/job",
            "Ref::x",
            "$(",
            "\0",
        ]
        return self.random.choice(texts)

    def junk(self, depth: int = 0) -> Json:
        """Anything that can stand in an object."""
        plain = [None, True, False, 0, -1, 1.5, 2**31, 2**63, -(2**63), 10**30, 1e308, 5e-324]
        choice = self.random.random()
        if choice < 0.5 or depth > 4:
            return self.random.choice(plain)
        if choice < 0.7:
            return self.text()
        if choice < 0.85:
            return [self.junk(depth + 1) for _ in range(self.random.randrange(3))]
        if choice < 0.98:
            return {self.text(): self.junk(depth + 1) for _ in range(self.random.randrange(3))}
        deep: Json = self.random.choice([{}, []])
        for _ in range(self.random.choice([10, 60, 150])):
            deep = {"a": deep} if self.random.random() < 0.5 else [deep]
        return deep
