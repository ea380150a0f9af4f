"""How much memory the next run of a job gets that ran out of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.quantities import format_bytes, parse_bytes
from batchyard.core.definition.memorygrowth import grown, outlook
from batchyard.core.model.definition import MemoryGrowth, Resolved
from batchyard.core.model.resources import pod_requests
from batchyard.core.model.status import Attempt
from unit.samples import make_attempt, make_resolved

MIB = 2**20
DOUBLE = MemoryGrowth()


def container(name: str = "main", **resources: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "resources": resources}


def memory(request: str | None = None, limit: str | None = None) -> dict[str, Any]:
    sides = {"requests": request, "limits": limit}
    return {side: {"cpu": "1", "memory": amount} for side, amount in sides.items() if amount is not None}


def make(*containers: Mapping[str, Any], growth: MemoryGrowth | None = DOUBLE, **spec: Any) -> Resolved:
    resolved = make_resolved(template={"spec": {"containers": list(containers), **spec}})
    return replace(resolved, retry=replace(resolved.retry, attempts=10, memory_growth=growth))


def kills(*containers: str) -> tuple[Attempt, ...]:
    """One attempt per kill."""
    return tuple(
        make_attempt(run, reason="OOMKilled", out_of_memory=(name,)) for run, name in enumerate(containers, start=1)
    )


def shown(resolved: Resolved, field: str = "containers") -> list[tuple[Any, Any]]:
    found = [each["resources"] for each in resolved.template["spec"][field]]
    return [(each.get("requests", {}).get("memory"), each.get("limits", {}).get("memory")) for each in found]


@pytest.mark.parametrize(
    ("before", "growth", "times", "after"),
    [
        (memory("64Mi", "64Mi"), DOUBLE, 1, ("128Mi", "128Mi")),
        (memory("64Mi", "64Mi"), DOUBLE, 3, ("512Mi", "512Mi")),
        (memory("1Gi", "2Gi"), DOUBLE, 1, ("2Gi", "4Gi")),
        (memory("1Gi"), DOUBLE, 1, ("2Gi", None)),
        (memory(None, "1Gi"), DOUBLE, 1, ("2Gi", "2Gi")),
        # Rounded up to whole MiB, once: not from attempt to attempt.
        (memory("10Mi", "10Mi"), MemoryGrowth(1.25), 1, ("13Mi", "13Mi")),
        (memory("10Mi", "10Mi"), MemoryGrowth(1.25), 2, ("16Mi", "16Mi")),
        (memory("100M", "100M"), MemoryGrowth(1.1), 1, ("105Mi", "105Mi")),
        # Not beyond the maximum, and never less than it was.
        (memory("1Gi", "1Gi"), MemoryGrowth(2.0, 1536 * MIB), 1, ("1536Mi", "1536Mi")),
        (memory("1Gi", "1Gi"), MemoryGrowth(2.0, 1536 * MIB), 5, ("1536Mi", "1536Mi")),
        (memory("1Gi", "4Gi"), MemoryGrowth(3.0, 2048 * MIB), 1, ("2Gi", "4Gi")),
        (memory("1Gi", "1Gi"), MemoryGrowth(2.0, 10 * MIB), 1, ("1Gi", "1Gi")),
        ({}, DOUBLE, 1, (None, None)),
    ],
)
def test_amounts(before: dict[str, Any], growth: MemoryGrowth, times: int, after: tuple[Any, Any]) -> None:
    result = grown(make(container(**before), growth=growth), kills(*["main"] * times))
    assert shown(result) == [after]
    assert result.request == pod_requests(result.template["spec"])


def test_only_the_container_that_was_killed_grows() -> None:
    job = make(
        container("main", **memory("1Gi", "1Gi")),
        container("log", **memory("64Mi", "64Mi")),
        initContainers=[container("fetch", **memory("32Mi", "32Mi"))],
    )
    assert shown(grown(job, kills("log"))) == [("1Gi", "1Gi"), ("128Mi", "128Mi")]
    both = grown(job, kills("log", "fetch", "fetch"))
    assert shown(both) == [("1Gi", "1Gi"), ("128Mi", "128Mi")]
    assert shown(both, "initContainers") == [("128Mi", "128Mi")]


def test_the_pod_as_a_whole_grows_by_what_its_containers_do() -> None:
    job = make(container(**memory("1Gi", "1Gi")), container("log"), resources=memory("2Gi", "3Gi"))
    spec = grown(job, kills("main")).template["spec"]
    assert (spec["resources"]["requests"]["memory"], spec["resources"]["limits"]["memory"]) == ("3Gi", "4Gi")
    assert grown(job, kills("main")).request["memory"] == parse_bytes("3Gi")


def test_the_pod_as_a_whole_grows_for_containers_without_memory_of_their_own() -> None:
    job = make(container(), container("log"), resources=memory("1Gi", "1Gi"))
    assert grown(job, kills("main", "main")).template["spec"]["resources"] == memory("4Gi", "4Gi")


@pytest.mark.parametrize(
    "attempts",
    [
        (),
        (make_attempt(1, reason="NonZeroExit"), make_attempt(2, reason="Interrupted")),
        (make_attempt(1),),
    ],
)
def test_nothing_else_makes_it_grow(attempts: tuple[Attempt, ...]) -> None:
    job = make(container(**memory("1Gi")))
    assert grown(job, attempts) is job


def test_without_being_asked_nothing_grows() -> None:
    job = make(container(**memory("1Gi")), growth=None)
    assert grown(job, kills("main")) is job
    assert outlook(job, kills("main")) == ""


def test_what_was_given_is_not_changed() -> None:
    job = make(container(**memory("1Gi")))
    template = job.template
    grown(job, kills("main"))
    assert template == make(container(**memory("1Gi"))).template


amounts_ = st.lists(st.integers(1, 2**41), min_size=2, max_size=2).map(
    lambda both: [format_bytes(one) for one in sorted(both)]
)
sizes = st.one_of(
    amounts_.map(tuple),
    amounts_.map(lambda both: (both[0], None)),
    amounts_.map(lambda both: (None, both[1])),
    st.just((None, None)),
)
growths = st.builds(
    MemoryGrowth,
    st.floats(1, 10, exclude_min=True, allow_nan=False),
    st.one_of(st.none(), st.integers(0, 2**42)),
)


@given(
    st.lists(sizes, min_size=2, max_size=2),
    growths,
    st.lists(st.sampled_from(["main", "log", "none"]), max_size=9),
    st.integers(0, 9),
)
def test_step_by_step_comes_to_the_same_as_at_once(
    amounts: list[tuple[str | None, str | None]], growth: MemoryGrowth, killed: list[str], restart: int
) -> None:
    """An operator that was there all the time, and one that started anew at any moment, give the same."""
    fresh = make(container("main", **memory(*amounts[0])), container("log", **memory(*amounts[1])), growth=growth)
    attempts = kills(*killed)
    followed = fresh
    for seen in range(len(attempts) + 1):
        if seen == restart:
            followed = fresh
        before, followed = followed, grown(followed, attempts[:seen])
        assert followed.request.get("memory", 0) >= before.request.get("memory", 0) or seen == restart
        assert grown(followed, attempts[:seen]) is followed
        for request, limit in shown(followed):
            assert request is None or limit is None or parse_bytes(request) <= parse_bytes(limit)
    at_once = grown(fresh, attempts)
    assert (followed.template, followed.request) == (at_once.template, at_once.request)
    assert followed.request == pod_requests(followed.template["spec"])


@pytest.mark.parametrize(
    ("growth", "times", "words"),
    [
        (DOUBLE, 1, "with 128Mi of memory instead of 64Mi"),
        (DOUBLE, 2, "with 256Mi of memory instead of 128Mi"),
        (MemoryGrowth(2.0, 100 * MIB), 1, "with 100Mi of memory instead of 64Mi"),
        (MemoryGrowth(2.0, 100 * MIB), 2, "with the same memory (maxMemory is 100Mi)"),
        (DOUBLE, 0, ""),
    ],
)
def test_the_message_says_what_the_next_run_has(growth: MemoryGrowth, times: int, words: str) -> None:
    job = make(container(**memory("64Mi", "64Mi")), growth=growth)
    assert outlook(job, kills(*["main"] * times)) == words
    assert outlook(grown(job, kills(*["main"] * (times - 1))), kills(*["main"] * times)) == words


def test_the_message_says_why_there_is_no_more() -> None:
    assert outlook(make(container()), kills("main")) == "with the same memory (nothing to multiply)"


def test_an_init_container_may_grow_unseen_by_the_sum() -> None:
    job = make(container(**memory("1Gi")), initContainers=[container("fetch", **memory("64Mi"))])
    assert outlook(job, kills("fetch")) == "with more memory"
    assert outlook(job, (*kills("fetch"), make_attempt(2, reason="NonZeroExit"))) == ""
