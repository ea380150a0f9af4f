"""The results as a table on the terminal."""

from collections.abc import Iterable, Sequence

from batchyard.core.scheduling.capacity.pools import Pool
from batchyard.simulator.measures import Idle, Tally
from batchyard.simulator.results import Results
from batchyard.simulator.workload import EnvironmentSpec

_SHARES_SHOWN = 20
_OF_JOBS = ["queue", "share", "jobs", "vCPU hours", "wait: mean", "median", "p95", "max", "cancelled", "displaced"]
_OF_ENVIRONMENTS = [
    *("environment", "vCPUs", "utilisation", "free in pieces", "stranded", "vCPU hours"),
    *("cost of use", "cost with idle"),
]
_MILLI_HOUR = 1000 * 3600
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def render(results: Results, environments: Sequence[EnvironmentSpec], left_out: int) -> str:
    """The whole report."""
    submitted = sum(tally.submitted for tally in results.queues.values())
    makespan = f"makespan {duration(results.makespan)} ({results.makespan:,} s)"
    lines = [
        f"{submitted:,} jobs, {makespan}, at most {results.most_waiting:,} waiting, {results.passes:,} passes",
        "",
        *_table(_OF_JOBS, _jobs(results), left=2),
        "",
        *_table(
            _OF_ENVIRONMENTS,
            _capacity(results, environments),
            left=1,
        ),
        *_remarks(results, left_out),
    ]
    return "\n".join(lines) + "\n"


def duration(seconds: float) -> str:
    """Seconds as a person says them: `45 s`, `12.5 min`, `3.1 h`, `2.4 d`."""
    for unit, name in _UNITS:
        if seconds >= unit * (1 if unit == 60 else 2):
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def _jobs(results: Results) -> Iterable[list[str]]:
    cancelled, displaced = results.cancelled > 0, results.displaced > 0
    for queue, tally in results.queues.items():
        yield [queue, "", *_figures(tally, cancelled=cancelled, displaced=displaced)]
        shares = [(share, found) for (name, share), found in results.shares.items() if name == queue]
        shares.sort(key=lambda each: (-each[1].vcpu_seconds, each[0]))
        for share, found in shares[:_SHARES_SHOWN]:
            yield ["", share, *_figures(found, cancelled=cancelled, displaced=displaced)]
        if len(shares) > _SHARES_SHOWN:
            yield ["", f"and {len(shares) - _SHARES_SHOWN:,} more"]


def _figures(tally: Tally, *, cancelled: bool, displaced: bool) -> list[str]:
    """The last two only where there is anything of it in any queue."""
    waits = tally.waits
    times = (waits.mean, waits.quantile(0.5), waits.quantile(0.95), waits.max)
    ended = [f"{tally.cancelled:,}" if cancelled else "", f"{tally.displaced:,}" if displaced else ""]
    return [f"{tally.submitted:,}", f"{tally.vcpu_seconds / 3600:,.1f}", *map(duration, times), *ended]


def _capacity(results: Results, environments: Sequence[EnvironmentSpec]) -> Iterable[list[str]]:
    hours = results.makespan / 3600
    costs: list[tuple[float, float]] = []
    total_vcpus = 0.0
    for environment in environments:
        vcpus, used = vcpus_in(environment.pool()), results.environments[environment.name] / 3600
        total_vcpus += vcpus
        idle = _idle(results.idle[environment.name], vcpus * hours) if environment.nodes else ["", ""]
        cells = [environment.name, f"{vcpus:,g}", _percent(used, vcpus * hours), *idle, f"{used:,.1f}"]
        if environment.price_per_vcpu_hour is not None:
            # Nodes are paid for whether they are used or not; without nodes, only what is used.
            all_hours = vcpus * hours if environment.nodes else used
            costs.append((used * environment.price_per_vcpu_hour, all_hours * environment.price_per_vcpu_hour))
            cells += [f"{cost:,.2f}" for cost in costs[-1]]
        yield cells
    if len(environments) > 1:
        used = sum(results.environments.values()) / 3600
        sums = [f"{sum(column):,.2f}" for column in zip(*costs, strict=True)]
        yield ["all", f"{total_vcpus:,g}", _percent(used, total_vcpus * hours), "", "", f"{used:,.1f}", *sums]


def _idle(idle: Idle, vcpu_hours: float) -> list[str]:
    """How much of what was free lay in pieces, and how much of all there was was stranded."""
    return [_percent(idle.in_pieces, idle.free), _percent(idle.stranded["cpu"] / _MILLI_HOUR, vcpu_hours)]


def vcpus_in(pool: Pool) -> float:
    """What jobs can use of it."""
    return pool.capacity.get("cpu", 0) / 1000


def _remarks(results: Results, left_out: int) -> Iterable[str]:
    if results.rejected:
        yield ""
        yield f"{results.rejected:,} jobs can never start and were set aside. The first: {results.rejection}."
    if results.displaced:
        yield ""
        yield f"Of the vCPU hours, {results.lost_vcpu_seconds / 3600:,.1f} came to nothing, as jobs were displaced."
    if stranded := results.stranded:
        vcpus = f"{stranded.pop('cpu', 0) / _MILLI_HOUR:,.1f} vCPU hours"
        hours = [vcpus, *(f"{seconds / 3600:,.1f} {name} hours" for name, seconds in sorted(stranded.items()))]
        yield ""
        yield f"{' and '.join(hours)} were stranded: free for a job that waited, on all nodes together but not on one."
    if results.given_up:
        yield ""
        yield f"{results.given_up:,} jobs were displaced more often than a job may be interrupted, and given up."
    if results.still_waiting:
        yield ""
        yield f"{results.still_waiting:,} jobs were still waiting at the end; how long is not among the waits."
    if left_out:
        yield ""
        yield f"{left_out:,} lines of the trace were left out: the job did not run, or its processors are not known."


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _table(heading: list[str], rows: Iterable[list[str]], left: int) -> list[str]:
    """Columns side by side, the first ones flush left, the others flush right; empty columns are left out."""
    cells = [row + [""] * (len(heading) - len(row)) for row in rows]
    shown = [at for at in range(len(heading)) if any(row[at] for row in cells)]
    widths = {at: max(len(row[at]) for row in [heading, *cells]) for at in shown}
    return [
        "  ".join(row[at].ljust(widths[at]) if at < left else row[at].rjust(widths[at]) for at in shown).rstrip()
        for row in [heading, *cells]
    ]
