"""When a pod that has ended is of no use to Batchyard any more, so that it may be deleted where it costs money."""

from collections.abc import Mapping

from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import TERMINAL, Status


def is_accounted_for(pod: Pod, run: Run, status: Status, last_runs: Mapping[int, int]) -> bool:
    """Whether a job's status tells all that is to be known of one of its pods, which has ended.

    `status` is as the API server holds it: an operator that takes over knows nothing else. `last_runs` are those of
    single indexes of an array; one that follows shows that the end before it was seen.
    """
    if status.state in TERMINAL:
        return True
    index = pod.index if run.indexed is not None else run.index
    if index is None:  # the oldest attempts are not stored for ever
        return any(
            each.run > run.number or (each.run == run.number and each.stopped_at is not None)
            for each in status.attempts
        )
    if last_runs.get(index, 0) > (run.number if run.indexed is None else 0):
        return True
    array = status.array
    return array is not None and (index in array.succeeded or index in array.failed)


def last_runs(runs: JobRuns) -> dict[int, int]:
    """Return the number of the last run of each index of an array that has a Job of its own which stays.

    One that has not started may have to give its slot back. Then it is deleted, and the end before it counts again.
    """
    found: dict[int, int] = {}
    for run in runs.indexes.values():
        pod = runs.pods.get(run.name)
        if run.index is not None and (run.ended or (pod is not None and pod.started_at is not None)):
            found[run.index] = max(run.number, found.get(run.index, 0))
    return found
