"""`batchyard simulate WORKLOAD.yaml`: replays a workload, prints a table, draws a chart."""

import argparse
import sys
import time
from collections.abc import Sequence
from math import inf
from pathlib import Path

from batchyard.simulator import chart, report
from batchyard.simulator.replay import Replay
from batchyard.simulator.submission import LeftOut
from batchyard.simulator.swf import InvalidTrace
from batchyard.simulator.workload import InvalidWorkload, load


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the replay; what is wrong in a file ends in one sentence."""
    parser = argparse.ArgumentParser(
        prog="batchyard simulate",
        description="Replays a workload through Batchyard's planner in virtual time; docs/simulator.md says more.",
    )
    parser.add_argument("workload", type=Path, help="workload file (YAML)")
    parser.add_argument("--jobs", type=_number, help="number of jobs to replay, instead of the file's")
    parser.add_argument("--hours", type=_number, help="stop after so many hours of virtual time")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="draw utilisation and backlog over time")
    options = parser.parse_args(arguments)
    try:
        workload, left_out = load(options.workload), LeftOut()
        pools = [environment.pool() for environment in workload.environments]
        queues = [queue.record(position) for position, queue in enumerate(workload.queues)]
        began = time.perf_counter()
        submissions = workload.submissions(options.workload.parent, left_out, options.jobs)
        consumables = [resource.record() for resource in workload.consumable_resources]
        results = Replay(pools, queues, consumables).run(submissions, 3600 * options.hours if options.hours else inf)
        seconds = time.perf_counter() - began
        print(report.render(results, workload.environments, left_out.jobs))
        if options.chart is not None:
            title, vcpus = f"{options.workload.stem}: utilisation and backlog", sum(map(report.vcpus_in, pools))
            _write(options.chart, chart.render(title, results.timeline, vcpus))
    except (InvalidWorkload, InvalidTrace) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted; use --jobs for a shorter run")
    print(f"replayed in {seconds:.1f} s" + (f", chart in {options.chart}" if options.chart else ""))


def _number(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'must be a whole number of at least 1, not "{text}"')
    return number


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        sys.exit(f"error: {path} cannot be written: {error.strerror}; name another file with --chart")
