"""The command line: ``python -m localcluster`` with a command such as up, down or kubectl; ``--help`` lists them."""

import argparse
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from . import faults
from .cluster import DEFAULT_NAME, build, cluster_names, connect, down, up
from .errors import LocalClusterError
from .images.example import example_image
from .images.operator import operator_image
from .karpenter import has_karpenter
from .nodes.fargate import Profile, fargate
from .processes import is_running
from .state import cluster_dir, load_state

NAME_VARIABLE = "LOCAL_CLUSTER"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status says whether it succeeded."""
    own, kubectls = split_kubectl(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(own)
    options.arguments = kubectls
    try:
        _run(options)
    except LocalClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; the next up or down cleans what was begun", file=sys.stderr)
        return 130
    return 0


def split_kubectl(arguments: list[str]) -> tuple[list[str], list[str]]:
    """What is for this tool, and what kubectl gets untouched, options and all: ``kubectl [--name X] ...``."""
    own = 0
    if arguments[:1] == ["kubectl"]:
        own = 3 if arguments[1:2] == ["--name"] else 1
    return (arguments[:own], arguments[own:]) if own else (arguments, [])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="localcluster", description="Real Kubernetes on this machine.")
    named = argparse.ArgumentParser(add_help=False)
    default = os.environ.get(NAME_VARIABLE, DEFAULT_NAME)
    named.add_argument(
        "--name", default=default, help=f"name of the cluster (default: ${NAME_VARIABLE}, else batchyard)"
    )
    commands = parser.add_subparsers(dest="command", required=True)

    start = commands.add_parser("up", parents=[named], help="start the cluster, or find it running")
    start.add_argument("--real-node", action=argparse.BooleanOptionalAction, help="default: as root on Linux")
    start.add_argument("--simulated-nodes", type=int, default=2, metavar="N", help="default: %(default)s")
    start.add_argument("--audit", action="store_true", help="log every write to the API server")
    start.add_argument("--karpenter", action="store_true", help="run Karpenter, which makes simulated nodes for pods")

    stop = commands.add_parser("down", parents=[named], help="stop the cluster and remove all of it")
    stop.add_argument("--all", action="store_true", help="all clusters of this user")
    commands.add_parser("status", help="what clusters there are and whether they run")
    commands.add_parser("kubeconfig", parents=[named], help="print the path of the kubeconfig")
    usage = "%(prog)s [--name NAME] kubectl's own arguments"
    commands.add_parser("kubectl", parents=[named], help="run kubectl on the cluster", usage=usage)
    load = commands.add_parser("load-image", parents=[named], help="give the real node an image archive")
    load.add_argument("archive", type=Path)

    example = commands.add_parser("example-image", parents=[named], help="build an example's image and load it")
    example.add_argument("example", help="folder of the example, such as 07-mpi")

    nodes = commands.add_parser("nodes", parents=[named], help="add simulated nodes")
    nodes.add_argument("count", type=int)
    nodes.add_argument("--virtual", action="store_true", help="as virtual kubelets register them, far larger")
    nodes.add_argument("--cpu", default=argparse.SUPPRESS, help="default: 32; 10000 of a virtual node")
    nodes.add_argument("--memory", default=argparse.SUPPRESS, help="default: 256Gi; 40Ti of a virtual node")
    nodes.add_argument("--pods", type=int, default=argparse.SUPPRESS, help="default: 110; 5000 of a virtual node")
    nodes.add_argument("--gpu", type=int, default=0)
    nodes.add_argument("--label", action="append", default=[], metavar="KEY=VALUE")
    _add_fargate(commands, named)
    _add_faults(commands, named)
    programs = commands.add_parser("build", help="build what a cluster needs into the cache, and print the folder")
    programs.add_argument("--karpenter", action="store_true", help="Karpenter, too")
    commands.add_parser("image", help="build the operator's image and print the path of its archive")
    return parser


def _add_fargate(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", named: argparse.ArgumentParser
) -> None:
    simulated = commands.add_parser("fargate", parents=[named], help="play AWS Fargate until it is interrupted")
    simulated.add_argument("--profile", default="default", help="name of the profile (default: %(default)s)")
    simulated.add_argument("--namespace", action="append", required=True, help="of its pods; * and ? are wildcards")
    simulated.add_argument("--label", action="append", default=[], metavar="KEY=VALUE", help="that its pods have")
    simulated.add_argument(
        "--delay", type=float, default=1, metavar="SECONDS", help="until a pod gets its node (default: %(default)g)"
    )
    simulated.add_argument("--out-of-capacity", action="store_true", help="no pod gets a node")
    simulated.add_argument("--keep-nodes", action="store_true", help="until the pod is deleted, as with AWS")


def _add_faults(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", named: argparse.ArgumentParser
) -> None:
    rule = commands.add_parser(
        "faults", parents=[named], help="refuse machines to Karpenter, and print what is refused"
    )
    what = rule.add_mutually_exclusive_group()
    what.add_argument("--refuse", choices=faults.KINDS, metavar="KIND", help=f"add a rule: {', '.join(faults.KINDS)}")
    what.add_argument("--clear", action="store_true", help="refuse nothing any more")
    for selector in ("capacity-type", "zone", "instance-type", "node-class"):
        rule.add_argument(f"--{selector}", action="append", default=[], help="which machines; may be repeated")
    rule.add_argument("--reason", default="", help="of launchFailed, which the claim's condition shows")
    rule.add_argument("--message", default="", help="what the cloud says")
    rule.add_argument(
        "--remembered", type=float, default=0, metavar="SECONDS", help="of insufficientCapacity; 180 with AWS"
    )

    interrupt = commands.add_parser("interrupt", parents=[named], help="take nodes as a cloud takes spot machines")
    interrupt.add_argument("nodes", nargs="+", metavar="NODE")
    interrupt.add_argument(
        "--notice", type=float, default=faults.NOTICE_SECONDS, metavar="SECONDS", help="default: %(default)g"
    )
    lose = commands.add_parser("lose-zone", parents=[named], help="let all nodes of a zone fall silent, and make none")
    lose.add_argument("zone")
    lose.add_argument("--gone", action="store_true", help="the nodes are gone at once")


def _run(options: argparse.Namespace) -> None:
    match options.command:
        case "up":
            cluster = up(
                options.name,
                real_node=options.real_node,
                simulated_nodes=options.simulated_nodes,
                audit=options.audit,
                karpenter=options.karpenter,
                progress=_progress,
            )
            print(cluster.kubeconfig)
        case "down":
            for name in cluster_names() if options.all else [options.name]:
                down(name, _progress)
        case "status":
            _print_status()
        case "kubeconfig":
            print(connect(options.name).kubeconfig)
        case "kubectl":
            cluster = connect(options.name)
            environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
            os.execve(cluster.binaries / "kubectl", ["kubectl", *options.arguments], environment)  # noqa: S606
        case "load-image":
            connect(options.name).load_image(options.archive)
        case "example-image":
            cluster = connect(options.name)
            cluster.load_image(example_image(options.example, _progress))
        case "nodes":
            print("\n".join(_add_nodes(options)))
        case "build":
            print(build(_progress, karpenter=options.karpenter))
        case "image":
            print(operator_image(_progress))
        case _:
            _play_cloud(options)


def _add_nodes(options: argparse.Namespace) -> list[str]:
    cluster = connect(options.name)
    shape = {name: value for name, value in vars(options).items() if name in ("cpu", "memory", "pods", "gpu")}
    add = cluster.add_virtual_nodes if options.virtual else cluster.add_nodes
    return add(options.count, labels=_labels(options), **shape)


def _play_fargate(options: argparse.Namespace) -> None:
    profiles = [Profile(options.profile, namespace, _labels(options)) for namespace in options.namespace]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # however it ends, the policy goes
    with (
        suppress(KeyboardInterrupt),
        fargate(
            connect(options.name),
            profiles,
            delay=options.delay,
            out_of_capacity=options.out_of_capacity,
            keep_nodes=options.keep_nodes,
        ) as simulated,
    ):
        _progress(f"Fargate runs pods of profile {options.profile}; Ctrl-C ends it")
        simulated.stopped.wait()


def _play_cloud(options: argparse.Namespace) -> None:
    folder = cluster_dir(options.name)
    match options.command:
        case "fargate":
            _play_fargate(options)
        case "interrupt":
            faults.interrupt(connect(options.name), options.nodes, options.notice)
        case "lose-zone":
            print("\n".join(faults.lose_zone(connect(options.name), folder, options.zone, gone=options.gone)))
        case _:
            if options.clear:
                faults.clear(folder)
            elif options.refuse:
                faults.add(folder, [_rule(options)])
            for each in faults.rules_of(folder):
                print(json.dumps(each))


def _rule(options: argparse.Namespace) -> faults.Rule:
    return faults.Rule(
        kind=options.refuse,
        capacity_types=options.capacity_type,
        zones=options.zone,
        instance_types=options.instance_type,
        node_classes=options.node_class,
        reason=options.reason,
        message=options.message,
        remembered=options.remembered,
    )


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _labels(options: argparse.Namespace) -> dict[str, str]:
    return dict(_pair(text) for text in options.label)


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator:
        raise LocalClusterError(f"label {text!r} is not KEY=VALUE; write for example --label zone=a")
    return key, value


def _print_status() -> None:
    names = cluster_names()
    if not names:
        print("no clusters")
    for name in names:
        state = load_state(name)
        if state is None or not state.ready:
            print(f"{name}: broken or starting; up starts it anew, down removes it")
            continue
        ended = [process.name for process in state.processes if not is_running(process)]
        health = f"broken, ended: {', '.join(ended)}" if ended else "running"
        nodes = "with a real node" if state.real or state.backend == "kind" else "simulated nodes only"
        if has_karpenter(state):
            nodes += ", Karpenter"
        print(f"{name}: {health} ({state.backend}, {nodes}), kubeconfig {state.kubeconfig}")


if __name__ == "__main__":
    sys.exit(main())
