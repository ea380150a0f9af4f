"""What is to be done about a job beside writing its status, as `settle` finds out: a small class for each such thing.

An action names its object and never says what to write: that is read when its turn comes. So the same action may be
asked for any number of times, and is done once.
"""

from dataclasses import dataclass, fields

from batchyard.core.model.job import Key


@dataclass(slots=True, frozen=True)
class Action:
    """Something to do against the API server."""

    def __str__(self) -> str:
        """Its kind and its object, as logs show it: `StopRun media/videos-1`."""
        values = (getattr(self, each.name) for each in fields(self))
        parts = ("/".join(value) if isinstance(value, tuple) else str(value) for value in values)
        return " ".join((type(self).__name__, *parts))


@dataclass(slots=True, frozen=True)
class StopRun(Action):
    """Delete the Kubernetes Job of a run, or of another node of it, with its pods."""

    job: Key
    name: str
    uid: str


@dataclass(slots=True, frozen=True)
class StartNode(Action):
    """Create the Kubernetes Job of a node of a multi-node job, now that the main node runs."""

    job: Key
    node: int


@dataclass(slots=True, frozen=True)
class ReadPods(Action):
    """Read of the pods of a job what no informer tells."""

    job: Key


@dataclass(slots=True, frozen=True)
class ExplainPod(Action):
    """Read the Events of a pod that does not start."""

    namespace: str
    name: str
    uid: str


@dataclass(slots=True, frozen=True)
class DeletePods(Action):
    """Delete the pods of those indexes of an array that are to end."""

    job: Key


@dataclass(slots=True, frozen=True)
class GiveBackSlots(Action):
    """Take back the slots of an array whose indexes cannot start."""

    job: Key


@dataclass(slots=True, frozen=True)
class AbandonPod(Action):
    """Delete the pod of an index that could not be started in time."""

    job: Key
    job_uid: str
    pod: str


@dataclass(slots=True, frozen=True)
class WriteOffPod(Action):
    """Have a pod on a lost node count as ended that somebody has deleted by force."""

    namespace: str
    pod: str
    uid: str


@dataclass(slots=True, frozen=True)
class CutPodShort(Action):
    """Stop what goes on in a pod whose main container has failed."""

    namespace: str
    pod: str


@dataclass(slots=True, frozen=True)
class Expire(Action):
    """Delete a finished BatchJob whose time to live is over."""

    job: Key
