"""The Kubernetes Jobs of all runs and their pods, as records, under the uid of the BatchJob that they belong to.

A part of the cache, which tells of what the informers and the answers to writes show, and looks after what follows from
it.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from batchyard.core.model.job import Key
from batchyard.core.model.jobruns import NO_REPORT, NO_RUNS, JobRuns
from batchyard.core.model.run import Pod, PodReport, Refusal, Run
from batchyard.objects.kubernetes.job import read_run
from batchyard.objects.kubernetes.pod import read_pod
from batchyard.objects.meta import Object, key_of
from batchyard.objects.ownership import owner_of
from batchyard.runtime.state.marks import Marks
from batchyard.runtime.state.pods.runpods import RunPods


@dataclass(slots=True, frozen=True)
class EventReport:
    """What the Events of a pod reported of its start when they were last read; no reason: nothing is wrong."""

    at: float
    reason: str = ""
    message: str = ""

    def on(self, pod: Pod) -> Pod:
        """Return the record of the pod with this."""
        return pod._replace(waiting_reason=self.reason, waiting_message=self.message, reported_at=self.at)


class Runs:
    """Records by job, and by the names that the API server knows them under.

    `exists` tells whether a BatchJob is there, by name and uid. `claim` is told the uid of each pod of which a Job or
    another pod shows whether it is the one of its run. `moved` is called when what pods take may be another, and told
    whether they are of an array.
    """

    def __init__(
        self,
        marks: Marks,
        exists: Callable[[Key, str], bool],
        claim: Callable[[str, bool], None],
        moved: Callable[[bool], None],
    ) -> None:
        self._marks = marks
        self._exists = exists
        self._claim = claim
        self.by_job: dict[str, JobRuns] = {}
        """What runs of jobs, under their uids."""
        self.arrays: dict[Key, Run] = {}
        """The Indexed Jobs that have not ended, by their array."""
        self.unexplained: defaultdict[str, dict[str, str]] = defaultdict(dict)
        """Uids of pods, by namespace and name, whose Events are to be read, as they do not start."""
        self.live = RunPods(moved)
        """What pods that have not ended take."""
        self._jobs: dict[Key, Run] = {}
        self._versions: dict[Key, int] = {}
        """Which state of each Job was taken in: the API server counts them up."""
        self._pods: dict[Key, Pod] = {}
        self._reports: dict[str, EventReport] = {}
        """What Events said, by the uid of pods whose status does not say why they do not start."""

    def of(self, uid: str) -> JobRuns:
        """Return what runs of the job with this uid. Only this object may change it."""
        return self.by_job.get(uid, NO_RUNS)

    def find(self, key: Key) -> Run | None:
        """Return the run whose Job has this name."""
        return self._jobs.get(key)

    def pod(self, key: Key) -> Pod | None:
        """Return the pod of this name."""
        return self._pods.get(key)

    def believes_pod(self, obj: Object) -> bool:
        """Whether a pod that was put is the one of its run, whose Job is known, or was: then that is charged for it."""
        key = key_of(obj)
        known = self._pods.get(key)
        if known is None or known.uid != obj["metadata"]["uid"] or self.live.job((key[0], known.job_uid)) is None:
            return False
        shown = self.of(known.owner_uid).pods.get(known.run)
        return shown is not None and shown.uid == known.uid

    def all(self) -> Collection[Run]:
        """Return all runs."""
        return self._jobs.values()

    def jobs_of(self, run: Run) -> list[Run]:
        """Return all Jobs of the run that one belongs to, also those that are gone while pods of theirs are not."""
        of_job = self.of(run.owner_uid)
        main = of_job.mains.get(run.number) if run.index is None else of_job.indexes.get(run.name)
        found, outlived = [] if main is None else [main], self.live.outlived(run.owner_uid)
        if run.node is not None:
            found += [each for each in of_job.children.values() if each.number == run.number]
        if outlived:
            found += [each for each in outlived if (each.number, each.index) == (run.number, run.index)]
        return found

    def may_run(self, run: Run) -> bool:
        """Whether anything of a Job can still run.

        Nothing can once it has ended, or once its pod has succeeded, where it has but one: Kubernetes says so of the
        Job about a second later. After a pod that failed the Job's end is awaited: its job may want the slot again.
        """
        if run.ended or run.indexed is not None or run.node is not None:
            return not run.ended
        pod = self.of(run.owner_uid).pods.get(run.name)
        return pod is None or pod.job_uid != run.uid or pod.phase != "Succeeded"

    def take_moved(self) -> Iterator[Run]:
        """Return the Jobs whose pods have changed since the last call."""
        for run in self.live.take_moved():
            self._note_outlived(run)
            yield run

    def remove_index_pod(self, key: Key) -> Run | None:
        """Forget a pod of an Indexed Job that has ended or is gone; returns that Job's record if the Job is gone and
        this was the last of its pods."""
        job = self.live.indexes.remove(key)
        run = self.live.job(job) if job is not None else None
        return run if run is not None and self._note_outlived(run) else None

    def _note_outlived(self, run: Run) -> bool:
        """Note it if the last pod of an Indexed Job that is gone is gone, too; returns whether that is so."""
        of_job = self.by_job.get(run.owner_uid)
        if of_job is None or not of_job.outlived or run.indexed is None or self.live.seats_of(run):
            return False
        of_job.outlived = False
        self._tidy(run.owner_uid)
        return True

    def believes(self, obj: Object) -> bool:
        """Whether a Job was made by Batchyard, for a job that exists or is about to be cleared away."""
        owner = owner_of(obj)
        return owner is not None and self._marks.believes(obj, owner_exists=self._exists(*owner))

    def put(self, obj: Object) -> tuple[Run, Run | None] | None:
        """Take a Job in; returns its record and the one before, or None when it says nothing new or is another's."""
        key = key_of(obj)
        known = self._jobs.get(key)
        version = int(obj["metadata"].get("resourceVersion", 0))
        # The answer to a write may come after the informer has shown a later state, and nothing may follow on that one.
        if known is not None and version < self._versions[key]:
            return None
        if known is None and not self.believes(obj):
            return None
        run = read_run(obj, known)
        if run is None:
            return None
        self._versions[key] = version
        if run == known:
            return None
        self._keep(key, run)
        if known is None:
            self._drop_decoys(run)
        return run, known

    def _keep(self, key: Key, run: Run) -> None:
        self._jobs[key] = run
        self.live.know(run)
        of_job = self._entry(run.owner_uid)
        if run.main_uid:
            of_job.children[run.name] = run
        elif run.index is not None:
            of_job.indexes[run.name] = run
        else:
            of_job.mains[run.number] = run
            of_job.outlived = of_job.outlived and run.indexed is None
            self._note_array(run)

    def _entry(self, uid: str) -> JobRuns:
        return self.by_job.setdefault(uid, JobRuns())

    def note_refusal(self, key: Key, uid: str, refusal: Refusal | None) -> Run | None:
        """Enter why the API server does not take what a run needs; returns its record if that is new."""
        run = self._jobs.get(key)
        if run is None or run.uid != uid or run.refusal == refusal:
            return None
        run = run._replace(refusal=refusal)
        self._keep(key, run)
        return run

    def _note_array(self, run: Run) -> None:
        if run.indexed is not None and not run.ended:
            self.arrays[run.owner] = run
        elif (noted := self.arrays.get(run.owner)) is not None and noted.uid == run.uid:
            del self.arrays[run.owner]

    def remove(self, key: Key, uid: str) -> Run | None:
        """Forget a Job that is gone; returns its record, as ended, if it was known."""
        run = self._jobs.get(key)
        if run is None or run.uid != uid:
            return None
        del self._jobs[key], self._versions[key]
        gone = run._replace(condition="Gone", deleting=True)
        of_job = self.by_job[run.owner_uid]
        if run.main_uid:
            of_job.children.pop(run.name, None)
        elif run.index is not None:
            of_job.indexes.pop(run.name, None)
        else:
            of_job.mains.pop(run.number, None)
            if run.indexed is not None:
                of_job.report, of_job.leaving = NO_REPORT, frozenset()
                self._note_array(gone)
        pod = of_job.pods.get(run.name)
        if pod is not None and pod.gone:
            del of_job.pods[run.name]
        if self.live.lose(gone) and run.indexed is not None:
            of_job.outlived = True
        self._tidy(run.owner_uid)
        return gone

    def _tidy(self, uid: str) -> None:
        if self.of(uid).empty:
            self.by_job.pop(uid, None)

    def note_report(self, uid: str, report: PodReport) -> None:
        """Enter what was read about the pods of an array, as long as anything of it is there."""
        if (of_job := self.by_job.get(uid)) is not None:
            of_job.report = report

    def note_leaving(self, uid: str, index: int) -> bool:
        """Enter that the pod of an index is being stopped from outside; returns whether that is new."""
        of_job = self.of(uid)
        if of_job.indexed is None or index in of_job.leaving:
            return False
        of_job.leaving |= {index}
        return True

    def put_pod(self, obj: Object) -> Pod | None:
        """Take the pod of a run in; returns its record if that says anything new.

        A pod may be shown before its Job, or outlive it: then its job must exist, by name and uid. What a known pod
        belongs to does not change with its labels.
        """
        key = key_of(obj)
        known = self._pods.get(key)
        if known is not None and known.uid != obj["metadata"]["uid"]:
            known = None
        pod = read_pod(obj, known)
        if pod is None or not self._believes_pod(pod, known):
            return None
        if not pod.silent:
            self._reports.pop(pod.uid, None)
        elif (report := self._reports.get(pod.uid)) is not None:
            pod = report.on(pod)
        return self._keep_pod(key, pod)

    def _believes_pod(self, pod: Pod, known: Pod | None) -> bool:
        run = self._jobs.get((pod.owner[0], pod.run))
        if run is None:
            return known is not None or self._exists(pod.owner, pod.owner_uid)
        return (run.uid, run.owner_uid) == (pod.job_uid, pod.owner_uid)

    def explain(self, key: Key, uid: str, report: EventReport) -> Pod | None:
        """Take in what the Events of a pod say; returns its record if that says anything new."""
        pod = self._pods.get(key)
        if pod is None or pod.uid != uid or not pod.silent:
            return None
        self._reports[uid] = report
        return self._keep_pod(key, report.on(pod))

    def _keep_pod(self, key: Key, pod: Pod) -> Pod | None:
        known = self._pods.get(key)
        if pod == known:
            return None
        if known is not None and known.uid != pod.uid:
            self._reports.pop(known.uid, None)
        self._pods[key] = pod
        if pod.live:
            self.live.others.put(key, pod.job_uid, pod.node_name, pod.request)
        elif self.live.others.remove(key) is None:
            self.live.others.note((key[0], pod.job_uid))  # it may have succeeded before it was first shown
        pods = self._entry(pod.owner_uid).pods
        shown = pods.get(pod.run)
        if shown is not None and shown.uid != pod.uid:
            self._claim(shown.uid, False)
        pods[pod.run] = pod
        return pod

    def _drop_decoys(self, run: Run) -> None:
        """Leave only pods of its own to a Job that has just become known."""
        pods = self._entry(run.owner_uid).pods
        shown = pods.get(run.name)
        if shown is not None and shown.job_uid == run.uid:
            self._claim(shown.uid, True)
        if shown is None or shown.job_uid == run.uid:
            return
        del pods[run.name]
        for key, pod in list(self._pods.items()):
            if (key[0], pod.run) == (run.owner[0], run.name):
                if pod.job_uid == run.uid:
                    pods[run.name] = pod
                    self._claim(pod.uid, True)
                else:
                    del self._pods[key]
                    self.live.others.remove(key)
                    self._reports.pop(pod.uid, None)
                    self._claim(pod.uid, False)

    def remove_pod(self, key: Key) -> Pod | None:
        """Note that a pod is gone; what it told is kept as long as its Job exists."""
        pod = self._pods.pop(key, None)
        self.live.others.remove(key)
        if pod is not None:
            self._reports.pop(pod.uid, None)
        if pod is None or self.of(pod.owner_uid).pods.get(pod.run) != pod:
            return None
        pods = self.by_job[pod.owner_uid].pods
        if (key[0], pod.run) in self._jobs:
            pods[pod.run] = pod._replace(gone=True)
        else:
            del pods[pod.run]
            self._tidy(pod.owner_uid)
        return pod

    def uids(self) -> dict[Key, str]:
        """Return namespace, name and uid of the Jobs known now."""
        return {key: run.uid for key, run in self._jobs.items()}
