"""Fargate on a running cluster: the admission policy of its profiles, and its scheduler in a thread."""

import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Protocol

from ...api import Api, ApiRefusedError
from ...errors import LocalClusterError
from ...state import load_state
from .profiles import PROBE_LABEL, SCHEDULER, Profile, path_of, policy
from .scheduler import Fargate

POLL_SECONDS = 0.3
_POLICY_SECONDS = 30.0


class NamedCluster(Protocol):
    """A cluster on this machine."""

    @property
    def name(self) -> str:
        """Its name."""


@contextmanager
def fargate(
    cluster: NamedCluster,
    profiles: Sequence[Profile],
    *,
    delay: float = 1.0,
    out_of_capacity: bool = False,
    keep_nodes: bool = False,
) -> Iterator[Fargate]:
    """Within the block, pods that are made and that a profile selects are Fargate's; one at a time on a cluster.

    What it is like may be changed meanwhile, see Fargate. Pods that run go on to their end after the block.
    """
    with (
        closing(_api(cluster)) as api,
        _admission(cluster, profiles),
        ThreadPoolExecutor(1, "fargate") as thread,
    ):
        simulated = Fargate(api, profiles, delay=delay, out_of_capacity=out_of_capacity, keep_nodes=keep_nodes)
        work = thread.submit(_serve, cluster, simulated)
        try:
            yield simulated
        finally:
            simulated.stopped.set()
            work.result()


def _serve(cluster: NamedCluster, simulated: Fargate) -> None:
    """Look after pods again and again until it is stopped, and clear up."""
    try:
        while not simulated.stopped.wait(POLL_SECONDS):
            try:
                simulated.look(time.monotonic())
            except (OSError, ApiRefusedError) as error:  # a server that is busy is asked again
                if load_state(cluster.name) is None:
                    raise LocalClusterError(f"cluster {cluster.name} is gone, and Fargate with it") from error
        with suppress(OSError, ApiRefusedError):
            simulated.clear()
    finally:
        simulated.stopped.set()


@contextmanager
def _admission(cluster: NamedCluster, profiles: Sequence[Profile]) -> Iterator[None]:
    """Pods are marked by the profiles within the block, from its beginning on."""
    probe = secrets.token_hex(8)
    documents = policy(profiles, probe)
    with closing(_api(cluster)) as api:
        try:
            for document in documents:
                api.apply(path_of(document["kind"]), document)
            _wait(api, probe, marked=True)
            yield
        finally:
            with suppress(OSError):
                for document in reversed(documents):
                    api.delete(path_of(document["kind"]))
                _wait(api, probe, marked=False)


def _wait(api: Api, probe: str, *, marked: bool) -> None:
    """Wait until the API server goes by the policy, or does not any more; it takes a second to note either."""
    deadline = time.monotonic() + _POLICY_SECONDS
    while _is_marked(api, probe) != marked:
        if time.monotonic() > deadline:
            raise LocalClusterError(f"the policy of Fargate's profiles did not change within {_POLICY_SECONDS:.0f} s")
        time.sleep(0.1)


def _is_marked(api: Api, probe: str) -> bool:
    container = {"name": "main", "image": "none"}
    metadata = {"name": f"fargate-{probe}", "labels": {PROBE_LABEL: probe}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    made = api.create("/api/v1/namespaces/default/pods?dryRun=All", pod)
    return bool(made["spec"]["schedulerName"] == SCHEDULER)


def _api(cluster: NamedCluster) -> Api:
    state = load_state(cluster.name)
    if state is None or state.backend != "local":
        raise LocalClusterError("only a local cluster has a Fargate; this one has other nodes")
    return Api(state)
