"""Whatever its retry strategy and however its runs end: a job is tried as often as it may, and no more."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from batchyard.api.models.batchjob import JobState
from batchyard.api.models.strategy import ExitAction
from batchyard.core.admission.admitted import Admitted
from batchyard.core.definition import memorygrowth
from batchyard.core.lifecycle.ending.exitrules import first_match
from batchyard.core.lifecycle.ending.outcome import of_run
from batchyard.core.lifecycle.single import next_run, observe
from batchyard.core.lifecycle.surroundings import Surroundings
from batchyard.core.model.definition import ExitRule, MemoryGrowth, Resolved, RetryPolicy
from batchyard.core.model.jobruns import JobRuns
from batchyard.core.model.resources import pod_requests
from batchyard.core.model.run import Pod, Run
from batchyard.core.model.status import TERMINAL, Status
from batchyard.objects.kinds.batchjobstatus import read_status, render_status
from unit.samples import NOW, exited, interrupted, make_job, make_pod, make_resolved, succeeded

JOB = make_job()
codes = st.sampled_from(["1", "2", "13", "137", "1*", "*", None])
reasons = st.sampled_from(["OOMKilled", "NonZeroExit", "OutOfMemory*", "*", None])
rules = st.builds(ExitRule, st.sampled_from(ExitAction), codes, reasons)
policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 10),
    jitter=st.floats(0, 1),
    max_interruptions=st.integers(0, 4),
    exit_rules=st.lists(rules, max_size=5).map(tuple),
    memory_growth=st.none() | st.builds(MemoryGrowth, st.sampled_from([1.5, 2.0]), st.none() | st.just(16 * 2**30)),
)
ENDS = ("interrupted", "killed", "succeeded", "1", "2", "13", "137")
ends = st.lists(st.tuples(st.sampled_from(ENDS), st.booleans()), min_size=30, max_size=30)


def ended(end: str, number: int, attempt: int, request: int) -> tuple[Run, Pod]:
    fields = {"attempt": attempt, "request": {"memory": request}}
    if end == "interrupted":
        return interrupted(number, **fields), make_pod(number, phase="Failed")
    if end == "succeeded":
        return succeeded(number, **fields), make_pod(number, phase="Succeeded", exit_code=0)
    code = 137 if end == "killed" else int(end)
    killed = {"reason": "OOMKilled", "out_of_memory": ("main",)} if end == "killed" else {"reason": "Error"}
    return exited(number, code, **fields), make_pod(number, phase="Failed", exit_code=code, **killed)


@settings(deadline=None)
@given(policies, ends)
def test_attempts_are_counted_once_and_decisions_survive_a_restart(
    policy: RetryPolicy, story: list[tuple[str, bool]]
) -> None:
    fresh = resolved = replace(make_resolved(), retry=policy)
    status = Status(JobState.RUNNABLE, revision=3)
    runs = JobRuns()
    for end, restarts in story:
        number, attempt = next_run(status)
        run, pod = ended(end, number, attempt, resolved.request["memory"])
        runs.mains[number], runs.pods[pod.run] = run, pod
        told, anew = (
            observe(JOB, Admitted(status, each), runs, Surroundings(), NOW + 60).status for each in (resolved, fresh)
        )
        assert anew == told, "who starts anew decides otherwise"
        status = told
        assert [each.attempt for each in status.attempts if each.reason != "Interrupted"] == list(
            range(1, attempt + (end != "interrupted"))
        )
        assert attempt <= policy.attempts
        assert (status.state in TERMINAL) == _over(end, attempt, status.interruptions, policy, run, pod)
        if status.state in TERMINAL:
            return
        assert status.not_before is not None
        assert NOW + 60 <= status.not_before <= NOW + 60 + policy.max_seconds * (1 + policy.jitter)
        if restarts:
            status, resolved = read_status(render_status(JOB, status, {}, NOW)), fresh
        resolved = memorygrowth.grown(resolved, status.attempts)
        _check_memory(resolved, fresh, status)
    raise AssertionError("a job was repeated without end")


def _over(end: str, attempt: int, interruptions: int, policy: RetryPolicy, run: Run, pod: Pod) -> bool:
    if end == "interrupted":
        return interruptions > policy.max_interruptions
    if end == "succeeded" or attempt == policy.attempts:
        return True
    rule = first_match(policy.exit_rules, of_run(run, pod))
    return rule is not None and policy.exit_rules[rule].action is ExitAction.EXIT


def _check_memory(resolved: Resolved, fresh: Resolved, status: Status) -> None:
    assert resolved.request == pod_requests(resolved.template["spec"])
    growth, first = resolved.retry.memory_growth, fresh.request["memory"]
    kills = sum(attempt.reason == "OOMKilled" for attempt in status.attempts)
    if growth is None or not kills:
        assert resolved.template == fresh.template
        return
    wanted = first * growth.multiplier**kills
    bounded = wanted if growth.max_bytes is None else min(wanted, growth.max_bytes)
    assert 0 <= resolved.request["memory"] - bounded < 2**20
