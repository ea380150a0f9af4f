"""What Karpenter's provider reads of faults, and what is done to machines that are taken."""

import json
from pathlib import Path

import pytest

from localcluster import __main__ as command_line
from localcluster import faults, karpenter
from localcluster.__main__ import main
from localcluster.errors import LocalClusterError
from localcluster.faults import Rule
from localcluster.state import ClusterState, cluster_dir, new_state

SPOT = Rule("insufficientCapacity", capacity_types=["spot"], message="none left", remembered=180)


@pytest.fixture
def state() -> ClusterState:
    return new_state("test", real=False, audit=False).replace(ready=True).save()


class Machines:
    """A cluster with Nodes that Karpenter made; what was done to it is in `calls`."""

    def __init__(self, *nodes: str) -> None:
        self.nodes = list(nodes)
        self.silent: list[str] = []
        self.calls: list[tuple[str, ...]] = []
        self.events: list[dict[str, object]] = []

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002
        match args:
            case ("get", "nodeclaims", *_):
                return json.dumps({"items": [self._claim(node) for node in self.nodes]})
            case ("get", "nodes", *_):
                return "".join(f"node/{node}\n" for node in self.nodes)
            case ("get", "node", name, "-o", "json"):
                return json.dumps(self._object("v1", "Node", name))
            case ("get", "node", name, *_):
                return f"node/{name}\n" if name in self.nodes else ""
            case ("create", *_):
                self.events.append(json.loads(input or ""))
            case _:
                self.calls.append(args)
        return ""

    def lose_node(self, name: str) -> None:
        self.silent.append(name)

    def _claim(self, node: str) -> dict[str, object]:
        return {**self._object("karpenter.sh/v1", "NodeClaim", f"claim-of-{node}"), "status": {"nodeName": node}}

    @staticmethod
    def _object(version: str, kind: str, name: str) -> dict[str, object]:
        metadata = {"name": name, "uid": f"uid-of-{name}", "resourceVersion": "7"}
        return {"apiVersion": version, "kind": kind, "metadata": metadata}


def test_a_rule_is_written_with_what_it_says_and_no_more(state: ClusterState) -> None:
    silent = Rule("unregistered", zones=("a",), instance_types=("m5.large",), node_classes=("default",))
    faults.refuse(state.dir, [SPOT, silent])
    assert json.loads(faults.faults_file(state.dir).read_text()) == {
        "refused": [
            {"kind": "insufficientCapacity", "capacityTypes": ["spot"], "message": "none left", "remembered": 180},
            {"kind": "unregistered", "zones": ["a"], "instanceTypes": ["m5.large"], "nodeClasses": ["default"]},
        ]
    }


def test_rules_replace_those_before_unless_they_are_added(state: ClusterState) -> None:
    faults.refuse(state.dir, [SPOT])
    faults.refuse(state.dir, [Rule("unavailable")])
    faults.add(state.dir, [Rule("launchFailed", reason="VcpuLimitExceeded")])
    assert faults.rules_of(state.dir) == [
        {"kind": "unavailable"},
        {"kind": "launchFailed", "reason": "VcpuLimitExceeded"},
    ]


def test_rules_hold_until_they_are_cleared(state: ClusterState) -> None:
    with pytest.raises(LocalClusterError, match="within"), faults.refused(state.dir, SPOT):
        fail_within(state.dir)
    assert faults.rules_of(state.dir) == []
    faults.clear(state.dir)


def fail_within(folder: Path) -> None:
    assert faults.rules_of(folder)
    raise LocalClusterError("within")


def test_a_fault_that_is_not_known_is_refused(state: ClusterState) -> None:
    with pytest.raises(LocalClusterError, match="there is no fault 'flood'; take one of insufficientCapacity, unavai"):
        faults.refuse(state.dir, [Rule("flood")])  # type: ignore[arg-type]
    assert faults.rules_of(state.dir) == []


def test_only_a_cluster_that_is_there_has_faults() -> None:
    with pytest.raises(LocalClusterError, match="cluster other is not running; start it with up --karpenter"):
        faults.refuse(cluster_dir("other"), [SPOT])


def test_karpenter_reads_the_file_that_is_written(state: ClusterState) -> None:
    settings = karpenter.environment(state, Path("/types.json"), metrics=20001, health=20002)
    assert settings["FAULTS_FILE_PATH"] == str(faults.faults_file(state.dir))


