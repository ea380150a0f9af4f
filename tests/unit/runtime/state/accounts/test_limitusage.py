from batchyard.core.scheduling.limits import needs
from batchyard.runtime.state.accounts.limitusage import LimitUsage


def test_what_is_held_follows_the_items() -> None:
    limit_usage = LimitUsage()
    limit_usage.hold("grant", needs("urgent", "red"), 2)
    limit_usage.hold("array", needs("urgent", "blue"), 5)
    assert limit_usage.amounts == {
        ("queue", "urgent"): 7,
        ("share", "urgent", "red"): 2,
        ("share", "urgent", "blue"): 5,
    }
    limit_usage.hold("array", needs("urgent", "blue"), 3)
    limit_usage.release("grant")
    limit_usage.release("grant")
    assert limit_usage.amounts == {("queue", "urgent"): 3, ("share", "urgent", "blue"): 3}
    limit_usage.release("array")
    assert limit_usage.amounts == {}
