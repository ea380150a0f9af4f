"""Evicts pods of jobs from nodes that go: asked by the Eviction API, their program gets SIGTERM and its grace period.

Evicted, they count as interrupted, which costs no attempt.
"""

import asyncio
import logging
from collections.abc import Iterable

from batchyard.kube.errors import ApiError, Conflict, NotFound, TooManyRequests
from batchyard.kube.protocol import KubeApi, Object
from batchyard.kube.resources import PODS

_log = logging.getLogger(__name__)

_ENDED = ("Succeeded", "Failed")
AT_ONCE = 16
"""How many pods are asked at the same time: one that is protected is tried several times, and others may not have
the time to wait for that."""


async def evict(api: KubeApi, pods: Iterable[Object]) -> int:
    """Evict those that have neither ended nor been asked to go; returns how many of them go on.

    These are protected by a PodDisruptionBudget, the API server refuses to evict them, or something has happened to
    them since they were read: one that has ended by itself is not to look interrupted. Raises ApiError where there was
    no definite answer about one, once all others were asked.
    """
    free = asyncio.Semaphore(AT_ONCE)

    async def one(pod: Object) -> bool:
        async with free:
            return await _evict(api, pod)

    answers = await asyncio.gather(*(one(pod) for pod in pods if _runs(pod)), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return sum(answer is False for answer in answers)


def _runs(pod: Object) -> bool:
    return "deletionTimestamp" not in pod["metadata"] and (pod.get("status") or {}).get("phase") not in _ENDED


async def _evict(api: KubeApi, pod: Object) -> bool:
    """Evict a pod; returns whether it goes."""
    metadata = pod["metadata"]
    try:
        version = metadata["resourceVersion"]
        await api.evict(PODS, metadata["name"], metadata["namespace"], uid=metadata["uid"], version=version)
    except NotFound:
        return True
    except Conflict:
        return False
    except ApiError as error:
        if not error.definite and not isinstance(error, TooManyRequests):
            raise
        _log.info("Pod %s/%s is not evicted: %s", metadata["namespace"], metadata["name"], error.message)
        return False
    return True