def test_the_go_program_knows_the_same_kinds_and_fields() -> None:
    text = (karpenter.PROGRAMS.module / "rules.go").read_text()
    every = Rule("unregistered", ("a",), ("a",), ("a",), ("a",), "a", "a", 1).document()
    assert len(every) == text.count("json:") - 1
    assert all(f'json:"{field}"' in text for field in every)
    assert all(f'"{kind}"' in text for kind in faults.KINDS)


def test_a_notice_is_recorded_and_has_the_claim_deleted() -> None:
    cluster = Machines("one", "two")
    faults.warn(cluster, ["two"])
    assert cluster.calls == [("delete", "nodeclaim", "claim-of-two", "--wait=false")]
    about = [(event["reason"], event["involvedObject"]) for event in cluster.events]
    claim = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "name": "claim-of-two",
        "uid": "uid-of-claim-of-two",
        "resourceVersion": "7",
    }
    assert about[0] == ("SpotInterrupted", claim)
    assert [reason for reason, _ in about] == ["SpotInterrupted"] * 2 + ["TerminatingOnInterruption"] * 2
    assert {(event["type"], str(event["source"])) for event in cluster.events} == {
        ("Warning", "{'component': 'karpenter'}")
    }


def test_a_machine_that_is_taken_is_not_drained() -> None:
    cluster = Machines("one")
    faults.take(cluster, ["one", "drained"])
    silence, unfinalized, deleted = cluster.calls
    assert silence[:2] == ("annotate", "pods")
    assert "--field-selector=spec.nodeName=one" in silence
    assert unfinalized[:3] == ("patch", "node", "one")
    assert json.loads(unfinalized[-1]) == {"metadata": {"finalizers": None}}
    assert deleted[:3] == ("delete", "node", "one")


def test_an_interruption_waits_as_long_as_its_notice_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, waited = Machines("one"), list[float]()
    monkeypatch.setattr("time.sleep", waited.append)
    faults.interrupt(cluster, ["one"], notice=7)
    assert waited == [7]
    assert [call[:2] for call in cluster.calls][0::3] == [("delete", "nodeclaim"), ("delete", "node")]


def test_only_nodes_that_karpenter_made_are_interrupted() -> None:
    with pytest.raises(LocalClusterError, match="node sim-0 was not made by Karpenter"):
        faults.interrupt(Machines("one"), ["sim-0"], notice=0)


def test_a_lost_zone_gets_no_machines_and_other_rules_stay(state: ClusterState) -> None:
    faults.refuse(state.dir, [SPOT])
    cluster = Machines("one", "two")
    assert faults.lose_zone(cluster, state.dir, "test-zone-a") == ["one", "two"]
    assert cluster.silent == ["one", "two"]
    assert faults.rules_of(state.dir)[1:] == [{"kind": "unavailable", "zones": ["test-zone-a"]}]


def test_machines_of_a_lost_zone_may_be_gone_at_once(state: ClusterState) -> None:
    cluster = Machines("one")
    faults.lose_zone(cluster, state.dir, "test-zone-a", gone=True)
    assert not cluster.silent
    assert cluster.calls[-1][:3] == ("delete", "node", "one")


def test_people_add_print_and_clear_rules(state: ClusterState, capsys: pytest.CaptureFixture[str]) -> None:
    named = ("faults", "--name", "test")
    zones = ("--zone", "a", "--zone", "b")
    assert main([*named, "--refuse", "insufficientCapacity", "--capacity-type", "spot", *zones]) == 0
    assert json.loads(capsys.readouterr().out) == faults.rules_of(state.dir)[0]
    assert faults.rules_of(state.dir)[0]["zones"] == ["a", "b"]
    assert main([*named, "--refuse", "launchFailed", "--reason", "Quota", "--message", "no more"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main([*named, "--clear"]) == 0
    assert capsys.readouterr().out == ""


def test_people_take_nodes(monkeypatch: pytest.MonkeyPatch, state: ClusterState) -> None:
    cluster = Machines("one")
    monkeypatch.setattr(command_line, "connect", lambda _: cluster)
    assert main(["interrupt", "--name", "test", "--notice", "0", "one"]) == 0
    assert main(["lose-zone", "--name", "test", "test-zone-a"]) == 0
    assert cluster.silent == ["one"]
    assert faults.rules_of(state.dir)
