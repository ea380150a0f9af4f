"""What the API server holds of how runs ended, as far as the cache knows."""

from batchyard.core.model.run import Run
from batchyard.core.model.status import TERMINAL
from batchyard.runtime.state.cache import Cache


def end_is_stored(cache: Cache, run: Run) -> bool:
    """Whether the API server knows that the attempt of this run is closed, if it is.

    Not before may the run be stopped: an operator that finds it gone would count it as deleted by somebody.
    """
    job, written = cache.jobs.get(run.owner), cache.written.get(run.owner)
    if job is None or job.uid != run.owner_uid or written is None or written.get("state") in TERMINAL:
        return True
    if job.array is not None:
        return cache.statuses[run.owner].state not in TERMINAL
    attempts = cache.statuses[run.owner].attempts
    if not any(each.run == run.number and each.stopped_at is not None for each in attempts):
        return True
    return any(
        each["run"] > run.number or (each["run"] == run.number and "stoppedAt" in each)
        for each in written.get("attempts") or ()
    )
