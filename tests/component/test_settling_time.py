"""More jobs than a pass can settle in its time: the process goes on, in the right order, and nobody waits for long."""

import pytest

from batchyard.runtime.loop.settlingtime import LONGEST_SECONDS, SettlingTime
from fakes.cluster import Cluster, in_cluster
from fakes.poison import poison

PER_PASS = 3


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes whose time is over when they have looked at a few jobs."""
    asked: dict[SettlingTime, int] = {}
    begin = SettlingTime.begin

    def begins(time: SettlingTime) -> None:
        asked[time] = 0
        begin(time)

    def is_over(time: SettlingTime) -> bool:
        asked[time] += 1
        return asked[time] > PER_PASS

    monkeypatch.setattr(SettlingTime, "begin", begins)
    monkeypatch.setattr(SettlingTime, "is_over", is_over)


@pytest.mark.usefixtures("hurried")
@in_cluster()
async def test_all_jobs_are_settled_before_any_is_placed(cluster: Cluster) -> None:
    """Else a restart would let those go first that happened to be read first."""
    cluster.furnish(cpu="2")
    for number in range(10, 30):
        cluster.submit(f"job-{number}", parameters={"codec": f"{number}"})
    await cluster.start_operator()
    await cluster.pass_time(3)
    assert cluster.kube_jobs() == ["job-10-1", "job-11-1"]
    assert {cluster.state(f"job-{number}")[0] for number in range(12, 30)} == {"Runnable"}
    cluster.jobs.finish("job-10-1")
    await cluster.pass_time(3)
    assert cluster.state("job-10")[0] == "Succeeded"
    assert cluster.state("job-12")[0] == "Starting"


@pytest.mark.usefixtures("hurried")
@in_cluster()
async def test_jobs_that_take_long_to_be_read_do_not_hold_the_others_up_for_ever(cluster: Cluster) -> None:
    process = await cluster.set_up(cpu="100")
    await cluster.pass_time(1)
    cluster.submit("first")
    for number in range(60):
        cluster.submit(f"many-{number}")
        await cluster.pass_time(0.25)
        process.operator.cache.mark(*process.operator.cache.jobs)  # something happens to all of them all the time
    assert cluster.state("first")[0] == "Starting"
    assert process.stopped == []


@pytest.mark.usefixtures("hurried")
@in_cluster()
async def test_those_that_cannot_be_looked_at_are_found_among_many(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(monkeypatch, retry=None)
    cluster.furnish(cpu="100")
    for number in range(30):
        cluster.submit(f"{'poison' if number % 7 == 3 else 'sound'}-{number}", parameters={"codec": f"{number}"})
    await cluster.start_operator()
    await cluster.pass_time(5)
    found = {number: cluster.state(f"{'poison' if number % 7 == 3 else 'sound'}-{number}") for number in range(30)}
    assert {found[number] for number in found if number % 7 == 3} == {("Pending", "InvalidSpec")}
    assert {found[number][0] for number in found if number % 7 != 3} == {"Starting"}


def test_nothing_is_placed_for_so_long_only() -> None:
    now = [100.0]
    time = SettlingTime(lambda: now[0])
    assert time.may_place(left=False)
    assert not time.may_place(left=True)
    now[0] += LONGEST_SECONDS - 1
    assert not time.may_place(left=True)
    now[0] += 1
    assert time.may_place(left=True)
    assert time.may_place(left=True)
    assert time.may_place(left=False)
    assert not time.may_place(left=True)


def test_a_pass_has_its_time() -> None:
    now = [100.0]
    time = SettlingTime(lambda: now[0])
    time.begin()
    assert not time.is_over()
    now[0] += 60
    assert time.is_over()
    time.begin()
    assert not time.is_over()
