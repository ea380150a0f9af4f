"""The demo's steps in order: cluster, kinds, operator, example, jobs on their way, logs, result, what to try next."""

import argparse
import asyncio
import os
import shutil
import sys
from pathlib import Path

from rich.console import Console

import localcluster
from batchyard.kube.client import connect
from batchyard.kube.errors import ApiError
from localcluster import Cluster, LocalClusterError, kinds
from localcluster.cluster import DEFAULT_NAME, choose_backend
from localcluster.processes import log_tail

from . import display, weather
from .errors import DemoError
from .follow import Sighting, until_ended
from .operator_process import OperatorProcess, restart

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"
NAMESPACE = "default"
SECONDS = 180.0


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; the exit status says whether the jobs and their results were right."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--name", default=DEFAULT_NAME, help="name of the local cluster (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    try:
        _run(options.name, console, live=console.is_terminal and not os.environ.get("CI"))
    except (DemoError, LocalClusterError, ApiError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; make demo starts over, make cluster-down removes the cluster", file=sys.stderr)
        return 130
    return 0


def _run(name: str, console: Console, *, live: bool) -> None:
    display.heading(console, "A Kubernetes cluster on this machine")
    cluster = _cluster(name, console, live=live)
    display.text(console, cluster.kubectl("get", "nodes", "--label-columns", "batchyard.dev/node"))

    display.heading(console, "Batchyard's five kinds, and its operator")
    kinds.install(cluster, CRDS)
    operator = restart(cluster)
    display.text(console, cluster.kubectl("api-resources", "--api-group=batchyard.dev"))
    display.text(console, f"operator: process {operator.process.pid}, log {operator.log}")

    display.heading(console, f"A small ETL: kubectl apply -k {weather.EXAMPLE.relative_to(ROOT)}")
    # A BatchJob runs once: those of an earlier demo are submitted anew.
    submitted_before = ("batchjobs", *weather.UNITS, "--ignore-not-found", "--timeout=60s")
    cluster.kubectl("--namespace", NAMESPACE, "delete", *submitted_before)
    display.text(console, cluster.kubectl("--namespace", NAMESPACE, "apply", "-k", str(weather.EXAMPLE)))

    display.heading(console, "The jobs on their way: kubectl get batchjobs --watch")
    _check_ends(asyncio.run(_follow(cluster, operator, console, live=live)), operator)
    _show_results(cluster, console)

    display.heading(console, "The cluster and the operator stay. Try next:")
    display.text(console, _next_commands(cluster, operator))


def _cluster(name: str, console: Console, *, live: bool) -> Cluster:
    # Asked before anything is built, which takes minutes.
    if choose_backend() == "local" and not (sys.platform == "linux" and os.geteuid() == 0):
        raise DemoError(
            "the demo runs real containers and needs a real node for them: "
            "run it as root on Linux, or with Docker and kind installed"
        )
    with display.progress(console, live=live) as progress:
        cluster = localcluster.up(name, progress=progress)
    if not cluster.has_real_node:
        raise DemoError(
            f"cluster {name} has no real node to run containers on: take it down with {_down(cluster)} and try again; "
            "of a cluster of your own, label a node batchyard.dev/node=real"
        )
    return cluster


async def _follow(cluster: Cluster, operator: OperatorProcess, console: Console, *, live: bool) -> dict[str, Sighting]:
    api = await connect(str(cluster.kubeconfig), user_agent="batchyard-demo")
    try:
        with display.live_table(console) if live else display.lines(console) as show:
            following = asyncio.create_task(until_ended(api, NAMESPACE, list(weather.UNITS), show, seconds=SECONDS))
            while not (await asyncio.wait([following], timeout=0.5))[0]:
                if operator.ended:
                    following.cancel()
                    raise DemoError(f"the operator ended before the jobs did: {log_tail(operator.log)}")
            return following.result()
    finally:
        await api.close()


def _check_ends(seen: dict[str, Sighting], operator: OperatorProcess) -> None:
    for name in weather.UNITS:
        job = seen.get(name)
        if job is None or job.state != "Succeeded":
            found = f"is {job.state} ({job.reason}: {job.message})" if job else "was not seen"
            raise DemoError(f"job {name} {found} instead of Succeeded; the operator's log is {operator.log}")


def _show_results(cluster: Cluster, console: Console) -> None:
    first, second = weather.UNITS
    display.heading(console, f"What the first one wrote: kubectl logs -l batchyard.dev/job={first}")
    log = cluster.kubectl("--namespace", NAMESPACE, "logs", "-l", f"batchyard.dev/job={first}", "--tail=-1")
    display.text(console, log)
    display.heading(console, f"The result of the second, {second}, as its pod left it")
    path = "jsonpath={.items[*].status.containerStatuses[*].state.terminated.message}"
    pods = ("pods", "-l", f"batchyard.dev/job={second}", "-o", path)
    result = cluster.kubectl("--namespace", NAMESPACE, "get", *pods)
    display.table(console, result)
    weather.check(first, weather.table_in(log))
    weather.check(second, result)
    display.text(console, "Both results are right: the program, run here on the same readings, gives the same figures.")


def _next_commands(cluster: Cluster, operator: OperatorProcess) -> str:
    lines = [f"export KUBECONFIG={cluster.kubeconfig}"]
    if shutil.which("kubectl") is None:
        lines.append(f"export PATH=$PATH:{cluster.binaries}")
    lines += [
        "kubectl get bj                                        # the jobs; also jd, jq, ce",
        "kubectl describe bj weather                           # state, reason, attempts",
        "kubectl explain batchjob.spec                         # every field, in words",
        "kubectl apply -f examples/01-hello/hello.yaml         # the smallest job",
        f"curl --silent {operator.address}/metrics | grep ^batchyard",
        f"{_down(cluster):<53} # stop and remove all of it",
    ]
    return "\n".join(f"  {line}" for line in lines)


def _down(cluster: Cluster) -> str:
    """The command that removes the cluster."""
    if cluster.name == DEFAULT_NAME:
        return "make cluster-down"
    return f"PYTHONPATH=hack .venv/bin/python -m localcluster down --name {cluster.name}"


if __name__ == "__main__":
    sys.exit(main())
