"""The names of what is made for a job or a definition: one place, so that no two things can get the same name.

A name follows from its arguments alone, so that creating an object twice is one creation. No two of them are alike,
whatever jobs are called: the last part of a Job's name tells by its first character what it belongs to, and is read
back from the right. Kubernetes takes 63 characters for a Job's name, also with the index of a pod behind it;
`names.MAX_BATCH_JOB_NAME` leaves room for that.

Nothing reads names: what an object belongs to is in its labels. Index Jobs had other names once (`<job>-i17-3`), and
those that still run are known by these.
"""

from typing import Final

from batchyard.api.names import MAX_LABEL_VALUE

_INDEX: Final = "i"
_NODE: Final = "n"
_SHORT: Final = "x"
GENERATED: Final = 5
"""Characters that the API server puts behind a name that is to be made up, such as that of a Job's pod."""
LONGEST_PREFIX: Final = 58
"""What stands before them is cut off there; of the pods of an Indexed Job it is the Job's part that is."""
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def run_name(job: str, run: int) -> str:
    """The Kubernetes Job of a run: of a multi-node job that of its main node, of an array the Indexed Job."""
    return f"{job}-{run}"


def index_run_name(job: str, run: int, index: int) -> str:
    """The Kubernetes Job of a run of a single index."""
    return _part_of_run(job, run, _INDEX, index)


def node_run_name(job: str, run: int, node: int) -> str:
    """The Kubernetes Job of a node that is not the main one."""
    return _part_of_run(job, run, _NODE, node)


def service_name(job: str) -> str:
    """The Service of a multi-node job: names of Services, unlike those of jobs, may not begin with a digit."""
    return f"nodes-{job}"


def revision_name(definition: str, number: int) -> str:
    """The ControllerRevision of a definition."""
    return f"{definition}-{number}"


def event_name(job: str, uid: str, run: int, reason: str) -> str:
    """The Event about a run: the same warning is written once, also by an operator that was restarted in between."""
    return f"{job}.{uid[:8]}.{run}.{reason.lower()}"


def _part_of_run(job: str, run: int, kind: str, number: int) -> str:
    """`<job>-<run>-i<index>`; where that is too long `<job>-xi9r0017`: run and index as one part, to the base of 36."""
    name = f"{run_name(job, run)}-{kind}{number}"
    return name if len(name) <= MAX_LABEL_VALUE else f"{job}-{_SHORT}{kind}{_base36(run)}{_base36(number):0>4}"


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text
