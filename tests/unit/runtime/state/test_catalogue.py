"""What jobs may refer to: which revisions are those of a definition, whatever is seen first."""

import pytest

from batchyard.core.definition.revisions import digest
from batchyard.objects.kubernetes.revision import build_revision
from batchyard.runtime.state.catalogue import Catalogue
from unit.samples import make_content, make_definition


@pytest.mark.parametrize("uid", ["the-same", "another"])
@pytest.mark.parametrize("first", ["definition", "revision"])
def test_only_what_names_the_uid_of_a_definition_is_a_revision_of_it(first: str, uid: str) -> None:
    catalogue, content = Catalogue(lambda _: None), make_content()
    definition = make_definition(uid=uid)
    namespace, name = definition.key
    seen = {"metadata": {"namespace": namespace, "name": name, "uid": "the-same"}, "spec": content}
    revision = build_revision(definition, 1, content, digest(content))
    revision["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    if first == "definition":
        catalogue.put_definition(seen)
    catalogue.put_revision(revision)
    catalogue.put_definition(seen)
    assert (1 in catalogue.revisions.get(definition.key, {})) is (uid == "the-same")
