"""Whatever a person writes anywhere in a pod template is refused in words, or harmless to all that reads it later."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from batchyard.core.definition import memorygrowth
from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.template import resolve
from batchyard.core.model.array import ArrayShape, IndexRun
from batchyard.core.model.definition import Resolved
from batchyard.core.model.resources import describe, vcpus_of
from batchyard.core.model.status import Attempt
from batchyard.core.scheduling.reservation import latest_end
from batchyard.objects.kubernetes.indexedjob import build_index_job, build_indexed_job
from batchyard.objects.kubernetes.job import build_job
from unit.samples import make_environment, make_job, make_revision

GOOD: dict[str, Any] = {
    "metadata": {"labels": {"a": "b"}, "annotations": {"x": "y"}},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": "busybox",
                "command": ["a", "Ref::x"],
                "args": ["b"],
                "env": [{"name": "E", "value": "v"}],
                "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
            }
        ],
        "initContainers": [
            {"name": "init", "image": "i", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}}
        ],
        "nodeSelector": {"a": "b"},
        "tolerations": [{"key": "a"}],
        "overhead": {"cpu": "1m"},
        "resources": {"requests": {"cpu": "2"}},
        "activeDeadlineSeconds": 60,
        "terminationGracePeriodSeconds": 5,
        "restartPolicy": "Never",
        "hostname": "x",
    },
}
ODD: tuple[Any, ...] = (
    *(None, "x", "30s", "", "1e99", True, 5, -3, 1.5, 10**30, 10**400),
    *([], {}, [None], [{}], ["a"], {"a": None}, {"a": 1}),
)
CONTENT: dict[str, Any] = {
    "timeout": {"attemptDurationSeconds": 60},
    "retryStrategy": {"attempts": 3, "onOutOfMemory": {"memoryMultiplier": 2.0}},
}


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a template but its root."""
    if path:
        yield path
    steps = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for step in steps:
        yield from paths(value[step], (*path, step))


def changed(path: tuple[Any, ...], odd: Any) -> dict[str, Any]:
    template = copy.deepcopy(GOOD)
    place: Any = template
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = odd
    return template


def use(resolved: Resolved) -> None:
    """All that is made of a template once a job has it."""
    job, environment = make_job(parameters={"x": "1"}), make_environment()
    latest_end(resolved, None, 0.0)
    latest_end(resolved, 5.0, 0.0)
    vcpus_of(resolved.request)
    describe(resolved.request)
    tuple(sorted(resolved.request.items()))
    memorygrowth.grown(resolved, [Attempt(1, 1, "j", "e", out_of_memory=("main",))])
    with suppress(TemplateError):
        build_job(job, resolved, environment, 1, 1)
    with suppress(TemplateError):
        build_indexed_job(job, resolved, ArrayShape(3), environment, 1)
    with suppress(TemplateError):
        build_index_job(job, resolved, ArrayShape(3), environment, IndexRun(1, 2, 2))


@pytest.mark.parametrize("path", list(paths(GOOD)), ids=lambda path: ".".join(map(str, path)))
def test_an_odd_value_anywhere_is_refused_in_words_or_harmless(path: tuple[Any, ...]) -> None:
    for odd in ODD:
        revision = make_revision(container=None, template=changed(path, odd), **CONTENT)
        with suppress(TemplateError):
            use(resolve(make_job(parameters={"x": "1"}), revision))
