from batchyard.core.scheduling.limits import needs
from batchyard.runtime.state.accounts.holdings import Holdings


def test_what_is_held_follows_the_items() -> None:
    holdings = Holdings()
    holdings.hold("grant", needs("urgent", "red"), 2)
    holdings.hold("array", needs("urgent", "blue"), 5)
    assert holdings.held == {("queue", "urgent"): 7, ("share", "urgent", "red"): 2, ("share", "urgent", "blue"): 5}
    holdings.hold("array", needs("urgent", "blue"), 3)
    holdings.release("grant")
    holdings.release("grant")
    assert holdings.held == {("queue", "urgent"): 3, ("share", "urgent", "blue"): 3}
    holdings.release("array")
    assert holdings.held == {}
