"""`make bench`: rounds of bare Jobs and BatchJobs in turn, on a cluster of its own that is removed afterwards."""

import argparse
import asyncio
import sys
from collections import Counter
from pathlib import Path

from batchyard.kube.client import KubeClient, connect

from . import measure, report, workload
from .installation import ROOT, Installation, installed
from .mixed import rounds as mixed

CLUSTER = "batchyard-bench"
NODES = 12
PODS_PER_NODE = 110
PLACES = 1000
"""Indexes that run at the same time: fewer than there is room for, so that both sides have as many."""


def main() -> None:
    """Run the rounds, print the table, write the page."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="jobs per side and round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: %(default)s)")
    parser.add_argument("--indexes", type=int, default=10_000, help="size of the array (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "benchmarks.md", help="page to write")
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    options = parser.parse_args()
    with installed(CLUSTER, NODES, keep=options.keep) as installation:
        page, met = asyncio.run(_bench(installation, options.jobs, options.rounds, options.indexes))
    options.output.write_text(page)
    print(page)
    sys.exit(0 if met else 1)


async def _bench(installation: Installation, jobs: int, rounds: int, indexes: int) -> tuple[str, bool]:
    api = await connect(str(installation.cluster.kubeconfig), user_agent="batchyard-bench")
    try:
        await workload.prepare(api)
        done = []
        for number in range(1, rounds + 1):
            sides = (workload.BARE, workload.BATCHYARD)
            done.append(await _round(api, installation, sides, jobs, f"{number}"))
            print(
                f"round {number} of {rounds}: bare {done[-1].bare_seconds:.1f} s, Batchyard "
                f"{done[-1].batchyard_seconds:.1f} s, ratio {done[-1].ratio:.2f}, own writes per job "
                f"{done[-1].own_writes / jobs:.2f}, CPU {1000 * done[-1].cpu_seconds / jobs:.1f} ms per job",
                flush=True,
            )
        # A small array comes first: it shows the Job that an array is, which the bare side then runs by itself.
        await workload.run(api, workload.array(10, 10), 1, "sample")
        bare = workload.indexed_job(await workload.indexed_job_of(api, "sample-0"), indexes, PLACES)
        await workload.clear(api, workload.BATCHYARD)
        arrays = []
        for number, swapped in ((1, False), (2, True)):
            sides = (bare, workload.array(indexes, PLACES))
            arrays.append(await _round(api, installation, sides, 1, f"array-{number}", swapped=swapped))
            print(f"array {number} of 2: ratio {arrays[-1].ratio:.2f}, own writes {arrays[-1].own_writes}", flush=True)
        queues = []
        for number, swapped in ((1, False), (2, True)):
            sides = (workload.DEEP, workload.SPREAD)
            queues.append(await _round(api, installation, sides, jobs, f"queues-{number}", swapped=swapped))
            print(f"queues {number} of 2: {queues[-1].ratio:.2f} of one queue's speed", flush=True)
        # Last, as it brings nodes of its own.
        mixture = await mixed.measured(installation, api, 2)
        peak = measure.usage(installation.operator).peak_bytes
    finally:
        await api.close()
    version = installation.cluster.kubectl("version").rpartition("Server Version: ")[2].strip()
    array = report.Array(indexes, arrays)
    page = report.render(done, array, queues, mixture, peak, version)
    return page, all(each.met for each in report.targets(done, array, queues, mixture, peak))


async def _round(
    api: KubeClient,
    installation: Installation,
    sides: tuple[workload.Side, workload.Side],
    jobs: int,
    name: str,
    *,
    swapped: bool = False,
) -> report.Round:
    """Run both sides, ours second unless they are swapped."""
    audit = measure.AuditLog(installation.audit_log)
    done: dict[workload.Side, tuple[float, float, Counter[tuple[str, str, str]]]] = {}
    for side in reversed(sides) if swapped else sides:
        audit.skip()
        before = measure.usage(installation.operator)
        seconds = await workload.run(api, side, jobs, f"{side.prefix}-{name}")
        await asyncio.sleep(1)
        after = measure.usage(installation.operator)
        done[side] = (seconds, after.cpu_seconds - before.cpu_seconds, _relevant(audit.writes()))
        await workload.clear(api, side)
        await asyncio.sleep(3)
    (bare_seconds, _, bare_writes), (seconds, cpu_seconds, writes) = (done[side] for side in sides)
    return report.Round(jobs, bare_seconds, seconds, cpu_seconds, writes, bare_writes)


def _relevant(writes: Counter[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
    """Without what goes on whether jobs run or not."""
    return Counter({key: count for key, count in writes.items() if key[2] not in ("leases", "nodes/status")})


main()
