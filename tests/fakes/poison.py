"""Jobs that are poison to the operator: what no boundary lets through, put behind it."""

from dataclasses import replace
from typing import Any

import pytest

from batchyard.core.definition.template import Templates
from batchyard.core.model.definition import Resolved, Revision
from batchyard.core.model.job import BatchJob


def poison(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """Have the jobs whose names say so come to something that no boundary lets through."""
    resolve = Templates.resolve

    def resolved(self: Templates, job: BatchJob, revision: Revision) -> Resolved:
        result = resolve(self, job, revision)
        return replace(result, **fields) if job.key[1].startswith("poison") else result

    monkeypatch.setattr(Templates, "resolve", resolved)
