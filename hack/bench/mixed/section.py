"""The section of docs/benchmarks.md on the mixed workload."""

from collections.abc import Sequence

from .observed import ALL, Figures
from .rounds import Round
from .tasks import APART, BURSTS, SHAPES, SIZES, WHOLE, free_milli, least_seconds, tasks


def section(rounds: Sequence[Round]) -> list[str]:
    """Its lines."""
    jobs = tasks()
    sizes = " and ".join(f"{size.count} of {size.cpus} vCPU and {size.memory_gib} GiB" for size in SIZES)
    lines = [
        "## A mixed workload",
        "",
        f"{len(jobs)} jobs of four shapes, the same on both sides, come in {BURSTS} bursts, {APART:.0f} s apart, to",
        f"{sum(size.count for size in SIZES)} nodes: {sizes}. Pods of others take up a part, which leaves",
        f"{free_milli() / 1000:g} vCPU; with all of them in use, the jobs would take {least_seconds(jobs):.0f} s. Bare",
        "Jobs are all created at their times, and the scheduler tries what does not fit again and again; Batchyard has",
        "one queue, as it is by default, and creates what it counts room for.",
        "",
        "| shape | vCPU | GiB | runs for (s) | jobs |",
        "|---|---|---|---|---|",
    ]
    for shape in SHAPES:
        seconds = ", ".join(f"{each}" for each in shape.seconds)
        lines.append(
            f"| {shape.name} | {shape.cpu_milli / 1000:g} | {shape.memory_mib / 1024:g} | {seconds} "
            f"| {sum(task.shape is shape for task in jobs)} |"
        )
    lines += [
        "",
        "Utilisation is what running pods ask for, as a part of what others leave, from the first submission until the",
        "last job is finished. *Unschedulable* are pods for which the scheduler ever found no node, *elsewhere* those",
        "that it bound to another node than Batchyard expected. Jobs are *repeated* that had more than one pod; writes",
        "are the scheduler's. Batchyard is first in every other round.",
        "",
        "| round | side | makespan (s) | utilisation | Unschedulable | for (s) | elsewhere | repeated | writes/pod |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for number, side, each in _rows(rounds):
        lines.append(
            f"| {number} | {side} | {each.seconds:.1f} | {each.utilisation:.0%} | {each.unschedulable} of {each.pods} "
            f"| {each.unschedulable_seconds:.0f} | {each.elsewhere} | {each.repeated} "
            f"| {each.scheduler_writes / each.pods:.2f} |"
        )
    names = [shape.name for shape in SHAPES] + [ALL]
    lines += [
        "",
        f"From submission until the pod runs, in seconds: mean (longest). *{WHOLE.name}* needs a whole smaller node:",
        "",
        f"| round | side | {' | '.join(names)} |",
        f"|---|---|{'---|' * len(names)}",
    ]
    for number, side, each in _rows(rounds):
        waits = " | ".join(f"{each.waits[name].mean:.1f} ({each.waits[name].longest:.1f})" for name in names)
        lines.append(f"| {number} | {side} | {waits} |")
    return lines


def _rows(rounds: Sequence[Round]) -> list[tuple[int, str, Figures]]:
    return [
        (number, name, side)
        for number, each in enumerate(rounds, start=1)
        for name, side in (("bare Jobs", each.bare), ("Batchyard", each.batchyard))
    ]
