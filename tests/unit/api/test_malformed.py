"""What the operator itself says of manifests with a mistake, where the API server has let them through."""

from typing import Any

from batchyard.core.definition import revisions
from batchyard.core.definition.errors import TemplateError
from batchyard.core.definition.podtemplate import pod_templates
from batchyard.objects.kinds.batchjob import read_batchjob
from batchyard.objects.kinds.computeenvironment import read_environment
from batchyard.objects.kinds.consumableresource import read_consumable
from batchyard.objects.kinds.jobdefinition import read_definition
from batchyard.objects.kinds.jobqueue import read_queue
from objects.api import manifest
from objects.malformed import Malformed, malformed, unreadable

READERS: dict[str, Any] = {
    "BatchJob": read_batchjob,
    "JobDefinition": read_definition,
    "JobQueue": read_queue,
    "ComputeEnvironment": read_environment,
    "ConsumableResource": read_consumable,
}


def told(asked: Malformed) -> str:
    obj = {**manifest(asked.kind), "spec": asked.spec}
    obj["metadata"] |= {"uid": "uid", "namespace": "media"}
    record = READERS[asked.kind](obj)
    if record.refusal or asked.kind != "JobDefinition":
        return str(record.refusal)
    try:
        pod_templates(revisions.content(record.spec))
    except TemplateError as error:
        return error.message
    return ""


def test_what_is_wrong_is_said_in_a_sentence_or_left_to_others() -> None:
    """Left to the API server is what only it knows of a pod; to the rest of the operator, what other objects tell."""
    asked = malformed(2, 1000)
    said = [(each, told(each)) for each in asked]
    assert sum(each.wrong and bool(sentence) for each, sentence in said) > 800
    for each, sentence in said:
        assert not sentence or not unreadable(sentence), f"{each.base} {each.where}: {each.how}: {sentence}"


def test_no_two_are_alike_and_a_seed_gives_the_same_again() -> None:
    few = malformed(3, 100)
    assert few == malformed(3, 100)
    assert len({(each.base, each.how, each.where, repr(each.spec)) for each in few}) == 100
