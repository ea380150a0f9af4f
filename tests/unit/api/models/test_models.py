"""Models as values: frozen, camelCase on the wire, exact about types and times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from batchyard.api.kinds import KINDS, Kind
from batchyard.api.models.batchjob import BatchJob, BatchJobStatus, JobState
from batchyard.api.models.container import Container
from batchyard.api.models.jobdefinition import JobDefinition
from objects.api import Json, manifest


def written(model: BaseModel) -> Json:
    """As the API server stores it."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_written_objects_are_read_back_the_same(kind: Kind) -> None:
    model = kind.model
    parsed = model.model_validate(manifest(kind.name))
    assert model.model_validate(written(parsed)) == parsed


def test_models_cannot_be_changed() -> None:
    job = BatchJob.model_validate(manifest("BatchJob"))
    with pytest.raises(ValidationError):
        job.spec.job_queue = "other"  # type: ignore[misc]


def test_status_times_are_whole_seconds_in_utc() -> None:
    status = BatchJobStatus.model_validate({"startedAt": "2030-01-31T13:00:00.75+01:00", "state": "Running"})
    assert status.state is JobState.RUNNING
    assert written(status)["startedAt"] == "2030-01-31T12:00:00Z"


def test_fields_of_a_newer_status_are_passed_over() -> None:
    assert BatchJobStatus.model_validate({"state": "Running", "mood": "good"}).state is JobState.RUNNING


def test_quantities_are_kept_as_text() -> None:
    container = Container.model_validate({"image": "busybox", "resources": {"requests": {"cpu": 2, "memory": "4Gi"}}})
    assert container.resources.requests == {"cpu": "2", "memory": "4Gi"}


@given(st.dictionaries(st.text(min_size=1, max_size=40), st.text(max_size=40), max_size=20))
def test_any_parameter_survives(parameters: dict[str, str]) -> None:
    """Workflow tools keep metadata in parameters, under keys with dots and dashes."""
    job = BatchJob.model_validate(manifest("BatchJob", parameters=parameters))
    assert written(job)["spec"]["parameters"] == parameters


def test_template_is_kept_as_it_is() -> None:
    template = {"spec": {"containers": [{"name": "main", "image": "busybox", "anything": None}]}}
    definition = JobDefinition.model_validate(manifest("JobDefinition", container=None, template=template))
    assert definition.spec.template == template
