"""Events about jobs."""

from batchyard.core.insight.announcements import Announcement
from batchyard.objects.kubernetes.event import build_event
from unit.objects.conftest import Golden
from unit.samples import NOW, make_job


def test_the_event_of_a_failure(golden: Golden) -> None:
    golden("event", build_event(make_job(), Announcement("NonZeroExit", "container main ended with code 3", 2), NOW))


def test_the_same_warning_has_the_same_name_and_another_run_another() -> None:
    first, again, later = (
        build_event(make_job(), Announcement("Interrupted", f"on node {node}", run), NOW)
        for node, run in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first["metadata"]["name"] == again["metadata"]["name"] != later["metadata"]["name"]


def test_a_long_message_is_cut_to_what_the_api_server_takes() -> None:
    message = build_event(make_job(), Announcement("Failed", "x" * 5000, 1), NOW)["message"]
    assert 1000 < len(message.encode()) <= 1024
