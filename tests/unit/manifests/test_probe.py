"""The Job that proves a definition."""

import pytest

from batchyard.core.template import TemplateError
from batchyard.manifests.probe import build_probe
from unit.manifests.conftest import Golden
from unit.samples import make_content, make_definition


def test_the_probe_of_a_definition(golden: Golden) -> None:
    golden("probe", build_probe(make_definition(), make_content()))


def test_a_definition_without_a_pod_cannot_be_probed() -> None:
    with pytest.raises(TemplateError, match=r"spec\.container"):
        build_probe(make_definition(), {})
