"""Actions: each kind has its terms and its performer, and logs can name it."""

from typing import Any

import pytest

from batchyard.core.model.job import Key
from batchyard.core.planner import actions as planned
from batchyard.core.planner.actions import Action, ExplainPod, StartNode, StopRun
from batchyard.runtime.loop import actions
from batchyard.runtime.loop.actions import TERMS, CreateRun, Performers, WriteStatus
from fakes.cluster import Cluster, in_cluster

KEY: Key = ("media", "videos")
ENTERED_BY_THE_LOOP = {ExplainPod}
"""What the loop notes and turns into another action."""


def kinds() -> set[type[Action]]:
    defined = [*vars(planned).values(), *vars(actions).values()]
    return {each for each in defined if isinstance(each, type) and issubclass(each, Action)} - {Action}


def test_every_kind_has_its_terms() -> None:
    assert kinds() - TERMS.keys() == ENTERED_BY_THE_LOOP
    assert TERMS.keys() <= kinds()


@in_cluster()
async def test_every_kind_is_performed_by_the_running_operator(cluster: Cluster) -> None:
    process = await cluster.start_operator()
    assert process.operator.acting.performers.kinds == kinds() - ENTERED_BY_THE_LOOP


def test_a_kind_has_one_performer() -> None:
    async def perform(_: Any) -> None:
        """Do nothing."""

    performers = Performers()
    performers.register(CreateRun, perform)
    with pytest.raises(ValueError, match="CreateRun has a performer already"):
        performers.register(CreateRun, perform)


def test_actions_of_two_kinds_are_never_the_same() -> None:
    asked: set[Action] = {CreateRun(KEY), WriteStatus(KEY), CreateRun(("media", "videos"))}
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (WriteStatus(KEY), "WriteStatus media/videos"),
        (StopRun(KEY, "videos-1", "uid-1"), "StopRun media/videos videos-1 uid-1"),
        (StartNode(KEY, 2), "StartNode media/videos 2"),
    ],
)
def test_logs_name_what_failed(action: Action, text: str) -> None:
    assert str(action) == text
