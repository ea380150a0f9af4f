"""No words of others pass for a line of the operator's log."""

import json
import logging
from collections.abc import Iterator

import pytest

from batchyard.runtime.process import logs

FORGED = "2030-01-01 00:00:00,000 INFO    batchyard.runtime.leader: nobody leads any more"
WORDS = f"no\n{FORGED}\r\x1b[31m\u2028{FORGED}"


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield logging.getLogger("batchyard.test")
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("kopf", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def fail(words: str) -> None:
    raise RuntimeError(words) from ValueError(words)


def write(log: logging.Logger) -> None:
    log.warning("%s failed (%s), again in %.1f s", ("status", WORDS), WORDS, 2)
    log.warning("100% sure")
    log.warning("long: %s", "x" * 100_000)
    try:
        fail(WORDS)
    except RuntimeError:
        log.exception("BatchJob %s", WORDS)


def test_text_has_a_line_for_each_event_and_marks_the_lines_of_a_trace(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("text", "info")
    write(log)
    written = capsys.readouterr().err
    assert not {each for each in written if not each.isprintable()} - {"\n"}
    events = [line for line in written.split("\n") if not line.startswith("  | ")]
    assert [line[24:53] for line in events] == [
        "WARNING batchyard.test: ('sta",
        *["WARNING batchyard.test: " + each for each in ("100% ", "long:")],
        "ERROR   batchyard.test: Batch",
        "",
    ]
    assert max(map(len, events)) < logs.MESSAGE_BYTES + 100
    assert "  | RuntimeError: no" in written
    assert f"  | {FORGED}" in written


def test_json_has_the_same_words(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    write(log)
    written = capsys.readouterr().err
    events = [json.loads(line) for line in written.splitlines()]
    assert [each["level"] for each in events] == ["WARNING", "WARNING", "WARNING", "ERROR"]
    assert all(each["message"].isprintable() for each in events)
    assert f"no ↵ {FORGED} ↵ \ufffd[31m ↵ {FORGED}" in events[0]["message"]
    assert all(line.startswith("  | ") and line.isprintable() for line in events[3]["exc_info"].split("\n"))


def test_a_trace_without_end_is_cut(log: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("text", "info")
    try:
        fail("a\n" * 10_000)
    except RuntimeError:
        log.exception("failed")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 + logs.TRACE_LINES + 1
    assert "RuntimeError" not in lines[-1]


def test_a_message_that_cannot_be_made_ends_nobody(
    log: logging.Logger, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    logs.configure("text", "info")
    log.warning("%d", "no number")
    assert capsys.readouterr().err == ""
