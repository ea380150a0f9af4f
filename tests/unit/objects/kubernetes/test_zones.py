"""What pods say of zones."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from batchyard.api import names
from batchyard.api.models.jobdefinition import ZonePolicy
from batchyard.core.definition.nodeneeds.podconstraints import constraints_of
from batchyard.core.model.array import ArrayShape, IndexRun
from batchyard.core.model.environment import Environment
from batchyard.core.model.managed import ZONE
from batchyard.core.model.pods.gang import Gang
from batchyard.core.model.run import Run
from batchyard.objects.kubernetes.indexedjob import build_index_job, build_indexed_job
from batchyard.objects.kubernetes.job import build_job, read_run
from batchyard.objects.kubernetes.multinode import build_main, build_node
from batchyard.objects.kubernetes.steering import steered
from batchyard.objects.kubernetes.zones import spread, together
from objects.specs import multi_node
from unit.samples import CONTAINER, make_environment, make_job, make_managed, make_resolved, make_run, make_serverless

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
LABELS = {names.DEFINITION: "transcode", names.JOB_UID: "uid-job", names.RUN: "2", "team": "media"}
SAME_RUN = {"topologyKey": ZONE, "labelSelector": {"matchLabels": {names.JOB_UID: "uid-job", names.RUN: "2"}}}
WISH = {
    "maxSkew": 1,
    "topologyKey": ZONE,
    "whenUnsatisfiable": "ScheduleAnyway",
    "labelSelector": {"matchLabels": {names.DEFINITION: "transcode"}},
}
IN_A = {"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["a"]}]}


def template(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"labels": LABELS}, "spec": {"containers": [CONTAINER], **spec}}


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = job["spec"]["template"]["spec"]
    return found


def constraints_by(**fields: Any) -> Any:
    """What the pods of a job say of how they are spread."""
    environment: Environment = fields.pop("environment", make_environment())
    job = build_job(make_job(), make_resolved(**fields), environment, 1, 1)
    return pod_of(job).get("topologySpreadConstraints")


def test_pods_wish_to_be_spread_over_zones_beside_those_of_their_definition() -> None:
    pod = spread(template(nodeSelector={"disk": "ssd"}))
    assert pod == {**template(), "spec": {**template(nodeSelector={"disk": "ssd"})["spec"], **_spread(WISH)}}


def _spread(*constraints: Any) -> dict[str, Any]:
    return {"topologySpreadConstraints": list(constraints)}


def test_a_pod_that_says_how_it_is_to_be_spread_has_the_last_word() -> None:
    own = _spread({**WISH, "topologyKey": "kubernetes.io/hostname"})
    assert spread(template(**own)) == template(**own)
    assert spread(template(topologySpreadConstraints=[]))["spec"]["topologySpreadConstraints"] == [WISH]
    assert spread(template(topologySpreadConstraints=None))["spec"]["topologySpreadConstraints"] == [WISH]


@pytest.mark.parametrize("policy", [None, "Any", "Spread"])
@pytest.mark.parametrize("environment", [make_environment(), make_managed()], ids=["unmanaged", "managed"])
def test_only_where_the_definition_wants_it(policy: str | None, environment: Environment) -> None:
    content = {} if policy is None else {"zonePolicy": policy}
    assert constraints_by(environment=environment, **content) == ([WISH] if policy == "Spread" else None)


def test_where_there_are_no_nodes_there_is_nothing_to_spread() -> None:
    assert constraints_by(environment=make_serverless(), zonePolicy="Spread") is None


def test_the_pods_of_an_array_and_of_further_runs_of_its_indexes_say_the_same() -> None:
    resolved, shape = make_resolved(zonePolicy="Spread"), ArrayShape(5)
    whole = build_indexed_job(make_job(), resolved, shape, make_environment(), 3)
    again = build_index_job(make_job(), resolved, shape, make_managed(), IndexRun(2, 2, 1))
    for job in (whole, again):
        assert pod_of(job)["topologySpreadConstraints"] == [WISH]
        assert job["spec"]["template"]["metadata"]["labels"][names.DEFINITION] == "transcode"


def test_pods_in_a_known_zone_require_it() -> None:
    assert together(template(), "a")["spec"]["affinity"] == {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [IN_A]}}}
    absent = {"matchExpressions": [{"key": ZONE, "operator": "DoesNotExist"}]}
    assert together(template(), "")["spec"]["affinity"]["nodeAffinity"][REQUIRED] == {"nodeSelectorTerms": [absent]}


def test_where_the_zone_is_not_known_pods_require_that_of_the_others_of_their_run() -> None:
    assert together(template(), None)["spec"]["affinity"] == {"podAffinity": {REQUIRED: [SAME_RUN]}}


def test_what_pods_require_beside_stays_and_nothing_that_was_given_is_changed() -> None:
    other = {"topologyKey": "rack", "labelSelector": {"matchLabels": {"team": "media"}}}
    own = template(affinity={"podAffinity": {REQUIRED: [other]}, "podAntiAffinity": {REQUIRED: [other]}})
    before = copy.deepcopy(own)
    assert together(own, None)["spec"]["affinity"] == {
        "podAffinity": {REQUIRED: [other, SAME_RUN]},
        "podAntiAffinity": {REQUIRED: [other]},
    }
    assert together(own, "a")["spec"]["affinity"]["podAffinity"] == {REQUIRED: [other]}
    assert own == before
    assert together(template(affinity=None), None)["spec"]["affinity"] == {"podAffinity": {REQUIRED: [SAME_RUN]}}


def jobs(zone: str | None, **content: Any) -> list[dict[str, Any]]:
    """The Jobs of the main node and of another one."""
    resolved = make_resolved(**multi_node(3), **content)
    assert isinstance(resolved.gang, Gang)
    main = make_run(4, request=resolved.request, zone=zone)
    return [
        build_main(make_job(), resolved, resolved.gang, make_environment(), 4, 2, zone),
        build_node(make_job(), resolved, resolved.gang, make_environment(), main, 2, "10.0.0.7"),
    ]


@pytest.mark.parametrize("zone", ["a", "", None])
def test_all_nodes_of_a_multi_node_job_are_kept_together(zone: str | None) -> None:
    for job in jobs(zone, zonePolicy="Single"):
        labels = job["spec"]["template"]["metadata"]["labels"]
        assert job["spec"]["template"]["spec"]["affinity"] == together(
            {"metadata": {"labels": labels}, "spec": {}}, zone
        )["spec"].get("affinity")
        assert (labels[names.RUN], labels[names.JOB_UID]) == ("4", make_job().uid)


def test_of_one_that_may_be_anywhere_they_say_nothing() -> None:
    for policy in ({}, {"zonePolicy": "Any"}):
        assert not any(pod_of(job).get("affinity") for job in jobs(None, **policy))


def test_the_others_find_the_first_and_the_first_finds_itself() -> None:
    """A pod that requires others of which there are none yet may be anywhere if it is such a one itself."""
    for job in jobs(None, zonePolicy="Single"):
        (term,) = pod_of(job)["affinity"]["podAffinity"][REQUIRED]
        wanted = term["labelSelector"]["matchLabels"]
        for other in jobs(None, zonePolicy="Single"):
            assert wanted.items() <= other["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize("zone", ["a", None])
def test_the_wish_for_a_node_stands_beside_it(zone: str | None) -> None:
    for job in jobs(zone, zonePolicy="Single"):
        affinity = pod_of(steered(job, ["host-1"]))["affinity"]
        assert affinity["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        assert (affinity["nodeAffinity"].get(REQUIRED) == {"nodeSelectorTerms": [IN_A]}) is (zone == "a")
        assert ("podAffinity" in affinity) is (zone is None)


def test_the_planner_reads_of_pods_in_a_zone_what_it_has_looked_for() -> None:
    resolved = make_resolved(**multi_node(3), zonePolicy="Single")
    for zone in ("a", ""):
        for job in jobs(zone, zonePolicy="Single"):
            pinned = constraints_of(pod_of(job))
            assert pinned == replace(resolved.pods[0].constraints, terms=pinned.terms, one_zone=False)
            assert pinned.terms[0].labels[0].key == ZONE


@pytest.mark.parametrize(("told", "zone"), [({names.ZONE: "a"}, "a"), ({names.ZONE: ""}, ""), ({}, None)])
def test_the_main_nodes_job_tells_the_zone(told: dict[str, str], zone: str | None) -> None:
    main, _ = jobs(zone, zonePolicy="Single")
    main["metadata"] |= {"uid": "run", "creationTimestamp": "2026-01-01T00:00:00Z"}
    main["metadata"]["annotations"] |= told
    found = read_run(main)
    assert isinstance(found, Run)
    assert found.zone == zone
    main["metadata"]["annotations"].pop(names.ZONE, None)
    assert read_run(main, found) == found, "what it was made with does not change"


def test_single_jobs_have_no_zone() -> None:
    job = build_job(make_job(), make_resolved(), make_environment(), 1, 1)
    job["metadata"] |= {"uid": "run", "creationTimestamp": "2026-01-01T00:00:00Z"}
    found = read_run(job)
    assert found is not None
    assert found.zone is None
    assert make_resolved().zone_policy is ZonePolicy.ANY
