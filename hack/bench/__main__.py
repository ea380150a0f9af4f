"""`make bench`: rounds of bare Jobs and BatchJobs in turn, on a cluster of its own that is removed afterwards."""

import argparse
import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import localcluster
from batchyard.kube.client import KubeClient, connect

from . import measure, report, workload

ROOT = Path(__file__).parents[2]
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
    cluster = localcluster.up(CLUSTER, real_node=False, simulated_nodes=NODES, audit=True)
    try:
        page, met = asyncio.run(_bench(cluster, options.jobs, options.rounds, options.indexes))
    finally:
        if not options.keep:
            localcluster.down(CLUSTER)
    options.output.write_text(page)
    print(page)
    sys.exit(0 if met else 1)


async def _bench(cluster: localcluster.Cluster, jobs: int, rounds: int, indexes: int) -> tuple[str, bool]:
    cluster.kubectl("apply", "-f", str(ROOT / "crds"))
    cluster.kubectl("create", "namespace", "batchyard-system", check=False)
    api = await connect(str(cluster.kubeconfig), user_agent="batchyard-bench")
    operator = _start_operator(cluster)
    try:
        await workload.prepare(api)
        done = []
        for number in range(1, rounds + 1):
            sides = (workload.BARE, workload.BATCHYARD)
            done.append(await _round(api, cluster, operator.pid, sides, jobs, f"{number}"))
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
            arrays.append(await _round(api, cluster, operator.pid, sides, 1, f"array-{number}", swapped=swapped))
            print(f"array {number} of 2: ratio {arrays[-1].ratio:.2f}, own writes {arrays[-1].own_writes}", flush=True)
        queues = []
        for number, swapped in ((1, False), (2, True)):
            sides = (workload.DEEP, workload.SPREAD)
            queues.append(await _round(api, cluster, operator.pid, sides, jobs, f"queues-{number}", swapped=swapped))
            print(f"queues {number} of 2: {queues[-1].ratio:.2f} of one queue's speed", flush=True)
        peak = measure.usage(operator.pid).peak_bytes
    finally:
        operator.terminate()
        operator.wait(timeout=30)
        await api.close()
    version = cluster.kubectl("version").rpartition("Server Version: ")[2].strip()
    array = report.Array(indexes, arrays)
    page = report.render(done, array, queues, peak, version)
    return page, all(each.met for each in report.targets(done, array, queues, peak))


def _start_operator(cluster: localcluster.Cluster) -> subprocess.Popen[bytes]:
    log = cluster.kubeconfig.with_name("operator.log")
    return subprocess.Popen(
        [sys.executable, "-m", "batchyard", "--kubeconfig", str(cluster.kubeconfig), "--port", "0"],
        env={**os.environ, "PYTHONPATH": ""},
        stderr=log.open("wb"),
    )


async def _round(
    api: KubeClient,
    cluster: localcluster.Cluster,
    operator: int,
    sides: tuple[workload.Side, workload.Side],
    jobs: int,
    name: str,
    *,
    swapped: bool = False,
) -> report.Round:
    """Run both sides, ours second unless they are swapped."""
    assert cluster.audit_log is not None
    audit = measure.AuditLog(cluster.audit_log)
    done: dict[workload.Side, tuple[float, float, Counter[tuple[str, str, str]]]] = {}
    for side in reversed(sides) if swapped else sides:
        audit.skip()
        before = measure.usage(operator)
        seconds = await workload.run(api, side, jobs, f"{side.prefix}-{name}")
        await asyncio.sleep(1)
        after = measure.usage(operator)
        done[side] = (seconds, after.cpu_seconds - before.cpu_seconds, _relevant(audit.writes()))
        await workload.clear(api, side)
        await asyncio.sleep(3)
    (bare_seconds, _, bare_writes), (seconds, cpu_seconds, writes) = (done[side] for side in sides)
    return report.Round(jobs, bare_seconds, seconds, cpu_seconds, writes, bare_writes)


def _relevant(writes: Counter[tuple[str, str, str]]) -> Counter[tuple[str, str, str]]:
    """Without what goes on whether jobs run or not."""
    return Counter({key: count for key, count in writes.items() if key[2] not in ("leases", "nodes/status")})


main()
