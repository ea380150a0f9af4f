"""All that the operator knows, as records, kept current by the informers and the Kopf handlers.

The loop takes its snapshots from here and enters its decisions here; controllers enter what the API server answered.
One event loop owns it, nothing here awaits, so every method sees and leaves a consistent whole. Nothing in it is
precious: a LIST of the same objects builds the same cache again.
"""

import time
from collections.abc import Callable, Mapping

from batchyard.api import names
from batchyard.core.admission.dependencies import remember
from batchyard.core.lifecycle.array import arraystatus
from batchyard.core.lifecycle.queuedat import behind
from batchyard.core.model.array import ArrayDemand
from batchyard.core.model.definition import Resolved
from batchyard.core.model.job import BatchJob, Key
from batchyard.core.model.run import PodReport, Refusal, Run
from batchyard.core.model.status import BEFORE_THE_QUEUE, TERMINAL, WAITING, Status
from batchyard.core.planner.containment import left_out
from batchyard.core.planner.results import Settled
from batchyard.core.scheduling.arrays.slots import outstanding
from batchyard.core.scheduling.backlog import Backlog
from batchyard.core.scheduling.decisions import Placement
from batchyard.core.scheduling.snapshot import Snapshot
from batchyard.objects.kinds.batchjob import read_batchjob
from batchyard.objects.kinds.batchjobstatus import read_status
from batchyard.objects.meta import Object, key_of
from batchyard.runtime.state.accounts.accounts import Accounts
from batchyard.runtime.state.awaitingdefinition import AwaitingDefinition
from batchyard.runtime.state.catalogue import Catalogue
from batchyard.runtime.state.dependents import Dependents
from batchyard.runtime.state.faults import Faults
from batchyard.runtime.state.kinds.store import Intake
from batchyard.runtime.state.marks import Marks
from batchyard.runtime.state.persistence import Persistence
from batchyard.runtime.state.pods.otherpods import Origin
from batchyard.runtime.state.preemptions import Preemptions
from batchyard.runtime.state.referrers import Reference, Referrers
from batchyard.runtime.state.runs import Runs
from batchyard.runtime.state.snapshots import snapshot_of
from batchyard.runtime.state.transitions.changes import Changes
from batchyard.runtime.state.transitions.counts import Counts
from batchyard.runtime.state.transitions.nodewaits import NodeWaits
from batchyard.runtime.state.transitions.observers import TransitionObserver
from batchyard.runtime.state.wakeup import Wakeup

_MOST_MOVED = 10_000
"""Of how many Kubernetes Jobs it is remembered that their pods are to be counted."""


