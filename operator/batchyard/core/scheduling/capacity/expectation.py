"""Where pods are still expected, as others of the same run get their nodes."""

from collections.abc import Mapping

from batchyard.core.model.pods.podset import Assignment, On


def still_expected(expected: Assignment, before: On, now: On, most: int) -> Assignment:
    """Return what is left of an expectation once pods are bound as they are now, for so many pods at most.

    A pod that was bound where one was expected fulfils that; one that was bound elsewhere takes the place of any other.
    """
    if not expected:
        return ()
    new = {node: _pods(now, node) - _pods(before, node) for node in now}
    left = []
    for entry in expected:
        if new.get(entry[0], 0) > 0:
            new[entry[0]] -= 1
        else:
            left.append(entry)  # as it is: `difference` knows entries that stay by their identity
    elsewhere = sum(count for count in new.values() if count > 0)
    return tuple(left[: max(min(len(left) - elsewhere, most), 0)])


def _pods(on: Mapping[str, Mapping[str, int]], node: str) -> int:
    return on.get(node, {}).get("pods", 0)
