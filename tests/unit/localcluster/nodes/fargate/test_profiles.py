"""Which pods are Fargate's, and how the API server is told so."""

import pytest

from localcluster.nodes.fargate.profiles import POLICY, Profile, is_selected, path_of, policy

PODS = {"compute": "fargate", "team": "red"}


@pytest.mark.parametrize(
    ("profile", "selects"),
    [
        (Profile("p", "etl"), True),
        (Profile("p", "et"), False),
        (Profile("p", "tl"), False),
        (Profile("p", "e*"), True),
        (Profile("p", "etl*"), True),
        (Profile("p", "et?"), True),
        (Profile("p", "etl?"), False),
        (Profile("p", "e.l"), False),
        (Profile("p", "*", {"compute": "fargate"}), True),
        (Profile("p", "*", {"compute": "fargate", "team": "red"}), True),
        (Profile("p", "*", {"compute": "fargate", "team": "blue"}), False),
        (Profile("p", "*", {"other": "fargate"}), False),
        (Profile("p", "*", {"comp*": "far????"}), True),
        (Profile("p", "*", {"comp*": "far?"}), False),
    ],
)
def test_namespace_and_all_labels_must_match(profile: Profile, selects: bool) -> None:
    assert profile.selects("etl", PODS) is selects


def test_a_profile_selects_what_one_of_its_selectors_does() -> None:
    profiles = [Profile("one", "etl"), Profile("one", "ml"), Profile("two", "web")]
    assert is_selected(profiles, "one", "ml", {})
    assert not is_selected(profiles, "one", "web", {})
    assert not is_selected(profiles, "three", "etl", {})


def test_the_policy_asks_for_namespace_and_labels() -> None:
    condition = Profile("p", "etl-?*", {"a.b/c": "x*"}).condition()
    namespace, label = condition.split(" && ", 1)
    assert namespace == r'request.namespace.matches("^etl\\-..*$")'
    assert label.endswith(r'.exists(k, k.matches("^a\\.b/c$") && object.metadata.labels[k].matches("^x.*$"))')


def test_profiles_are_tried_by_name_and_one_that_a_pod_names_alone() -> None:
    document, binding = policy([Profile("b", "x"), Profile("a", "y"), Profile("b", "z")], "probe-1")
    variables = document["spec"]["variables"]
    probe, first, second, none = variables[0]["expression"].split(" : ")
    assert '"probe-1" ? "probe"' in probe
    assert first.endswith('in ["", "a"] && ((request.namespace.matches("^y$"))) ? "a"')
    assert second.count("request.namespace.matches") == 2
    assert second.endswith('? "b"')
    assert none == '""'
    assert binding["spec"]["policyName"] == document["metadata"]["name"] == POLICY


def test_policy_and_binding_have_places_of_their_own() -> None:
    paths = [path_of(document["kind"]).split("/")[-2:] for document in policy([], "probe")]
    assert paths == [["mutatingadmissionpolicies", POLICY], ["mutatingadmissionpolicybindings", POLICY]]
