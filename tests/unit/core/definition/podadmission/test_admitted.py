"""What a job asks for once its pods come under the rules of their namespace."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchyard.core.definition.memorygrowth import grown
from batchyard.core.definition.podadmission.admitted import admitted_pod, under_rules
from batchyard.core.definition.template import Templates
from batchyard.core.model.podadmission.limitrange import Bounds, LimitRange
from batchyard.core.model.podadmission.rules import NO_RULES, ClusterRules, PodRules
from batchyard.core.model.podadmission.runtimeclass import RuntimeClass
from batchyard.core.model.resources import pod_requests
from batchyard.core.model.status import Attempt
from objects.specs import multi_node
from unit.samples import CONTAINER, make_job, make_resolved, make_revision

BARE = {"name": "main", "image": "busybox"}
DEFAULTS = LimitRange("defaults", {"cpu": 16000, "memory": 1024})
RULES = PodRules((DEFAULTS,))
KATA = PodRules((), {"kata": RuntimeClass("kata", {"cpu": 250}, {"runtime": "kata"})})


def test_every_container_gets_the_defaults_by_the_rules_of_the_scheduler() -> None:
    spec = {"containers": [BARE, BARE], "initContainers": [{**BARE, "restartPolicy": "Always"}, BARE]}
    assert admitted_pod(spec, RULES).request == {"cpu": 48000, "memory": 3072}


def test_the_overhead_of_its_class_is_taken_in() -> None:
    spec = {"containers": [CONTAINER], "runtimeClassName": "kata", "nodeSelector": {"zone": "a"}}
    pod = admitted_pod(spec, KATA)
    assert pod.request == {"cpu": 2250, "memory": 4 * 1024**3}
    assert pod.spec["nodeSelector"] == {"zone": "a", "runtime": "kata"}
    assert not pod.refusal


@pytest.mark.parametrize(
    ("whole", "cpu"),
    [({"requests": {"cpu": "1"}}, 1000), ({"limits": {"cpu": "2"}}, 2000), ({"limits": {"memory": "1Gi"}}, 16000)],
)
def test_requests_of_the_pod_as_a_whole_are_set_before_the_defaults(whole: dict[str, Any], cpu: int) -> None:
    assert admitted_pod({"containers": [BARE], "resources": whole}, RULES).request["cpu"] == cpu


def test_a_default_that_no_container_can_have_is_a_refusal_and_counts_for_nothing() -> None:
    pod = admitted_pod({"containers": [CONTAINER]}, PodRules((LimitRange("odd", {"pods": 3}),)))
    assert "'pods' is no resource of a container" in pod.refusal
    assert pod.request == {"cpu": 2000, "memory": 4 * 1024**3}


def test_a_job_comes_under_rules_and_out_of_them_again() -> None:
    plain = make_resolved(container=BARE)
    ruled = under_rules(plain, RULES)
    assert (plain.request, ruled.request) == ({}, {"cpu": 16000, "memory": 1024})
    assert ruled.pods[0].takes == {**ruled.request, "pods": 1}
    assert ruled.template is plain.template, "what is written stays as the user wrote it"
    assert under_rules(ruled, NO_RULES) == plain


def test_every_node_of_a_multi_node_job_comes_under_them() -> None:
    plain = make_resolved(**multi_node(3, BARE))
    ruled = under_rules(plain, RULES)
    assert ruled.request == {"cpu": 48000, "memory": 3072, "pods": 3}
    assert ruled.gang is not None
    assert [group.request for group in ruled.gang.groups] == [{"cpu": 16000, "memory": 1024}]
    assert under_rules(ruled, NO_RULES) == plain


@pytest.mark.parametrize(
    "content", [{"container": BARE, "zonePolicy": "Spread"}, {**multi_node(3, BARE), "zonePolicy": "Single"}]
)
def test_how_pods_are_divided_between_zones_stays_under_rules(content: dict[str, Any]) -> None:
    plain = make_resolved(**content)
    for rules in (RULES, PodRules((), {"gvisor": RuntimeClass("gvisor")})):
        ruled = under_rules(plain, rules)
        assert ruled.zone_policy is plain.zone_policy
        assert [each.constraints for each in ruled.pods] == [each.constraints for each in plain.pods]
        assert under_rules(ruled, NO_RULES) == plain
    (pods,) = plain.pods
    assert (pods.constraints.spread, pods.constraints.one_zone) == (plain.gang is None, plain.gang is not None)


def test_a_class_with_nodes_of_its_own_narrows_the_zones() -> None:
    template = {"spec": {"containers": [CONTAINER], "runtimeClassName": "kata"}}
    ruled = under_rules(make_resolved(template=template, zonePolicy="Spread"), KATA)
    assert (ruled.constraints.selector, ruled.constraints.spread) == ((("runtime", "kata"),), True)


def test_a_refusal_says_of_which_nodes_it_is() -> None:
    ranges = [{"targetNodes": "0", "container": CONTAINER}, {"targetNodes": "1:2", "container": BARE}]
    plain = make_resolved(container=None, multiNode={"numNodes": 3, "nodeRanges": ranges})
    ruled = under_rules(plain, PodRules((LimitRange("bounds", container=Bounds({"cpu": 200})),)))
    assert ruled.refusal.startswith(
        "the API server would refuse its pods: of nodes 1-2, container main requests no cpu, and LimitRange bounds"
    )


def test_memory_grows_under_the_rules() -> None:
    memory = {**BARE, "resources": {"limits": {"memory": "1Gi"}}}
    plain = make_resolved(container=memory, retryStrategy={"onOutOfMemory": {"memoryMultiplier": 2}})
    killed = Attempt(1, 1, "videos-1", "pool", out_of_memory=("main",))
    more = grown(under_rules(plain, RULES), [killed])
    assert more.request == {"cpu": 16000, "memory": 2 * 1024**3}
    assert more.rules is RULES


def test_templates_share_what_rules_make_of_a_revision() -> None:
    templates, revision = Templates(), make_revision(container=BARE)
    one, other = (templates.resolve(make_job(name), revision) for name in ("one", "other"))
    ruled = templates.under(one, RULES)
    assert ruled.request["cpu"] == 16000
    assert templates.under(other, PodRules((DEFAULTS,))) is ruled
    assert templates.under(ruled, RULES) is ruled
    assert templates.under(one, PodRules((LimitRange("less", {"cpu": 1}),))).request == {"cpu": 1}
    assert templates.under(one, NO_RULES) is one
    again = templates.under(ruled, NO_RULES)
    assert again == one
    assert templates.under(ruled, NO_RULES) is again


def test_a_class_that_is_missing_is_a_rule_too() -> None:
    rules = ClusterRules(namespaces={"media": RULES}, runtime_classes={"kata": RuntimeClass("kata")})
    assert rules.of("audio", ()) is NO_RULES
    assert rules.of("media", ()) is RULES
    missing = rules.of("audio", ("gvisor",))
    template = {"spec": {"containers": [CONTAINER], "runtimeClassName": "gvisor"}}
    resolved = make_resolved(template=template)
    assert resolved.runtime_classes == ("gvisor",)
    assert "RuntimeClass gvisor does not exist" in Templates().under(resolved, missing).refusal


amounts = st.dictionaries(st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), st.integers(0, 5))
limit_ranges = st.builds(LimitRange, st.sampled_from(["one", "two"]), amounts, amounts)
resources = st.fixed_dictionaries({}, optional={"requests": amounts, "limits": amounts})
containers = st.lists(st.builds(lambda own: {**BARE, "resources": own}, resources), min_size=1, max_size=3)
specs = st.fixed_dictionaries(
    {"containers": containers, "initContainers": containers}, optional={"resources": resources}
)


@given(spec=specs, ranges=st.lists(limit_ranges, max_size=2))
def test_no_pod_asks_for_less_than_it_says(spec: dict[str, Any], ranges: list[LimitRange]) -> None:
    before, after = pod_requests(spec), admitted_pod(spec, PodRules(tuple(ranges))).request
    assert all(after.get(name, 0) >= amount for name, amount in before.items())


@given(spec=specs, ranges=st.lists(limit_ranges, max_size=2))
def test_the_order_of_limit_ranges_does_not_matter(spec: dict[str, Any], ranges: list[LimitRange]) -> None:
    one, other = (admitted_pod(spec, PodRules(tuple(each))) for each in (ranges, ranges[::-1]))
    assert one.request == other.request
    assert bool(one.refusal) == bool(other.refusal)


@given(spec=specs)
def test_without_rules_nothing_is_added(spec: dict[str, Any]) -> None:
    pod = admitted_pod(spec, NO_RULES)
    assert pod.spec is spec
    assert pod.request == {name: amount for name, amount in pod_requests(spec).items() if amount}
