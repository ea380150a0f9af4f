"""The other nodes of a multi-node job's run: when they start and stop, and what their ends mean.

The run is the main node's Kubernetes Job: its end is the run's. A child is the Job of another node. It starts once the
main node runs, is stopped once that does not any more, and its failure means nothing; but a child whose pod was lost
through no fault of its own, or which cannot start, ends the run as a whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from batchyard.core.admission.references import Pending, Unsatisfiable
from batchyard.core.lifecycle import lostnodes, takeback
from batchyard.core.lifecycle.ending.outcome import Outcome, RunResult, not_started, of_run
from batchyard.core.lifecycle.startup import asks_at, gives_up_at
from batchyard.core.lifecycle.takeback import Holdup, Patience
from batchyard.core.model.cluster.node import Node
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.pods.gang import Gang
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import Status
from batchyard.core.model.timers import earliest


def of_main(main: Run, runs: JobRuns) -> list[Run]:
    """The children of a run, in the order of their nodes."""
    return sorted(
        (child for child in runs.children.values() if child.main_uid == main.uid), key=lambda child: child.node or 0
    )


def missing(gang: Gang, status: Status, runs: JobRuns) -> list[int]:
    """The nodes that are to be started now. One whose Job is in the way, being deleted, waits until that is gone."""
    last = status.attempts[-1] if status.attempts else None
    run = runs.mains.get(last.run) if last is not None and last.stopped_at is None else None
    if run is None or not calls(run, runs.pods.get(status.job_name)):
        return []
    there = {child.node for child in runs.children.values() if child.number == run.number}
    return [node for node in range(gang.size) if node != gang.main and node not in there]


def calls(run: Run, main: Pod | None) -> bool:
    """Whether the main node runs and waits for the others."""
    return (
        not run.ended
        and not run.deleting
        and main is not None
        and main.live
        and main.started_at is not None
        and bool(main.address)
    )


def orphaned_children(runs: JobRuns) -> list[Run]:
    """The children to be deleted: what still runs of a main node that does not, and all of one that is gone.

    While a main node has not been stopped they stay: whoever sees them and it must come to the same decision again.
    """
    mains = {run.uid: run for run in runs.mains.values()}

    def needless(child: Run) -> bool:
        main = mains.get(child.main_uid)
        return main is None or ((main.ended or main.deleting) and not child.ended)

    return [child for child in runs.children.values() if not child.deleting and needless(child)]


def size_of(main: Run) -> int:
    """How many nodes a run has, by what all of them ask for together."""
    return main.request.get("pods", 1)


def given_up_at(main: Pod, lack: Pending | Unsatisfiable, grace_seconds: float) -> float:
    """When a main node that waits for nodes which cannot be made is not left waiting any longer."""
    return (main.started_at or main.created) + (grace_seconds if isinstance(lack, Pending) else 0)


def lingers(main: str, runs: JobRuns) -> bool:
    """Whether anything but the main node, whose Job has this name, can still run."""
    return any(not child.ended for child in runs.children.values()) or any(
        pod.live for name, pod in runs.pods.items() if name != main
    )


def trouble(
    children: Iterable[Run], pods: Mapping[str, Pod], nodes: Mapping[str, Node], grace_seconds: float, now: float
) -> tuple[Outcome | None, float | None]:
    """What ends the run although the main node goes on, if anything; else when to look again without being told to."""
    wake_at: float | None = None
    for child in children:
        pod = pods.get(child.name)
        outcome = of_run(child, pod) if child.ended else lostnodes.given_up(pod, nodes)
        if outcome is not None and outcome.result is RunResult.INTERRUPTED:
            return replace(outcome, message=f"node {child.node}: {outcome.message}"), None
        if not child.ended and pod is not None and (due := gives_up_at(pod, grace_seconds)) is not None:
            if due <= now:
                outcome = not_started(pod)
                return replace(outcome, message=f"node {child.node}: {outcome.message}"), None
            wake_at = earliest(wake_at, due)
    return None, wake_at


def holdups(main: Run, children: Iterable[Run], pods: Mapping[str, Pod], patience: Patience) -> list[Holdup]:
    """What keeps other nodes from being made, or from getting a slot, while the main node waits for them."""
    found = [
        holdup.of(f"node {child.node}")
        for child in children
        if (holdup := takeback.holdup(child, pods.get(child.name), patience)) is not None
    ]
    refusal = main.refusal
    if refusal is not None and refusal.node is not None and all(child.node != refusal.node for child in children):
        found.append(takeback.refused(f"node {refusal.node}", refusal, patience))
    return found


def kept(children: Iterable[Run], pods: Mapping[str, Pod], nodes: Mapping[str, Node]) -> str:
    """Why the pod of another node does not end, if that is on a lost machine."""
    found = ((child, lostnodes.why(pods.get(child.name), nodes)) for child in children if not child.ended)
    return next((f"node {child.node}: {why}" for child, why in found if why), "")


def silent(children: Iterable[Run], pods: Mapping[str, Pod], now: float) -> tuple[tuple[Pod, ...], float | None]:
    """The pods of other nodes whose Events are to be read now, and when others are."""
    there = [pods[child.name] for child in children if not child.ended and child.name in pods]
    due = [(pod, at) for pod in there if (at := asks_at(pod, now)) is not None]
    return tuple(pod for pod, at in due if at <= now), earliest(*(at for _, at in due if at > now))


def described(
    main: Pod, others: int, children: Iterable[Run], pods: Mapping[str, Pod], holdups: Iterable[Holdup] = ()
) -> str:
    """How many nodes run, and the first reason why one does not."""
    running, ended, failed = 0, 0, 0
    why = next((f"; {each.message}" for each in holdups if each.message), "")
    for child in children:
        pod = pods.get(child.name)
        if child.ended:
            ended += 1
            failed += child.condition == "Failed"
        elif pod is not None and pod.live and pod.started_at is not None and not pod.waiting_reason:
            running += 1
        elif pod is not None and not why and pod.waiting_reason:
            why = f"; node {child.node}: {pod.waiting_reason}: {pod.waiting_message}"
    ends = f", {ended} ended ({failed} failed)" if ended else ""
    return f"the main node runs on node {main.node_name}, {running} of {others} other nodes run{ends}{why}"
