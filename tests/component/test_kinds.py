"""Whatever kind the registry has: its objects are followed, get a status, and are missed when they go unseen."""

import pytest

from batchyard.api.kinds import KINDS
from batchyard.kube.resources import OWN
from fakes.cluster import Cluster, in_cluster

each_kind = pytest.mark.parametrize("kind", list(KINDS))


@each_kind
@in_cluster()
async def test_an_object_of_any_kind_is_taken_in_and_says_how_it_is(cluster: Cluster, kind: str) -> None:
    process = await cluster.start_operator()
    uid = cluster.put(kind, "it")["metadata"]["uid"]
    await cluster.pass_time(5)
    assert list(process.operator.cache.intakes[kind].uids().values()) == [uid]
    assert cluster.condition(kind, "it")[0] in {"True", "False"}
    assert process.writes(OWN[kind]) != []
    cluster.delete(kind, "it")
    await cluster.pass_time(1)
    assert process.operator.cache.intakes[kind].uids() == {}


@each_kind
@in_cluster(resync_seconds=60)
async def test_the_resync_finds_what_came_of_any_kind_and_what_went(cluster: Cluster, kind: str) -> None:
    process = await cluster.start_operator()
    process.deafen()
    uid = cluster.put(kind, "it")["metadata"]["uid"]
    await cluster.pass_time(10)
    uids = process.operator.cache.intakes[kind].uids
    assert uids() == {}
    await cluster.pass_time(60)
    assert list(uids().values()) == [uid]
    cluster.delete(kind, "it")
    await cluster.pass_time(70)
    assert uids() == {}
    assert process.stopped == []
