from batchyard.runtime.state.pods.livepods import LivePods, Seat

REQUEST = {"memory": 4, "cpu": 1}
ASKED = (("cpu", 1), ("memory", 4))
JOB, OTHER = ("media", "uid"), ("media", "another")


class Moved:
    times = 0

    def __call__(self) -> None:
        self.times += 1


def key(name: str) -> tuple[str, str]:
    return ("media", name)


def test_pods_are_summed_up_by_their_job_until_they_are_gone() -> None:
    moved = Moved()
    live = LivePods(moved)
    live.put(key("a"), "uid", "node-1", REQUEST)
    live.put(key("b"), "uid", "node-1", REQUEST)
    live.put(key("c"), "uid", "", {})
    live.put(key("d"), "another", "node-1", REQUEST)
    assert live.of(JOB) == {Seat("node-1", ASKED): 2, Seat("", ()): 1}
    assert live.take_changed() == {JOB, OTHER}
    live.remove(key("a"))
    live.remove(key("d"))
    assert live.of(JOB) == {Seat("node-1", ASKED): 1, Seat("", ()): 1}
    assert live.of(OTHER) == {}
    assert (live.changed, live.take_changed(), live.changed) == (2, {JOB, OTHER}, 0)
    assert moved.times == 6
    assert (key("a") in live, key("b") in live) == (False, True)


def test_a_pod_that_gets_a_node_moves_and_one_that_is_shown_again_does_not() -> None:
    moved = Moved()
    live = LivePods(moved)
    live.put(key("a"), "uid", "", REQUEST)
    live.take_changed()
    live.put(key("a"), "uid", "", REQUEST)
    assert (moved.times, live.take_changed()) == (1, set())
    live.put(key("a"), "uid", "node-1", REQUEST)
    assert (moved.times, live.take_changed()) == (2, {JOB})
    assert live.of(JOB) == {Seat("node-1", ASKED): 1}


def test_what_is_not_known_can_be_removed() -> None:
    moved = Moved()
    live = LivePods(moved)
    live.remove(key("a"))
    assert (moved.times, live.take_changed(), live.of(JOB)) == (0, set(), {})


def test_jobs_of_one_uid_in_two_namespaces_are_two() -> None:
    live = LivePods(Moved())
    live.put(("media", "a"), "uid", "node-1", REQUEST)
    live.put(("audio", "a"), "uid", "node-2", REQUEST)
    assert live.of(JOB) == {Seat("node-1", ASKED): 1}
    assert live.of(("audio", "uid")) == {Seat("node-2", ASKED): 1}
