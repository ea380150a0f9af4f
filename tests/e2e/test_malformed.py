"""A thousand manifests with a mistake each: every one is answered by a sentence, and none is taken and forgotten.

A mistake is answered when the API server refuses it (strictly, as kubectl asks for by default), or when the object is
not ready, or the job failed or waits, and the sentence has one of the words that the mistake must be told by. Whatever
is ready all the same, or says nothing of it, was ignored. BATCHYARD_MALFORMED_SEED gives other mistakes,
BATCHYARD_MALFORMED another number of them; with BATCHYARD_UPDATE_SENTENCES=1 the sample of sentences is written anew.
"""

import json
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from batchyard.api import names
from batchyard.api.kinds import KINDS
from e2e.clusterapi import ApiRefusedError, Json, path_of, until
from e2e.harness import Harness
from e2e.operatorprocess import OperatorProcess
from objects.goodspecs import GOOD
from objects.malformed import Malformed, malformed, unreadable

pytestmark = pytest.mark.e2e

COUNT = int(os.environ.get("BATCHYARD_MALFORMED", "1000"))
SEED = int(os.environ.get("BATCHYARD_MALFORMED_SEED", "1"))
SENTENCES = Path(__file__).with_name("sentences.txt")
SHOWN = 60
AT_ONCE = 8
SECONDS = 60.0
NAMESPACED = (names.BATCH_JOB, names.JOB_DEFINITION)
LEFT_UNCHECKED = "some validation rules were not checked"


@dataclass(frozen=True)
class Answer:
    """What somebody gets for a manifest."""

    asked: Malformed
    refused: bool
    """Whether the API server says it, and has not taken the object."""
    sentences: tuple[str, ...]
    """None where nobody has said anything of the mistake."""

    def __str__(self) -> str:
        who = "API server" if self.refused else "status"
        told = "".join(f"\n    {each}" for each in self.sentences)
        return f"{self.asked.base}, {self.asked.where}: {self.asked.how} ({who}){told}"


@pytest.fixture(scope="module")
def context(shared: Harness) -> Harness:
    """What good jobs refer to, so that they wait for nothing else."""
    short = {name: each for name, each in GOOD["short definition"][1].items() if name != "consumableResources"}
    shared.apply(
        shared.simulated_environment("environment"),
        shared.queue("queue", "environment"),
        shared.object(names.JOB_DEFINITION, "short", short),
        shared.object(names.JOB_DEFINITION, "nodes", GOOD["multi-node definition"][1]),
        shared.simulated_definition("quick"),
        shared.job("earlier", "quick", "queue", array={"size": 10}),
    )
    shared.wait_finished(["earlier"])
    return shared


@pytest.fixture(scope="module")
def logged(context: Harness, operator: OperatorProcess) -> int:
    """Length of the operator's log before."""
    return operator.log.stat().st_size


@pytest.fixture(scope="module")
def answers(context: Harness, logged: int) -> list[Answer]:
    """The answer to each manifest, with the names of this run masked."""
    asked = {f"m-{number}": each for number, each in enumerate(malformed(SEED, COUNT))}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        refusals = dict(zip(asked, pool.map(lambda item: _refusal(context, *item), asked.items()), strict=True))
    told = _told(context, {name: each for name, each in asked.items() if not refusals[name]})
    mask = re.compile(rf"{re.escape(context.namespace)}|\bm-\d+\b")

    def masked(name: str) -> tuple[str, ...]:
        return tuple(mask.sub("***", each) for each in refusals[name] or told[name])

    return [Answer(each, bool(refusals[name]), masked(name)) for name, each in asked.items()]


def _refusal(harness: Harness, name: str, asked: Malformed) -> tuple[str, ...]:
    """The API server's words, if it does not take the object: one for each thing that it has against it."""
    body = harness.object(asked.kind, name, _of_this_test(harness, asked.spec))
    try:
        harness.api.post(_path(harness, asked.kind, fieldValidation="Strict"), body)
    except ApiRefusedError as error:
        status: Json = json.loads(str(error).split(" ", 3)[3])
        causes = (status.get("details") or {}).get("causes") or [{"message": status["message"]}]
        said = [f"{each.get('field', '')}: {each['message']}".removeprefix(": ") for each in causes]
        return tuple(dict.fromkeys(each for each in said if LEFT_UNCHECKED not in each))
    return ()


