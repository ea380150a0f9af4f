"""The pod failure policy of every Job that Batchyard creates, and what the Job's `Failed` condition says.

With this policy the Job controller writes the exit code into the condition's message, so that it is known
even when the pod is gone by the time anyone looks. `manifests.job` puts the rules into the Job; the core
reads the outcome.

A run ended by `activeDeadlineSeconds` on its pod is not told apart here: its containers are stopped by a
signal, and the condition shows whatever code they exit with (0 gives BackoffLimitExceeded). The pod's own
reason, `DeadlineExceeded`, says so. `DEADLINE` is the deadline of the Job itself.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

DISRUPTION_RULE: Final = 0
EXIT_CODE_RULE: Final = 1

RULES: Final[tuple[dict[str, Any], ...]] = (
    {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    {"action": "FailJob", "onExitCodes": {"operator": "NotIn", "values": [0]}},
)
"""Ordered: a disrupted pod's containers are killed, so its exit code must not be what decides."""

_EXIT_CODE = re.compile(
    r"Container (\S+) for pod \S+ failed with exit code (-?\d+) matching FailJob rule at index (\d+)"
)
_POD_CONDITION = re.compile(r"Pod \S+ has condition \S+ matching FailJob rule at index (\d+)")


class FailureKind(StrEnum):
    """What ended a run's pod, as far as its Job knows."""

    INTERRUPTED = "Interrupted"
    EXIT_CODE = "ExitCode"
    DEADLINE = "Deadline"
    OTHER = "Other"


@dataclass(slots=True, frozen=True)
class Failure:
    """What a Job's `Failed` condition tells about its pod."""

    kind: FailureKind
    exit_code: int | None = None
    container: str = ""


def parse_failure(condition_reason: str, condition_message: str) -> Failure:
    """Read the reason and message of a Job's `Failed` condition; `OTHER` where only the pod can tell."""
    if condition_reason == "DeadlineExceeded":
        return Failure(FailureKind.DEADLINE)
    if condition_reason != "PodFailurePolicy":
        return Failure(FailureKind.OTHER)
    if (exited := _EXIT_CODE.fullmatch(condition_message)) and int(exited[3]) == EXIT_CODE_RULE:
        return Failure(FailureKind.EXIT_CODE, int(exited[2]), exited[1])
    if (disrupted := _POD_CONDITION.fullmatch(condition_message)) and int(disrupted[1]) == DISRUPTION_RULE:
        return Failure(FailureKind.INTERRUPTED)
    return Failure(FailureKind.OTHER)
