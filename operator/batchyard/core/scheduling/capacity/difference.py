"""How much more is taken of nodes than before: few of them differ, while thousands of pods stay where they are."""

from collections import Counter

from batchyard.core.model.pods.podset import Assignment


def difference(before: Assignment, after: Assignment) -> dict[str, dict[str, int]]:
    """Return what is taken of each node now and was not before, below zero where it was more.

    Nodes and resources of which as much is taken as before are left out.
    """
    if before == after:
        return {}
    # Entries of pods that stay are the same objects, so these are told without looking into thousands of amounts.
    both = (*before, *after)
    were, are = Counter(map(id, before)), Counter(map(id, after))
    found: dict[str, dict[str, int]] = {}
    for entry, (node, amount) in dict(zip(map(id, both), both, strict=True)).items():
        count = are.get(entry, 0) - were.get(entry, 0)
        if count:
            total = found.setdefault(node, {})
            for name, number in amount.items():
                total[name] = total.get(name, 0) + count * number
    return {
        node: rest for node, total in found.items() if (rest := {name: each for name, each in total.items() if each})
    }
