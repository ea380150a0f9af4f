"""The part of `make bench` on a mixed workload alone: prints its section, and writes no page."""

import argparse
import asyncio

from batchyard.kube.client import connect

from .. import workload
from ..installation import Installation, installed
from .rounds import measured
from .section import section

CLUSTER = "bench-mixed"


def main() -> None:
    """Run the rounds and print what the page would say."""
    parser = argparse.ArgumentParser(prog="python -m bench.mixed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="rounds (default: %(default)s)")
    rounds: int = parser.parse_args().rounds
    with installed(CLUSTER, nodes=0) as installation:
        print("\n".join(asyncio.run(_measure(installation, rounds))))


async def _measure(installation: Installation, rounds: int) -> list[str]:
    api = await connect(str(installation.cluster.kubeconfig), user_agent="batchyard-bench")
    try:
        await workload.prepare(api)
        return section(await measured(installation, api, rounds))
    finally:
        await api.close()


main()