class Cache:
    """Records by kind, the indexes that keep a pass cheap, and what has changed since the last pass."""

    def __init__(self, clock: Callable[[], float] = time.time, marks: Marks | None = None) -> None:
        self.marks = marks or Marks()
        self.jobs: dict[Key, BatchJob] = {}
        self.statuses: dict[Key, Status] = {}
        self.resolved: dict[Key, Resolved] = {}
        self.changed = Wakeup()
        """Set whenever the next pass could decide anything new."""
        self.catalogue = Catalogue(self._catalogue_changed)
        self.runs = Runs(self.marks, self.exists, self.catalogue.other_pods.claim, self._pods_moved)
        self.granted: dict[Key, Placement] = {}
        self.demands: dict[Key, ArrayDemand] = {}
        """What the arrays in the backlog ask for."""
        self.backlog = Backlog()
        self.counts = Counts()
        self.dependents = Dependents()
        self.referrers = Referrers()
        self.faults = Faults()
        self.accounts = Accounts(self.runs, self.catalogue.room, self.changed.set, clock)
        self.used = self.accounts.charges.used
        self.awaiting_definition = AwaitingDefinition()
        self.persistence = Persistence()
        self.changes = Changes()
        self.preemptions = Preemptions()
        self.node_waits = NodeWaits(
            self.jobs, self.resolved, self.catalogue.environments, self.runs, self.granted, clock
        )
        self.catalogue.provisioned.on_failure = self._failed_to_get_nodes
        self.observers: list[TransitionObserver] = [
            self.changes,
            self.counts,
            self.accounts.array_slots,
            self.node_waits,
        ]
        """Who follows the transitions of jobs."""
        self._dirty: set[Key] = set()
        jobs = Intake(self.put_batchjob, self.remove_batchjob, lambda: {key: job.uid for key, job in self.jobs.items()})
        self.intakes: Mapping[str, Intake] = {names.BATCH_JOB: jobs, **self.catalogue.intakes}
        """How objects of Batchyard's kinds come and go, by kind."""

    def snapshot(self) -> Snapshot:
        """Return a view of everything, without copying: valid until the next method call that changes the cache."""
        return snapshot_of(self)

    def exists(self, key: Key, uid: str) -> bool:
        """Whether a job is still there, and not another one of that name."""
        job = self.jobs.get(key)
        return job is not None and job.uid == uid

    def take_dirty(self) -> set[Key]:
        """Return the jobs that something happened to since the last call."""
        dirty, self._dirty = self._dirty, set()
        return self.awaiting_definition.others(dirty, self.jobs)

    # What the loop and the controllers enter.

    def enter(self, settled: Settled) -> list[Key]:
        """Take over what `settle` found; returns the jobs that came into the backlog."""
        self.resolved.update(settled.resolved)
        for key, status in settled.statuses.items():
            self.set_status(key, status)
        for key in settled.unqueued:
            self._unqueue(key)
        for key in settled.queued:
            if key in settled.demands:
                self.demands[key] = settled.demands[key]
        fresh = [key for key in settled.queued if key not in self.backlog]
        for key in fresh:
            since = self.statuses[key].queued_since
            self.backlog.add(self.jobs[key], self.resolved[key].priority, since)
        return fresh

    def set_status(self, key: Key, status: Status) -> None:
        """Record a job's status as decided, and tell those who follow."""
        job, before = self.jobs[key], self.statuses[key]
        self.statuses[key] = status
        if before.array != status.array:
            self._dirty |= self.waiting_for(key)
            if job.array is not None and job.array.sequential:
                self._dirty.add(key)  # its own indexes wait for each other
        self.changed.set()
        if status.state in TERMINAL:
            self._unqueue(key)
            self.resolved.pop(key, None)
            self.referrers.leave(job)
            self.persistence.unpersisted_ends.add(key)
            self._dirty |= self.waiting_for(key)
        for observer in self.observers:
            observer.observe_transition(job, before, status)

    def grant(self, placement: Placement) -> None:
        """Assume a placement before its Kubernetes Job is written."""
        self.granted[placement.key], job = placement, self.jobs[placement.key]
        self._unqueue(placement.key)
        self.node_waits.granted(placement)
        self.accounts.grant(job, self.resolved.get(job.key), placement, placement.slots)

    def _unqueue(self, key: Key) -> None:
        self.backlog.remove(key)
        self.demands.pop(key, None)

    def withdraw(self, key: Key) -> None:
        """Forget a placement: its Kubernetes Job exists now (and is charged itself), or was refused."""
        if self.granted.pop(key, None) is not None:
            self.accounts.withdraw(key)
            self.mark(key)

    def leave_out(self, key: Key, why: str) -> None:
        """Keep a job that a pass cannot digest from being queued until its spec or its definition changes."""
        if key in self.jobs:
            self.faults.note(self.jobs[key], why, self.catalogue.definitions)
            self._unqueue(key)
            if self.statuses[key].state in WAITING or arraystatus.has_started(self.statuses[key]):
                self.tell_fault(key, why)

    def tell_fault(self, key: Key, why: str) -> None:
        """Have a job say that it cannot be handled."""
        if (status := left_out(self.statuses[key], why)) != self.statuses[key]:
            self.set_status(key, status)

    def again(self, keys: set[Key]) -> None:
        """Have jobs settled, and their statuses written, that were taken for a pass which did not come to its end."""
        self._dirty |= keys
        self.changes.decided.update(key for key in keys if key in self.jobs)
        self.changed.set()

    def mark(self, *keys: Key) -> None:
        """Have these jobs settled in the next pass."""
        self._dirty.update(keys)
        self.changed.set()

    def _failed_to_get_nodes(self, environment: str) -> None:
        """Have those looked at that wait in an environment of which more is heard why no nodes come."""
        if keys := [key for key, name in self.node_waits.unmet if name == environment]:
            self.mark(*keys)

    def waiting_for(self, key: Key) -> set[Key]:
        """Return the jobs that depend on a job and are not queued yet, or wait for single indexes of it."""
        return {
            each
            for each in self.dependents.get(key, ())
            if self.statuses[each].state in BEFORE_THE_QUEUE
            or (self.jobs[each].array is not None and self.statuses[each].state not in TERMINAL)
        }

    def end_stored(self, key: Key) -> None:
        """Note that the API server holds a job's end now: it counts for those that depend on it."""
        self.persistence.end_stored(key)
        self.mark(*self.waiting_for(key))

    def unpersisted_dependents_of(self, key: Key) -> list[Key]:
        """Return the jobs that know how this one ended, while the API server does not hold that of them yet."""
        return [
            each
            for each in self.dependents.get(key, ())
            if self.persistence.lacks_dependency(each, self.statuses[each], key[1])
        ]

    def confirm(self, definition: Key, jobs: set[Key]) -> None:
        """Let these jobs go on: their definition was read after they were seen."""
        self.awaiting_definition.leave(definition, jobs)
        self.mark(*jobs)

    def _catalogue_changed(self, changed: Reference | None) -> None:
        if changed is not None:
            self._dirty |= self.faults.take_outdated(self.catalogue.definitions)
            revisions = self.catalogue.revisions
            self._dirty |= self.referrers.concerned(changed, self.jobs, self.statuses, self.resolved, revisions)
        self.changed.set()

    # BatchJobs.

    def put_batchjob(self, obj: Object, *, fresh_status: bool = False) -> None:
        """Take a BatchJob in. Of a known one only changes of spec and deletion count: its status is ours.

        `fresh_status` takes the stored status over as well, for an operator that did not write it.
        """
        key, metadata = key_of(obj), obj["metadata"]
        known = self.jobs.get(key)
        if known is not None and known.uid != metadata["uid"]:
            self.remove_batchjob(key, known.uid)
            known = None
        generation = metadata.get("generation", 1)
        # A watch may be behind what a GET has shown, a LIST behind what a watch has.
        outdated = known is not None and known.generation > generation
        if known is not None and not fresh_status:
            same = known.generation == generation and known.deleting == ("deletionTimestamp" in metadata)
            if outdated or same:
                return
        # Whatever cannot be read raises here, before anything was changed.
        written = obj.get("status") or {}
        job = self.catalogue.reading.read(names.BATCH_JOB, read_batchjob, obj)
        status = read_status(written)
        if known is not None and outdated:
            job = known
        self.jobs[key] = job
        self.faults.forget(key)
        if known is not None:
            self.dependents.leave(known)
            self.referrers.leave(known)
        self.dependents.enter(job)
        if known is None or fresh_status:
            if known is not None:
                self.counts.add(known.queue, self.statuses[key].state, -1)
            self.statuses[key] = status
            self.persistence.take(key, written, status)
            self.counts.add(job.queue, status.state)
            if status.revision is None and job.pinned_revision is None:
                self.awaiting_definition.enter(job)
        self.referrers.enter(job, self.statuses[key])
        self._compare_generations(job, written)
        if job.deleting:
            self._unqueue(key)
        self.mark(key, *self.waiting_for(key))

    def _compare_generations(self, job: BatchJob, written: Object) -> None:
        """Have a status written anew that speaks of an earlier spec, even where it says nothing else."""
        if written.get("observedGeneration", job.generation) == job.generation:
            self.changes.respecified.discard(job.key)
            return
        self.changes.respecified.add(job.key)
        if self.statuses[job.key].state in TERMINAL:
            self.persistence.written[job.key] = written

    def remove_batchjob(self, key: Key, uid: str) -> None:
        """Forget a BatchJob that is gone; its runs are charged until they are gone too."""
        job = self.jobs.get(key)
        if job is None or job.uid != uid:
            return
        self._unqueue(key)
        self.withdraw(key)
        del self.jobs[key]
        status = self.statuses.pop(key)
        self.counts.add(job.queue, status.state, -1)
        self.resolved.pop(key, None)
        self.awaiting_definition.leave((key[0], job.definition), {key})
        self.faults.forget(key)
        self.dependents.leave(job)
        self.referrers.leave(job)
        waiting = self.waiting_for(key)
        if self.persistence.forget(key):  # only those that depend on it know its end from now on
            for dependent in waiting:
                known = remember(self.jobs[dependent], self.statuses[dependent], key[1], status)
                self.statuses[dependent] = behind(self.jobs[dependent], known, [(job, status)])
            self.persistence.unpersisted_dependents.update(self.unpersisted_dependents_of(key))
        self.mark(*waiting)

    # Kubernetes Jobs and pods of runs.

    def put_run(self, obj: Object) -> None:
        """Take a Kubernetes Job in, from its informer or from the answer to a write; others' Jobs are passed over."""
        key = key_of(obj)
        known = self.runs.find(key)
        if known is not None and known.uid != obj["metadata"]["uid"]:
            self.remove_run(key, known.uid)
        changed = self.runs.put(obj)
        if changed is None:
            return
        run, before = changed
        if before is None and run.indexed is not None:
            self.catalogue.other_pods.claim_all((key[0], run.uid))
        granted = self.granted.get(run.owner)
        if granted is not None and self.exists(run.owner, run.owner_uid):
            self._lower_grant(granted, run, before)
        self.accounts.observe_run(run, before)
        self._mark_owner(run.owner, run.owner_uid)

    def _lower_grant(self, granted: Placement, run: Run, before: Run | None) -> None:
        """Leave of a grant what has no Kubernetes Job yet, before this one counts itself."""
        if granted.array is None:
            if granted.run == run.number:
                self.withdraw(run.owner)
        elif before is None or run.indexed is not None:
            of_job = self.runs.of(run.owner_uid)
            left = outstanding(granted.array, of_job.indexed, of_job.indexes)
            self.accounts.grant(self.jobs[run.owner], self.resolved.get(run.owner), granted, left)

    def status_stored(self, key: Key) -> None:
        """Have the job settled again if runs of it were not stopped because its status was not stored yet."""
        if self.persistence.take_unstopped(key):
            self.mark(key)

    def note_pod_report(self, key: Key, uid: str, pods: PodReport) -> None:
        """Enter what was read about the pods of an array."""
        if self.exists(key, uid):
            self.runs.note_report(uid, pods)
            self.mark(key)

    def note_refusal(self, key: Key, uid: str, refusal: Refusal | None) -> None:
        """Enter what is known of why a run has no pod, or lacks the Job of another of its nodes."""
        run = self.runs.note_refusal(key, uid, refusal)
        if run is not None:
            self._mark_owner(run.owner, run.owner_uid)

    def remove_run(self, key: Key, uid: str) -> None:
        """Forget a Kubernetes Job that is gone."""
        run = self.runs.remove(key, uid)
        if run is not None:
            self.accounts.forget_run(run)
            self._mark_owner(run.owner, run.owner_uid)

    def put_pod(self, obj: Object) -> None:
        """Take a pod in that says that it is one of a run's; what is not believed takes its room all the same."""
        try:
            pod = self.runs.put_pod(obj)
        finally:
            self.catalogue.other_pods.put(obj, Origin.RUNS, ours=self.runs.believes_pod(obj))
        if pod is not None:
            self._mark_owner(pod.owner, pod.owner_uid)
            self.node_waits.observe_pod(pod)

    def remove_pod(self, key: Key, uid: str) -> None:
        """Note that a pod is gone."""
        self.catalogue.other_pods.remove(uid, Origin.RUNS)
        pod = self.runs.remove_pod(key)
        if pod is not None:
            self._mark_owner(pod.owner, pod.owner_uid)

    def _pods_moved(self, of_arrays: bool) -> None:
        """Have pods counted in the next pass; at once where there are no passes, as this process does not act."""
        self.changed.set(soon=of_arrays)
        if self.runs.live.moved > _MOST_MOVED:
            self.accounts.observe_pods()

    def _mark_owner(self, key: Key, uid: str) -> None:
        if self.exists(key, uid):
            self.mark(key)
        else:
            self.changed.set()
