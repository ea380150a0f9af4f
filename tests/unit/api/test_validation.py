"""Bad objects end in one readable sentence, good ones in models."""

from typing import Any

import pytest

from batchyard.api.kinds import KINDS
from batchyard.api.unsupported import UNSUPPORTED, refusals
from batchyard.api.validation import InvalidObject, parse
from objects.api import BAD, BAD_JOBS, GOOD_SPECS, REFUSED, Bad, Json, manifest
from objects.wrong import wrong_objects


def parsed(kind: str, obj: Json) -> Any:
    return parse(KINDS[kind].model, obj)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.kind}-{bad.id}")
def test_bad_object_is_refused_in_words(bad: Bad) -> None:
    with pytest.raises(InvalidObject) as refused:
        parsed(bad.kind, bad.manifest)
    sentence = str(refused.value)
    assert bad.operator_says in sentence
    assert "\n" not in sentence
    assert "pydantic" not in sentence
    assert "Input should" not in sentence


def test_wrong_type_of_any_field_is_named() -> None:
    for kind, path, obj in wrong_objects():
        with pytest.raises(InvalidObject) as refused:
            parsed(kind, obj)
        assert path in str(refused.value), (kind, path)


@pytest.mark.parametrize("kind", GOOD_SPECS)
def test_good_object_is_read(kind: str) -> None:
    assert parsed(kind, manifest(kind)).kind == kind


def test_defaults_are_filled_in() -> None:
    definition = parsed("JobDefinition", manifest("JobDefinition"))
    assert definition.spec.container is not None
    assert definition.spec.container.name == "main"
    assert definition.spec.retry_strategy.attempts == 1
    assert parsed("JobQueue", manifest("JobQueue")).spec.scheduling_policy.type == "FIFO"


def test_broken_status_does_not_spoil_a_good_spec() -> None:
    job = parsed("BatchJob", {**manifest("BatchJob"), "status": {"state": "Lost", "attempts": 3}})
    assert job.spec.job_queue == "urgent"


def test_unknown_metadata_is_passed_over() -> None:
    obj = manifest("BatchJob")
    obj["metadata"] |= {"managedFields": [{}], "selfLink": "/x", "generation": 2}
    assert parsed("BatchJob", obj).metadata.generation == 2


def test_many_mistakes_are_summed_up() -> None:
    with pytest.raises(InvalidObject, match=r"; and 2 more$"):
        parsed("BatchJob", manifest("BatchJob", a=1, b=2, c=3, d=4, e=5))


def test_keys_with_dots_are_shown_in_brackets() -> None:
    with pytest.raises(InvalidObject, match=r'spec\.parameters\["metaflow\.user"\] must be text'):
        parsed("BatchJob", manifest("BatchJob", parameters={"metaflow.user": 1}))


def test_long_values_are_cut() -> None:
    with pytest.raises(InvalidObject) as refused:
        parsed("BatchJob", manifest("BatchJob", timeout={"attemptDurationSeconds": "x" * 1000}))
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("spec", [None, [], "text", 3, True])
def test_spec_of_another_type(spec: Any) -> None:
    with pytest.raises(InvalidObject, match="spec must be an object"):
        parsed("BatchJob", {**manifest("BatchJob"), "spec": spec})


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.id)
def test_what_is_not_done_yet_is_refused(refused: Bad) -> None:
    parsed(refused.kind, refused.manifest)
    sentences = refusals(refused.kind, refused.manifest["spec"])
    assert len(sentences) == 1
    assert refused.operator_says in sentences[0]


def test_every_refusal_has_an_example() -> None:
    told = {sentence for each in REFUSED for sentence in refusals(each.kind, each.manifest["spec"])}
    assert told == {row.message for row in UNSUPPORTED}


@pytest.mark.parametrize("kind", GOOD_SPECS)
def test_good_objects_are_not_refused(kind: str) -> None:
    assert refusals(kind, GOOD_SPECS[kind]) == []


def test_empty_lists_are_not_refused() -> None:
    """Templating tools write them for what is not used."""
    spec = {**GOOD_SPECS["BatchJob"], "dependsOn": [], "retryStrategy": {"evaluateOnExit": []}}
    assert refusals("BatchJob", spec) == []


def test_sequential_with_a_job_is_a_plain_dependency() -> None:
    entries = [{"job": "fetch", "type": "Sequential"}, {"job": "sort"}]
    assert refusals("BatchJob", {**GOOD_SPECS["BatchJob"], "dependsOn": entries}) == []


def test_refusals_cope_with_specs_of_any_shape() -> None:
    assert refusals("JobQueue", {"schedulingPolicy": "FairShare"}) == []
    assert refusals("JobDefinition", {"retryStrategy": None}) == []
    assert refusals("BatchJob", {"dependsOn": ["fetch", None]}) == []


def test_bad_objects_have_different_names() -> None:
    assert len({bad.id for bad in BAD_JOBS}) == len(BAD_JOBS)
