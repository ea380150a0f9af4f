"""Arrays that have started, as their Jobs and pods show them."""

from dataclasses import replace
from typing import Any

from batchyard.api.models.batchjob import JobState
from batchyard.core.admission.admitted import Admitted
from batchyard.core.admission.indexgate import Gate
from batchyard.core.admission.references import Pending, Unsatisfiable
from batchyard.core.lifecycle.array.observation import Observed, observe
from batchyard.core.lifecycle.array.view import ArrayView
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.model.array import ArrayShape, ArrayStatus, IndexedJob
from batchyard.core.model.definition import Resolved, RetryPolicy
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.run import Pod, PodReport, Run
from batchyard.core.model.status import Status
from unit.samples import NOW, job_runs, make_job, make_pod, make_resolved, make_run

SHAPE = ArrayShape(10)
STARTED = Status(JobState.RUNNING, environment="pool", started_at=NOW, array=ArrayStatus(10))
RETRIES = RetryPolicy(attempts=3, initial_seconds=10, jitter=0)


def indexes(text: str) -> IndexSet:
    return IndexSet.parse(text)


def main(completed: str = "", failed: str = "", *, parallelism: int = 4, size: int = 10, **fields: Any) -> Run:
    shown = IndexedJob(size, parallelism, fields.pop("terminating", 0), indexes(completed), indexes(failed))
    return make_run(1, indexed=shown, **fields)


def ended(completed: str = "", failed: str = "") -> Run:
    return main(completed, failed, condition="Failed" if failed else "Complete", ended_at=NOW + 60)


def alone(index: int, run: Run) -> Run:
    """The run as that of a single index."""
    return run._replace(index=index, name=f"videos-{run.number}-i{index}", uid=f"uid-{index}-{run.number}")


def failed_pod(index: int, **fields: Any) -> Pod:
    shown = {"phase": "Failed", "exit_code": 3, "failed_container": "main", "stopped_at": NOW + 50, "index": index}
    return make_pod(**{**shown, **fields})


def view(
    *others: Run,
    main: Run | None = None,
    status: Status = STARTED,
    shape: ArrayShape = SHAPE,
    retry: RetryPolicy = RETRIES,
    now: float = NOW + 60,
    **seen: Any,
) -> ArrayView:
    """The array with these Jobs. `seen` is what else is known: pods, what was read of them, nodes or all that is around
    it, what it lacks."""
    resolved: Resolved = replace(make_resolved(), retry=retry)
    report = PodReport(
        seen.pop("ends", {}), seen.pop("waiting", ()), seen.pop("looked_at", now), seen.pop("leaving_pods", ())
    )
    runs = job_runs([main, *others] if main is not None else others, report=report)
    runs.pods, runs.leaving = seen.pop("pods", {}), frozenset(seen.pop("leaving", ()))
    surroundings = seen.pop("around", None) or Surroundings(nodes=seen.pop("nodes", {}))
    lack: Pending | Unsatisfiable | None = seen.pop("lack", None)
    gate: Gate | None = seen.pop("gate", None)
    assert not seen, "no such field"
    array = status.array or ArrayStatus(shape.size)
    return ArrayView(make_job(), shape, array, Admitted(status, resolved, lack), runs, surroundings, now, gate)


def look(*others: Run, **known: Any) -> Observed:
    """What is observed of that array."""
    seen = view(*others, **known)
    return observe(seen.job, seen.shape, seen.admitted, seen.runs, seen.surroundings, seen.now, seen.gate)
