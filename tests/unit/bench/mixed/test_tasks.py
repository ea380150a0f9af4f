"""The mixed workload is the same each time, and fits on its nodes."""

from collections import Counter

from bench.mixed.tasks import AGENT_MILLI, APART, BURSTS, OTHERS, SHAPES, SIZES, free_milli, least_seconds, tasks


def test_each_drawing_is_the_same_and_another_seed_mixes_in_another_order() -> None:
    assert tasks() == tasks()
    assert [task.shape for task in tasks(1)] != [task.shape for task in tasks(2)]


def test_names_are_unique_and_times_in_order() -> None:
    drawn = tasks()
    assert len({task.name for task in drawn}) == len(drawn)
    times = [task.at for task in drawn]
    assert times == sorted(times)
    assert sorted(set(times)) == [APART * burst for burst in range(BURSTS)]


def test_each_burst_has_jobs_of_all_shapes_in_no_order() -> None:
    first = [task for task in tasks() if task.at == 0]
    assert Counter(task.shape.name for task in first) == {shape.name: shape.each_burst for shape in SHAPES}
    assert [task.shape.name for task in first] != sorted(task.shape.name for task in first)


def test_run_times_are_the_same_in_another_order() -> None:
    seconds = [Counter((task.shape.name, task.seconds) for task in tasks(seed)) for seed in (1, 2)]
    assert seconds[0] == seconds[1]
    assert all((shape.name, each) in seconds[0] for shape in SHAPES for each in shape.seconds)


def test_others_leave_room_on_every_node_and_a_whole_one_here_and_there() -> None:
    there = [size.cpus * 1000 - AGENT_MILLI for size in SIZES for _ in range(size.count)]
    for node, milli in OTHERS:
        there[node] -= milli
    assert sum(there) == free_milli()
    assert min(there) > 0
    largest = max(shape.cpu_milli for shape in SHAPES)
    assert 0 < sum(free >= largest for free in there) < len(there)


def test_the_least_time_is_that_of_full_nodes() -> None:
    one = tasks()[:1]
    assert least_seconds(one) == one[0].shape.cpu_milli * one[0].seconds / free_milli()
    assert least_seconds(one * 2) == 2 * least_seconds(one)
