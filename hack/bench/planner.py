"""`make bench-planner`: how long the planner thinks, without a cluster, and how its simulator scales."""

import argparse
import subprocess
import sys
from pathlib import Path

from . import passes, plannerpage
from .passes import ON_NODES, ON_ONE_NODE, Row
from .plannerpage import Figures, Replayed

ROOT = Path(__file__).parents[2]
WORKLOADS = ROOT / "examples" / "simulator"
REPLAYS = (("mix", 10_000), ("mix", 100_000), ("large", 10_000), ("large", 100_000), ("large", 1_000_000))


def main() -> None:
    """Measure, print, write the page."""
    parser = argparse.ArgumentParser(prog="make bench-planner", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "planner-benchmarks.md", help="page to write")
    parser.add_argument(
        "--most-jobs", type=int, default=1_000_000, help="leave out runs of the simulator with more jobs than that"
    )
    options = parser.parse_args()
    figures = Figures()
    for shape in ON_ONE_NODE:
        few, throughput = passes.few_changes(shape)
        figures.throughputs.append(throughput)
        _enter(figures, few, passes.all_start(shape), passes.all_told(shape), passes.all_come(shape))
    for shape in ON_NODES:
        _enter(figures, passes.few_changes(shape)[0], passes.all_start(shape))
    figures.growth = passes.growth()
    for workload, jobs in REPLAYS:
        if jobs <= options.most_jobs:
            figures.replays.append(_replay(workload, jobs))
    page = plannerpage.render(figures)
    options.output.write_text(page)
    print(page)
    sys.exit(not figures.met)


def _enter(figures: Figures, *rows: Row) -> None:
    for row in rows:
        print(f"{row.text}, {row.shape}: {row.figures}", flush=True)
        figures.rows.append(row)


_REPLAY = """
import sys
from pathlib import Path
from batchyard.simulator.command import main
main([sys.argv[1], "--jobs", sys.argv[2]])
import time
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(time.process_time(), 1024 * int(peak))
"""


def _replay(workload: str, jobs: int) -> Replayed:
    """In a process of its own, so that its memory can be told."""
    file = WORKLOADS / f"{workload}.yaml"
    done = subprocess.run(
        [sys.executable, "-c", _REPLAY, str(file), str(jobs)], check=True, capture_output=True, text=True
    )
    seconds, peak = done.stdout.split()[-2:]
    print(f"simulator, {workload}: {jobs:,} jobs in {float(seconds):.1f} CPU seconds", flush=True)
    return Replayed(workload, jobs, float(seconds), int(peak))


if __name__ == "__main__":
    main()
