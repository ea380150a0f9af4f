"""The Job that proves a definition."""

import pytest

from batchyard.core.definition.errors import TemplateError
from batchyard.objects.kubernetes.probe import build_probes
from unit.objects.conftest import Golden
from unit.samples import make_content, make_definition


def test_the_probe_of_a_definition(golden: Golden) -> None:
    [probe] = build_probes(make_definition(), make_content())
    golden("probe", probe)


def test_a_definition_without_a_pod_cannot_be_probed() -> None:
    with pytest.raises(TemplateError, match=r"spec\.container"):
        build_probes(make_definition(), {})
