"""Records of one kind: they come, change, are refused, and go with their uid."""

from typing import Any

import pytest

from batchyard.api import names
from batchyard.objects.kinds.jobqueue import read_queue
from batchyard.runtime.state.kinds.store import KindStore, StoredStatuses
from batchyard.runtime.state.kinds.unreadable import Reading
from batchyard.runtime.state.referrers import Reference
from objects.api import manifest

ENTRY = (names.JOB_QUEUE, "", "urgent")


def queue(uid: str = "old", status: Any = None, **spec: Any) -> dict[str, Any]:
    obj = manifest("JobQueue", name="urgent", **spec)
    obj["metadata"]["uid"] = uid
    return obj if status is None else {**obj, "status": status}


class Queues:
    def __init__(self) -> None:
        self.changes: list[Reference] = []
        self.statuses = StoredStatuses()
        self.store = KindStore(names.JOB_QUEUE, read_queue, Reading(), self.statuses, self.changes.append)
        self.intake = self.store.intake


@pytest.fixture
def queues() -> Queues:
    return Queues()


def test_only_a_change_is_told(queues: Queues) -> None:
    queues.intake.put(queue(priority=1))
    queues.intake.put(queue(status={"observedGeneration": 1}, priority=1))
    assert queues.changes == [ENTRY]
    queues.intake.put(queue(priority=2))
    assert queues.changes == [ENTRY, ENTRY]
    assert queues.store.records["urgent"].priority == 2


def test_what_went_is_told_and_what_was_made_anew_stays(queues: Queues) -> None:
    queues.intake.put(queue("new", status={"observedGeneration": 1}))
    queues.intake.remove(("", "urgent"), "old")
    assert queues.intake.uids() == {("", "urgent"): "new"}
    queues.intake.remove(("", "urgent"), "new")
    assert (queues.intake.uids(), queues.statuses, queues.changes) == ({}, {}, [ENTRY, ENTRY])


@pytest.mark.parametrize(("status", "kept"), [({"observedGeneration": 1}, True), ({"jobs": []}, False), (7, False)])
def test_a_status_is_kept_if_it_is_one(queues: Queues, status: Any, kept: bool) -> None:
    queues.intake.put(queue(status=status))
    assert queues.statuses[ENTRY] == (status if kept else {})


def test_what_is_refused_is_so_until_it_changes(queues: Queues) -> None:
    queues.intake.put(queue(priority=1))
    assert queues.store.refuse("urgent", "odd")
    assert not queues.store.refuse("urgent", "odd again")
    assert not queues.store.refuse("other", "odd")
    queues.intake.put(queue(priority=1))
    refused = queues.store.records["urgent"]
    assert (refused.refusal, refused.priority, refused.environments) == ("odd", 0, ())
    queues.intake.put(queue(priority=2))
    assert (queues.store.records["urgent"].refusal, queues.store.records["urgent"].priority) == ("", 2)
    queues.intake.put(queue(priority=1))
    assert queues.store.records["urgent"].refusal == ""
