"""Chooses free TCP ports for the programs of a cluster.

Ports are drawn below the range the kernel hands out for outgoing connections, so that none is taken between
the choice and its use; callers choose and start under one lock.
"""

import fcntl
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import LocalClusterError
from .paths import clusters_root
from .state import LOOPBACK

RANGE = range(20000, 30000)


def free_ports(count: int, addresses: tuple[str, ...] = (LOOPBACK,), candidates: range = RANGE) -> list[int]:
    """Ports nobody listens on at any of the addresses."""
    chosen: list[int] = []
    for port in random.sample(candidates, len(candidates)):
        if all(_is_free(address, port) for address in addresses):
            chosen.append(port)
        if len(chosen) == count:
            return chosen
    span = f"{candidates.start} and {candidates.stop - 1}"
    raise LocalClusterError(f"fewer than {count} free ports between {span}; stop what listens there")


@contextmanager
def one_start_at_a_time() -> Iterator[None]:
    """Two clusters starting at once must not choose the same ports."""
    clusters_root().mkdir(parents=True, exist_ok=True)
    with (clusters_root() / ".ports.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
