"""How many jobs there are of each queue and state."""

from batchyard.api.models.batchjob import JobState
from batchyard.runtime.state.transitions.counts import Counts


def test_names_that_no_queue_has_count_together() -> None:
    counts = Counts()
    for number in range(50):
        counts.add(f"made-up-{number}", JobState.PENDING)
    counts.add("urgent", JobState.RUNNING, 2)
    assert counts.by_queue(["urgent", "empty"]) == {
        "urgent": {JobState.RUNNING: 2},
        "empty": {},
        "": {JobState.PENDING: 50},
    }
    assert counts.by_queue(["urgent"]).keys() == {"urgent", ""}
    assert Counts().by_queue(["urgent"]) == {"urgent": {}}