def _path(harness: Harness, kind: str, **query: str) -> str:
    path = path_of((names.API_VERSION, KINDS[kind].plural), harness.namespace, **query)
    return path if kind in NAMESPACED else path.replace(f"/namespaces/{harness.namespace}", "")


def _of_this_test(harness: Harness, spec: Any) -> Any:
    """The spec with the names that its queue and environment have in this test."""
    if not isinstance(spec, dict):
        return spec
    changed = dict(spec)
    if spec.get("jobQueue") == "queue":
        changed["jobQueue"] = harness.named("queue")
    if spec.get("computeEnvironments") == ["environment"]:
        changed["computeEnvironments"] = [harness.named("environment")]
    return changed


def _told(harness: Harness, taken: Mapping[str, Malformed]) -> dict[str, tuple[str, ...]]:
    """What the operator says of each object that the API server has taken, once it has said something of all."""
    said: dict[str, tuple[str, ...]] = {}

    def look() -> bool:
        for kind in {each.kind for each in taken.values()}:
            items = harness.api.get(_path(harness, kind))["items"]
            statuses = {each["metadata"]["name"]: each.get("status", {}) for each in items}
            for name, each in taken.items():
                if each.kind == kind:
                    said[name] = _sentence(statuses[name if kind in NAMESPACED else harness.named(name)], each)
        return all(said.values())

    try:
        until(look, SECONDS, str)
    except AssertionError:
        return said  # with nothing for those that were ignored, which a test reports
    return said


def _sentence(status: Json, asked: Malformed) -> tuple[str, ...]:
    ready: Json = next((each for each in status.get("conditions", []) if each["type"] == "Ready"), {})
    message = str(ready.get("message", ""))
    if not asked.wrong:
        return (f"stands as it is: {ready['reason']}",) if message else ()
    return (message,) if ready.get("status") == "False" and any(each in message for each in asked.words) else ()


def test_no_mistake_is_ignored(answers: list[Answer]) -> None:
    ignored = [str(each) for each in answers if not each.sentences]
    assert not ignored, "\n".join(ignored)
    counted = [sum(each.refused for each in answers), sum(not each.asked.wrong for each in answers)]
    print(f"{len(answers)} manifests: {counted[0]} refused by the API server, {counted[1]} no mistakes")
    assert counted[1] <= COUNT // 20


def test_what_is_no_mistake_stands(answers: list[Answer]) -> None:
    told = [str(each) for each in answers if not each.asked.wrong and (each.refused or "Invalid" in str(each))]
    assert not told, "\n".join(told)


def test_every_sentence_is_one_that_people_can_read(answers: list[Answer]) -> None:
    for each in answers:
        for sentence in each.sentences:
            assert not (problems := unreadable(sentence)), f"{each}\n{problems}"


def test_every_sentence_names_the_field(answers: list[Answer]) -> None:
    for each in answers:
        told = " ".join(each.sentences)
        assert not each.asked.wrong or any(word in told for word in each.asked.words), f"{each}\n{each.asked.words}"


def test_a_sample_of_the_sentences(answers: list[Answer], context: Harness) -> None:
    if context.cluster.backend != "local" or (COUNT, SEED) != (1000, 1):
        pytest.skip("another API server may choose other words, and another seed makes other mistakes")
    said = "\n".join(_sample(answers)) + "\n"
    if os.environ.get("BATCHYARD_UPDATE_SENTENCES"):
        SENTENCES.write_text(said, encoding="utf-8")
    assert said == SENTENCES.read_text(encoding="utf-8")


def _sample(answers: list[Answer]) -> list[str]:
    """A third by the API server, two thirds by the operator, which are fewer and ours: one of each kind of mistake."""
    shown: list[str] = []
    for refused, number in ((True, SHOWN // 3), (False, SHOWN - SHOWN // 3)):
        first: dict[tuple[str, str], str] = {}
        for each in sorted(answers, key=str):
            if each.refused is refused and each.asked.wrong:
                first.setdefault((each.asked.base, each.asked.how), str(each))
        texts = list(first.values())
        shown += [texts[index * len(texts) // number] for index in range(number)] if len(texts) > number else texts
    return shown


def test_nothing_of_it_is_an_error_of_the_operator(
    answers: list[Answer], operator: OperatorProcess, logged: int
) -> None:
    log = operator.log.read_bytes()[logged:].decode(errors="replace")
    assert "Traceback" not in log
    assert " ERROR " not in log
    assert operator.alive
