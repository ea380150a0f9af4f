"""What has changed in the cache since the last pass took it from there."""

from batchyard.core.insight.announcements import Announcement, announcement, doubt
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.status import Status


class Changes:
    """Jobs whose statuses are to be written, and warnings that are to be told."""

    def __init__(self) -> None:
        self.announcements: list[tuple[Key, Announcement]] = []
        """Warnings that the loop has not handed out yet."""
        self.decided: set[Key] = set()
        """Jobs whose status was decided anew."""
        self.respecified: set[Key] = set()
        """Jobs whose stored status does not say that their present spec was seen."""

    def observe_transition(self, job: BatchJob, before: Status, after: Status) -> None:
        """Note what is to be written about a decision, and what is to be announced."""
        self.decided.add(job.key)
        for said in announcement(before, after), doubt(job, before, after):
            if said is not None:
                self.announcements.append((job.key, said))

    def take_announcements(self) -> list[tuple[Key, Announcement]]:
        """Return the warnings since the last call."""
        taken, self.announcements = self.announcements, []
        return taken

    def take_decided(self) -> set[Key]:
        """Return the jobs whose status was decided anew since the last call."""
        taken, self.decided = self.decided, set()
        return taken

    def take_respecified(self) -> set[Key]:
        """Return the jobs whose stored status is of an earlier spec, found since the last call."""
        taken, self.respecified = self.respecified, set()
        return taken
