"""In which environment a pod is to run that Events are about, which name it and no more.

Of arrays, pods that wait for a node are not kept: their names are read from the right.
"""

from batchyard.core.model.job import Key
from batchyard.core.model.objectnames import GENERATED, LONGEST_PREFIX
from batchyard.core.model.run import Run
from batchyard.runtime.state.runs import Runs


def environment_of(runs: Runs, pod: Key) -> str:
    """The environment of the run that a pod belongs to; empty where it is nobody's that is known."""
    known = runs.pod(pod)
    found = _by_name(runs, *pod) if known is None else [runs.find((pod[0], known.run))]
    environments = {run.environment for run in found if run is not None}
    return environments.pop() if len(environments) == 1 else ""


def _by_name(runs: Runs, namespace: str, pod: str) -> list[Run | None]:
    """The runs whose pod it may be: index 4 of `a-3` has a name as has a pod of the Job `a-3-4`."""
    prefix = pod[:-GENERATED]
    job, _, index = prefix.removesuffix("-").rpartition("-")
    found = [runs.find((namespace, prefix.removesuffix("-")))]
    if not index.isdecimal():
        return found
    array = runs.find((namespace, job))
    if array is not None and array.indexed is not None:
        found.append(array)
    elif len(prefix) == LONGEST_PREFIX:
        found += [each for each in runs.arrays.values() if each.owner[0] == namespace and each.name.startswith(job)]
    return found
