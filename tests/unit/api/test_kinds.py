"""The registry of kinds agrees with the models and with the names that the rest of the operator uses."""

import pytest

from batchyard.api import names
from batchyard.api.kinds import KINDS, Kind
from batchyard.kube.resources import OWN
from objects.api import GOOD_SPECS

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)


def test_every_kind_has_a_name_of_its_own_and_an_example() -> None:
    known = {names.JOB_DEFINITION, names.BATCH_JOB, names.JOB_QUEUE, names.COMPUTE_ENVIRONMENT}
    assert set(KINDS) == set(GOOD_SPECS) == known | {names.CONSUMABLE_RESOURCE}
    assert (
        len({kind.plural for kind in KINDS.values()}) == len({kind.short_name for kind in KINDS.values()}) == len(KINDS)
    )


@each_kind
def test_an_entry_is_what_its_model_says(kind: Kind) -> None:
    assert kind.model.model_fields["kind"].default == kind.name
    assert kind.model.model_fields["api_version"].default == names.API_VERSION
    assert kind.model.model_fields["status"].annotation == kind.status | None


@each_kind
def test_the_api_server_is_asked_by_the_same_entry(kind: Kind) -> None:
    resource = OWN[kind.name]
    assert f"{resource}" == f"{kind.plural}.batchyard.dev"
    assert (resource.api_version, resource.namespaced) == (names.API_VERSION, kind.namespaced)
