"""The Job controller and the kubelet, on command: makes pods for Jobs and ends them the way a cluster does.

For Jobs of one pod; `indexed` is for the others. Conditions, reasons and messages are the real Job controller's, and
so is the order of its status writes: first SuccessCriteriaMet or FailureTarget, then Complete or Failed.
"""

from typing import Any

from batchyard.kube import errors
from batchyard.kube.protocol import Object
from batchyard.kube.resources import EVENTS, JOBS, PODS
from fakes.copying import copied
from fakes.indexed import IndexedController, owner_of
from fakes.kubejobs import Job, key_of
from fakes.podadmission import admitted
from fakes.store import Change, Store

TRACKING = "batch.kubernetes.io/job-tracking"


class JobController:
    """Creates a pod as soon as a Job exists; everything after that happens when the test says so."""

    def __init__(self, store: Store, *, graceful: bool = False) -> None:
        self._store = store
        self._graceful = graceful
        self._events = 0
        self.refusal = ""
        """What the API server answers to the creation of pods, if it refuses them."""
        self.refused = ""
        """How the names of the Jobs begin whose pods are refused."""
        self.silent = False
        """Whether no Event says so."""
        self.indexed = IndexedController(store, self._refuses)
        self.overhead: dict[str, str] = {}
        """What admission adds to the pods of Jobs of one pod, as the overhead of a RuntimeClass."""
        self.code_on_sigterm = 143
        """What programs end with when they are asked to stop."""
        store.listeners.append(self._on_change)

    def job(self, job: Job) -> Object:
        """A Job as it is now."""
        namespace, name = key_of(job)
        return self._store.get(JOBS, name, namespace)

    def pod(self, job: Job) -> Object:
        """The newest pod of a Job."""
        namespace, name = key_of(job)
        pods = self._store.objects(PODS, namespace, lambda pod: owner_of(pod) == name)
        if not pods:
            raise errors.NotFound(404, "NotFound", f"job {name} has no pod")
        return max(pods, key=lambda pod: int(pod["metadata"]["labels"]["fakes/sequence"]))

    def refuse_pods(self, message: str, of: str = "") -> None:
        """From now on have the API server refuse the pods of Jobs whose names begin so."""
        self.refusal, self.refused = message, of

    def allow_pods(self) -> None:
        """Have the Job controller try again, with success."""
        self.refusal = ""
        for job in self._store.objects(JOBS):
            if job["spec"].get("completionMode") == "Indexed":
                self.indexed.sync(job)
            elif (job.get("status") or {}).get("active") == 0 and "deletionTimestamp" not in job["metadata"]:
                try:
                    self.pod(job)
                except errors.NotFound:
                    self._create_pod(job, sequence=1)

    def suspend(self, job: Job) -> None:
        """Suspend a Job that has no pod, as other controllers do."""
        now = self.job(job)
        self._store.update(JOBS, {**now, "spec": {**now["spec"], "suspend": True}})
        condition = _condition("Suspended", "JobSuspended", "Job suspended", self._store.timestamp())
        self._set_job(job, active=0, ready=0, startTime=None, conditions=[condition])

    def _refuses(self, job: Object) -> bool:
        """Refuse a pod, if that is so, and say it in an Event."""
        namespace, name = key_of(job)
        refusal = self.refusal if name.startswith(self.refused) else ""
        refusal = refusal or admitted(self._store, namespace, job["spec"]["template"]["spec"])[1]
        if not refusal:
            return False
        if self.silent:
            return True
        self._events += 1
        message = f'Error creating: pods "{name}-x{self._events}" is forbidden: {refusal}'
        involved = {"kind": "Job", "namespace": namespace, "name": name, "uid": job["metadata"]["uid"]}
        event = {"metadata": {"name": f"{name}.{self._events}"}, "involvedObject": involved, "type": "Warning"}
        times = {"firstTimestamp": self._store.timestamp(), "lastTimestamp": self._store.timestamp()}
        self._store.create(EVENTS, {**event, "reason": "FailedCreate", "message": message, **times}, namespace)
        return True

    def schedule(self, job: Job, node: str = "node-1") -> Object:
        """Give the pod a node; its containers are being created."""
        pod = self.pod(job)
        if pod["spec"].get("nodeName") == node:
            return pod
        pod["spec"]["nodeName"] = node
        pod = self._store.update(PODS, pod)
        pod["status"]["startTime"] = now = self._store.timestamp()
        return self._set_pod(pod, pod["status"]["phase"], None, _condition("PodScheduled", "", "", now))

    def start(self, job: Job, node: str = "node-1") -> None:
        """Schedule the pod and let its containers run and be ready."""
        pod = self.schedule(job, node)
        now = self._store.timestamp()
        pod.setdefault("status", {})["podIP"] = f"10.0.0.{pod['metadata']['labels']['fakes/sequence']}"
        self._set_pod(pod, "Running", {"running": {"startedAt": now}}, _condition("Ready", "", "", now))
        self._set_job(job, active=1, ready=1)

    def unschedulable(self, job: Job, message: str) -> None:
        """Have the scheduler say that no node fits."""
        condition = _condition("PodScheduled", "Unschedulable", message, self._store.timestamp(), status="False")
        self._set_pod(self.pod(job), "Pending", None, condition)

    def wait(self, job: Job, reason: str, message: str = "") -> None:
        """Have the kubelet wait before the containers can start, as for `ImagePullBackOff`."""
        self._set_pod(self.schedule(job), "Pending", {"waiting": {"reason": reason, "message": message}})

    def finish(self, job: Job, exit_code: int = 0, reason: str = "", message: str = "") -> None:
        """End the pod's containers with an exit code, and the Job as its policy says; `message` is their last words."""
        pod = self.end_pod(job, exit_code, reason, message)
        if exit_code == 0:
            self._end(job, pod, "SuccessCriteriaMet", "CompletionsReached", _COMPLETED)
        else:
            self._count_failure(job, pod)

    def end_pod(self, job: Job, exit_code: int = 0, reason: str = "", message: str = "") -> Object:
        """End the pod's containers, of which the Job takes its time to tell; returns the pod."""
        pod = self.pod(job)
        running = ((pod.get("status") or {}).get("containerStatuses") or [{}])[0].get("state", {})
        terminated = {
            "exitCode": exit_code,
            "reason": reason or ("Completed" if exit_code == 0 else "Error"),
            "startedAt": running.get("running", {}).get("startedAt", self._store.timestamp()),
            "finishedAt": self._store.timestamp(),
            **({"message": message} if message else {}),
        }
        return self._set_pod(pod, "Succeeded" if exit_code == 0 else "Failed", {"terminated": terminated})

    def disrupt(self, job: Job, reason: str = "DeletionByTaintManager", message: str = "") -> None:
        """Take the pod away through no fault of its own, as a drained, preempted or reclaimed node does."""
        condition = _condition("DisruptionTarget", reason, message, self._store.timestamp())
        self._count_failure(job, self._set_pod(self.pod(job), "Failed", None, condition))

    def turn_away(self, job: Job, why: str, node: str = "virtual-1") -> None:
        """Have a virtual kubelet give a pod up that its provider has no capacity for."""
        pod = self.schedule(job, node)
        pod["status"] |= {"reason": "ProviderFailed", "message": why}
        self._count_failure(job, self._set_pod(pod, "Failed", None))

    def exceed_deadline(self, job: Job) -> None:
        """Let `activeDeadlineSeconds` pass: the pod is killed and the Job fails."""
        pod = self.pod(job)
        self._end(job, pod, "FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
        self._release(pod)
        self._store.delete(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])

    def stop(self, job: Job) -> None:
        """End what still runs in the pod, as the kubelet does when the pod's time is over."""
        self._stopped(job, self.pod(job))

    def terminate(self, job: Job) -> None:
        """End the grace period of a pod that is being deleted (only when `graceful`)."""
        self._release(self.pod(job))

    def stop_evicted(self, job: Job) -> None:
        """End the containers of an evicted pod, and with it the grace period (only when `graceful`)."""
        pod = self.pod(job)
        self._end_deleted(pod)
        self._release(pod)

    def _on_change(self, change: Change) -> None:
        resource, old, new = change
        if new is None:
            return
        if resource == JOBS and new["spec"].get("completionMode") == "Indexed":
            self.indexed.change(old, new)
        elif resource == JOBS:
            suspended = bool(new["spec"].get("suspend"))
            resumed = old is not None and bool(old["spec"].get("suspend")) and not suspended
            if (old is None and not suspended) or resumed:
                self._create_pod(new, sequence=1)
        elif resource == PODS and "deletionTimestamp" in new["metadata"]:
            self._delete(new)
        elif resource == PODS and old is not None and _limit(old) != _limit(new):
            self._cut_short(copied(new))

    def _delete(self, pod: Object) -> None:
        pod = copied(pod)
        try:
            self._store.get(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
        except errors.NotFound:
            return  # it had ended before
        if self._graceful:
            return
        if IndexedController.owns(pod):
            self.indexed.end_deleted(pod, self.code_on_sigterm)
        else:
            self._end_deleted(pod)
            self._release(pod)

    def _end_deleted(self, pod: Object) -> None:
        """The kubelet stops the containers, and the Job controller counts the pod as any that has ended.

        With its Job deleted, too, nothing is counted any more.
        """
        try:
            job = self._job_of(pod)
        except errors.NotFound:
            return
        if "deletionTimestamp" in job["metadata"] or pod["status"]["phase"] in ("Succeeded", "Failed"):
            return
        self._stopped(job, pod)

    def _stopped(self, job: Job, pod: Object) -> None:
        """End what runs in a pod with what programs answer to SIGTERM."""
        containers = pod["status"].get("containerStatuses", [])
        ends = [_ended(each, self.code_on_sigterm, self._store.timestamp()) for each in containers]
        pod["status"]["containerStatuses"] = ends
        codes = [each["state"].get("terminated", {}).get("exitCode") for each in ends]
        done = bool(codes) and all(code == 0 for code in codes) and "reason" not in pod["status"]
        pod = self._set_pod(pod, "Succeeded" if done else "Failed", None)
        if done:
            self._end(job, pod, "SuccessCriteriaMet", "CompletionsReached", _COMPLETED)
        else:
            self._count_failure(job, pod)

    def _cut_short(self, pod: Object) -> None:
        """The limit of a pod's time was lowered: the kubelet stops it as for any that is over."""
        pod["status"]["reason"] = "DeadlineExceeded"
        self._stopped(self._job_of(pod), pod)

    def _job_of(self, pod: Object) -> Object:
        return self._store.get(JOBS, owner_of(pod) or "", pod["metadata"]["namespace"])

    def _create_pod(self, job: Object, sequence: int) -> None:
        if self._refuses(job):
            self._set_job(job, active=0, ready=0, startTime=self._store.timestamp())
            return
        namespace, name = key_of(job)
        template = job["spec"]["template"]
        uid = job["metadata"]["uid"]
        labels = {
            **(template.get("metadata", {}).get("labels") or {}),
            "batch.kubernetes.io/job-name": name,
            "batch.kubernetes.io/controller-uid": uid,
            "fakes/sequence": str(sequence),
        }
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": True}
        metadata = {
            "generateName": f"{name}-",
            "labels": labels,
            "annotations": template.get("metadata", {}).get("annotations") or {},
            "ownerReferences": [{**owner, "blockOwnerDeletion": True}],
            "finalizers": [TRACKING],
        }
        spec, _ = admitted(self._store, namespace, template["spec"])
        added = {"overhead": self.overhead} if self.overhead else {}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {**spec, **added}}
        pod = self._store.create(PODS, body, namespace)
        self._set_pod(pod, "Pending", None)
        self._set_job(job, active=1, ready=0, startTime=self._store.timestamp())

    def _count_failure(self, job: Job, pod: Object) -> None:
        """Apply the pod failure policy, then the back-off limit."""
        job = self.job(job)
        action, message = _failure_policy(job, pod)
        if action == "FailJob":
            self._end(job, pod, "FailureTarget", "PodFailurePolicy", message)
            return
        failed = job.get("status", {}).get("failed", 0) + (0 if action == "Ignore" else 1)
        if failed > job["spec"].get("backoffLimit", 6):
            message = "Job has reached the specified backoff limit"
            self._end(job, pod, "FailureTarget", "BackoffLimitExceeded", message)
            return
        self._release(pod)
        if "deletionTimestamp" in job["metadata"]:
            return  # a Job that is being deleted gets no new pod
        self._set_job(job, active=0, ready=0, failed=failed)
        self._create_pod(job, sequence=int(pod["metadata"]["labels"]["fakes/sequence"]) + 1)

    def _end(self, job: Job, pod: Object, target: str, reason: str, message: str) -> None:
        now = self._store.timestamp()
        succeeded = target == "SuccessCriteriaMet"
        count = "succeeded" if succeeded else "failed"
        decided = _condition(target, reason, message, now)
        uncounted = {count: [pod["metadata"]["uid"]]}
        self._set_job(job, active=0, ready=0, conditions=[decided], uncountedTerminatedPods=uncounted)
        self._release(pod)
        try:
            before = self.job(job)["status"].get(count, 0)
        except errors.NotFound:
            return  # it was being deleted, and this was its last pod
        done = _condition("Complete" if succeeded else "Failed", reason, message, now)
        end: dict[str, Any] = {"conditions": [decided, done], "uncountedTerminatedPods": {}}
        if succeeded:
            end["completionTime"] = now
        self._set_job(job, **end, **{count: before + 1})

    def _set_job(self, job: Job, **fields: Any) -> None:
        now = self.job(job)
        now["status"] = {"terminating": 0, **(now.get("status") or {}), **fields}
        self._store.update(JOBS, now, status=True)

    def _set_pod(self, pod: Object, phase: str, state: Object | None, *conditions: Object) -> Object:
        status = pod.setdefault("status", {})
        status["phase"] = phase
        if state is not None:
            names = [container["name"] for container in pod["spec"]["containers"]]
            status["containerStatuses"] = [{"name": name, "state": state} for name in names]
        kept = [each for each in status.get("conditions", []) if each["type"] not in {c["type"] for c in conditions}]
        status["conditions"] = [*kept, *conditions]
        return self._store.update(PODS, pod, status=True)

    def _release(self, pod: Object) -> None:
        """Take the tracking finalizer off, once the pod's end has been counted."""
        try:
            now = self._store.get(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
        except errors.NotFound:
            return
        now["metadata"].pop("finalizers", None)
        self._store.update(PODS, now)


_COMPLETED = "Reached expected number of succeeded pods"


def _limit(pod: Object) -> int | None:
    limit: int | None = pod["spec"].get("activeDeadlineSeconds")
    return limit


def _ended(container: Object, exit_code: int, now: str) -> Object:
    """The status of a container after it was asked to stop."""
    running = container["state"].get("running")
    if running is None:
        return container
    reason = "Error" if exit_code else "Completed"
    end = {"exitCode": exit_code, "reason": reason, "startedAt": running.get("startedAt", now), "finishedAt": now}
    return {**container, "state": {"terminated": end}}


def _condition(kind: str, reason: str, message: str, now: str, status: str = "True") -> Object:
    condition = {"type": kind, "status": status, "lastProbeTime": now, "lastTransitionTime": now}
    return {**condition, "reason": reason, "message": message}


def _failure_policy(job: Object, pod: Object) -> tuple[str, str]:
    """The first matching rule's action and the Job controller's words for it."""
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    for index, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules", [])):
        action = rule["action"]
        matching = f"matching {action} rule at index {index}"
        for wanted in rule.get("onPodConditions") or []:
            for found in pod["status"].get("conditions", []):
                if (found["type"], found["status"]) == (wanted["type"], wanted.get("status", "True")):
                    return action, f"Pod {name} has condition {found['type']} {matching}"
        for container in pod["status"].get("containerStatuses", []):
            code = container["state"].get("terminated", {}).get("exitCode", 0)
            if code and "onExitCodes" in rule and _exit_code_matches(rule["onExitCodes"], container["name"], code):
                return (
                    action,
                    f"Container {container['name']} for pod {name} failed with exit code {code} {matching}",
                )
    return "Count", ""


def _exit_code_matches(rule: Object, container: str, code: int) -> bool:
    if rule.get("containerName", container) != container:
        return False
    return (code in rule["values"]) == bool(rule["operator"] == "In")
