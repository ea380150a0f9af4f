"""The pods of an array's Indexed Job: when they are to be read, and which of them could not be started or are lost.

No informer follows them, as there may be a hundred thousand: some are read while the Job's counts say that not all is
well.
"""

from batchyard.core.lifecycle import lostnodes
from batchyard.core.lifecycle.array.view import ArrayView
from batchyard.core.lifecycle.startup import gives_up_at
from batchyard.core.model.indexset import IndexSet
from batchyard.core.model.run import Pod

LOOK_SECONDS = 5.0
"""How often the pods of an array are looked at while some of them do not start."""


def reading_due(view: ArrayView) -> list[float]:
    """When to read pods that take long to start, since only they tell why, and those that take long to end."""
    main, looked_at = view.going, view.runs.report.looked_at
    if main is None:
        return []
    due = []
    if main.active > main.ready:
        due.append(max(looked_at, main.created) + LOOK_SECONDS)
    if main.deleting or _leaving(view):  # the nodes of these may be lost
        due.append(looked_at + lostnodes.LOOK_SECONDS)
    return due


def hopeless(view: ArrayView) -> list[tuple[float, Pod]]:
    """The pods that cannot start, and have not been deleted for that, each with the moment when it is given up."""
    report = view.runs.report
    found = ((gives_up_at(pod, view.terms.startup_grace_seconds), pod) for pod in report.waiting)
    return [
        (due, pod)
        for due, pod in found
        if due is not None and pod.uid not in report.abandoned and pod.asked_to_stop_at is None
    ]


def given_up(view: ArrayView) -> list[Pod]:
    """The pods that could not be started in time."""
    return [pod for due, pod in hopeless(view) if due <= view.now]


def lost(view: ArrayView) -> list[Pod]:
    """The pods that were asked to stop and that nobody can stop, since their node is lost."""
    main = view.going
    if main is None:
        return []
    found, leaving = view.runs.report.leaving, _leaving(view)
    if not main.deleting:
        found = tuple(pod for pod in found if pod.index is not None and pod.index in leaving)
    return [pod for pod in found if lostnodes.node_of(pod, view.nodes) is not None]


def _leaving(view: ArrayView) -> IndexSet:
    """The indexes whose pods were asked to stop, and of which the Indexed Job does not show the end."""
    if view.shown is None:
        return IndexSet()
    return IndexSet.of(view.runs.leaving) - view.shown.completed - view.shown.failed
