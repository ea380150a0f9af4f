"""Words of others come out on one line, legible and short, whatever they are and wherever they stand."""

import json
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.api.models.batchjob import JobState
from batchyard.core.insight.announcements import Announcement
from batchyard.core.insight.nodesview import Free, NodesView
from batchyard.core.insight.visibility import Visibility
from batchyard.core.model.array import ArrayStatus, FailedIndex
from batchyard.core.model.consumable import Consumable
from batchyard.core.model.status import EndedDependency, Status
from batchyard.core.scheduling.decisions import Hold
from batchyard.core.scheduling.fairshare.usage import ShareUsage
from batchyard.objects.brevity import DETAIL_BYTES, LINE_BREAK, MESSAGE_BYTES, brief, legible
from batchyard.objects.kinds.batchjobstatus import render_status
from batchyard.objects.kinds.computeenvironment import render_environment_status
from batchyard.objects.kinds.consumableresource import render_consumable_status
from batchyard.objects.kinds.jobdefinition import Rejection, render_definition_status
from batchyard.objects.kinds.jobqueue import render_queue_status
from batchyard.objects.kinds.queuefront import render_front
from batchyard.objects.kinds.sharecounts import render_count
from batchyard.objects.kubernetes.event import build_event
from objects.texts import texts
from unit.samples import NOW, make_attempt, make_definition, make_environment, make_job, make_queue, make_revision

ODD = "\n\r\t\v\f\x00\x1b\x7f\x85\x9b\xad\u00a0\u200b\u200d\u202e\u2028\u2029\u2066\ufeff\ud800\U000e0001\ue000 "
words = st.text(st.sampled_from(ODD) | st.characters(), max_size=40)
any_length = st.builds(lambda text, times: text * times, words, st.sampled_from([1, 1, 1, 50, 20_000]))


def forges(text: str) -> set[str]:
    """Characters that end a line, move a cursor, turn or hide text."""
    return {each for each in text if unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}


@given(any_length)
def test_what_is_legible_has_one_line_and_stays_as_it_is(text: str) -> None:
    shown = legible(text)
    assert not forges(shown)
    assert len(shown.splitlines()) <= 1
    assert legible(shown) == shown
    shown.encode()


@given(any_length, st.sampled_from([100, DETAIL_BYTES, MESSAGE_BYTES]))
def test_what_is_brief_is_legible_and_stays_as_it_is(text: str, most: int) -> None:
    shown = brief(text, most)
    assert not forges(shown)
    assert len(json.dumps(shown, ensure_ascii=False).encode()) + 5 * sum(map(shown.count, "<>&")) <= most + 2
    assert brief(shown, most) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("as it was", "as it was"),
        ("  two  blanks  ", "  two  blanks  "),
        ("naïve 你好 \N{GRINNING FACE} ✓", "naïve 你好 \N{GRINNING FACE} ✓"),
        ("Traceback:\n    line 1\n\n\nValueError: x\n", f"Traceback:{LINE_BREAK}line 1{LINE_BREAK}ValueError: x"),
        ("one\r\ntwo\x85three\u2028four", LINE_BREAK.join(["one", "two", "three", "four"])),
        ("a\tb\xa0c", "a b c"),
        ("\x1b[2Jgone", "\ufffd[2Jgone"),
        ("abc\u202edcba", "abc\ufffddcba"),
        ("half \ud83d", "half \ufffd"),
        ("\n \n", ""),
    ],
)
def test_what_stands_for_what_cannot_be_seen(text: str, shown: str) -> None:
    assert legible(text) == shown
    assert brief(text, 200) == shown


def test_blanks_without_end_cost_no_more_than_their_length() -> None:
    assert legible("a" + " " * 500_000 + "\x00") == "a" + " " * 500_000 + "\ufffd"
    assert brief("\n" * 500_000, 100) == "… (shortened)"


@given(any_length)
def test_nothing_else_reaches_a_status_or_an_event(text: str) -> None:
    """Text of others in every place that a person, a program or a kubelet can write to, the names of resources too."""
    failure = FailedIndex(3, 1, 1, text, text, text, text)
    status = Status(
        JobState.FAILED,
        text,
        text,
        attempts=(make_attempt(1, reason=text, message=text, pod_name=text, node_name=text, out_of_memory=(text,)),),
        dependencies=(EndedDependency(text, JobState.FAILED, text),),
        array=ArrayStatus(9, first_failures=(failure,)),
    )
    job = replace(make_job(), share=text)
    amounts = {text: 3, "cpu": 1000}
    environment = replace(make_environment(), node_selector={text: text})
    queue = make_queue(environments=(text, "other"))
    front = render_front([job], (text, text), None, (NOW - 60, Hold(text, text)), {}, NOW, Visibility.ALL)
    shares = render_count([ShareUsage(text, 1.0, 1, NOW)], {text: 2}, NOW)
    view, free = NodesView(amounts, (text,)), Free(amounts, amounts)
    capacity: Any = {"view": view, "capacity": amounts, "used": amounts, "free": free, "previous": {}, "now": NOW}
    consumable = Consumable("licences", "uid", 1, NOW, total=3, replenishable=True, refusal=text)
    rendered = [
        render_status(job, status, {}, NOW),
        render_status(job, status._replace(state=JobState.RUNNABLE), {}, NOW),
        build_event(job, Announcement(text, text, 1), NOW),
        render_environment_status(environment, nodes=0, **capacity),
        render_environment_status(replace(environment, refusal=text), nodes=1, **capacity),
        render_queue_status(queue, {}, [text], {}, NOW, shares, front),
        render_queue_status(replace(queue, refusal=text), {}, [], {}, NOW),
        render_consumable_status(consumable, in_use=0, taken=0, count=None, previous={}, now=NOW),
        render_definition_status(make_definition(), [make_revision(1)], Rejection.by_api_server(text), {}, NOW),
        render_definition_status(make_definition(refusal=text), [], None, {}, NOW),
        render_definition_status(make_definition(), [], None, {}, NOW, unrecorded=text),
    ]
    for each in rendered:
        assert not {odd for part in texts(each) for odd in forges(part)}
    messages = [part for each in rendered for part in texts(each.get("conditions") or each.get("message"))]
    assert all(len(part.encode()) <= MESSAGE_BYTES for part in messages)
