"""Whether a run was stopped from outside: evicted, drained, preempted, lost with its node, or its pod deleted.

A program that is asked to stop may end with any exit code, 0 among them; what counts is that it was asked before it had
ended by itself. Times are whole seconds, of two clocks: within one second, the wish counts.
"""

from batchyard.core.model.run import Pod


def stopped_from_outside(pod: Pod | None) -> bool:
    """Whether the pod was asked to stop before its main container had ended."""
    if pod is None or pod.asked_to_stop_at is None:
        return False
    return pod.main_stopped_at is None or pod.main_stopped_at >= pod.asked_to_stop_at


def never_ran(pod: Pod | None) -> bool:
    """Whether the pod went before any of its containers had started."""
    return pod is not None and not pod.ran and pod.exit_code is None


def by_whom(pod: Pod) -> str:
    """Who asked it to stop, in words."""
    where = f" on node {pod.node_name}" if pod.node_name else ""
    if pod.disruption:
        return f"the pod was disrupted{where}: {pod.disruption}"
    when = "" if pod.ran else " before any of its containers had started"
    return f"pod {pod.name} was deleted{where}{when}"
