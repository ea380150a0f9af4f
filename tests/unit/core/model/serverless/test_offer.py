"""Whose jobs may run in a serverless environment."""

import pytest

from batchyard.core.model.serverless.offer import Serverless
from unit.samples import make_environment, make_managed, make_serverless


@pytest.mark.parametrize(
    ("patterns", "namespace", "admitted"),
    [
        ((), "media", True),
        (("media",), "media", True),
        (("media",), "media-2", False),
        (("media",), "my-media", False),
        (("media-*",), "media-prod", True),
        (("media-*",), "media-", True),
        (("media-*",), "media", False),
        (("*",), "media", True),
        (("*-prod",), "media-prod", True),
        (("*-prod",), "media-prod-2", False),
        (("m*a",), "media", True),
        (("team-?",), "team-a", True),
        (("team-?",), "team-10", False),
        (("team-?",), "team-", False),
        (("team-??",), "team-10", True),
        (("audio", "media"), "media", True),
        (("audio", "video"), "media", False),
        (("Media",), "media", False),
    ],
)
def test_patterns_name_namespaces(patterns: tuple[str, ...], namespace: str, admitted: bool) -> None:
    assert Serverless("fargate", namespaces=patterns).admits(namespace) is admitted
    assert make_serverless(namespaces=patterns).admits(namespace) is admitted


def test_an_environment_with_nodes_takes_jobs_of_all_namespaces() -> None:
    assert make_environment().admits("media")
    assert make_managed().admits("media")


def test_for_how_long_it_is_left_alone_is_said_where_capacity_comes_as_it_is_needed() -> None:
    assert make_serverless(leave_alone_seconds=60).leave_alone_seconds == 60
    assert make_managed(leave_alone_seconds=90).leave_alone_seconds == 90
    assert make_environment().leave_alone_seconds is None
    assert [each.grows for each in (make_serverless(), make_managed(), make_environment())] == [True, True, False]


def test_of_one_that_cannot_be_used_nothing_is_left() -> None:
    blank = make_serverless(namespaces=("media",), node_selector={"type": "virtual-kubelet"}).blank("it is wrong")
    assert (blank.serverless, blank.ceilings, blank.node_selector) == (None, {}, {})
    assert (blank.grows, blank.refusal) == (False, "it is wrong")
