"""The pages say what the code does: tables are compared with it, examples are valid, links lead somewhere."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

import batchyard
from batchyard.api import names
from batchyard.api.kinds import KINDS
from batchyard.api.unsupported import UNSUPPORTED, refusals
from batchyard.api.validation import parse
from batchyard.core.lifecycle.transitions import TRANSITIONS
from batchyard.runtime.metrics import Metrics, gauges, node_metrics
from batchyard.runtime.process import settings
from unit.docs.tables import DOCS, ROOT, anchors, code, rows

TESTS = ROOT / "tests"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md")])


def test_every_field_that_is_refused_is_listed() -> None:
    listed = {(kind, code(field), instead) for kind, field, instead in rows("coming-from-aws-batch.md", "kind")}
    expected = {
        (row.kind, ".".join(row.path) + (f": {row.value}" if row.value else ""), row.remedy) for row in UNSUPPORTED
    }
    assert listed == expected


def test_every_way_from_state_to_state_is_documented() -> None:
    listed = [
        (code(before), code(after), when) for before, after, when in rows("concepts/states-and-reasons.md", "from")
    ]
    assert listed == [(before, after, when) for before, ways in TRANSITIONS.items() for after, when in ways.items()]


@cache
def names_of_tests(file: str) -> frozenset[str]:
    """The tests of a file below tests/; none if there is no such file."""
    path = TESTS / file
    tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(each.name for each in functions if each.name.startswith("test_"))


def assert_shown_by_tests(row: list[str]) -> None:
    """The last cell names one test or two that exist."""
    shown_by = row[-1].split(", ")
    assert 1 <= len(shown_by) <= 2, f"{row[0]}: one test or two, or a dash"
    for test in shown_by:
        file, _, name = code(test).partition("::")
        assert test == f"`{file}::{name}`", f"{row[0]}: write `file::test`, not {test}"
        assert name in names_of_tests(file), f"{row[0]}: there is no {name} in tests/{file}"


def test_all_behaviour_is_shown_by_tests_that_exist() -> None:
    behaviour = rows("coming-from-aws-batch.md", "subject")
    assert behaviour
    for row in behaviour:
        assert len(row) == 5, f"{row[0]}: the columns are subject, AWS Batch, Batchyard, difference, test"
        if row[-1] != "-":
            assert_shown_by_tests(row)


def test_all_that_can_go_wrong_is_shown_by_tests_that_exist() -> None:
    for row in rows("failure-modes.md", "what goes wrong"):
        assert len(row) == 4, f"{row[0]}: the columns are what goes wrong, Batchyard says, Batchyard does, test"
        assert_shown_by_tests(row)


def test_all_claims_of_security_are_shown_by_tests_that_exist() -> None:
    claims = rows("security.md", "claim")
    assert claims
    for row in claims:
        assert len(row) == 3, f"{row[0]}: the columns are claim, holds by, test"
        assert_shown_by_tests(row)


def test_the_readme_names_everything_that_is_refused() -> None:
    status = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Status\n")[2].partition("\n## ")[0]
    for row in UNSUPPORTED:
        subject = row.what.removesuffix(" are").removesuffix(" is").removeprefix("the scheduling policy ")
        assert subject.lower().replace("fairshare", "fair share") in status, f"README.md, Status: {subject}"


def test_every_metric_is_documented() -> None:
    metrics = Metrics()
    metrics.show(lambda: gauges(jobs={}, backlog=0, work=0, index_restarts=0, leader=True, used={}, capacity={}))
    metrics.show(lambda: node_metrics({}, 0.0))
    expected = {}
    for family in metrics.registry.collect():
        if family.name.startswith("batchyard_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            expected[name] = (family.type, family.documentation)
    documented = {code(name): (kind, means) for name, kind, _, means in rows("operations.md", "metric")}
    assert documented == expected


def test_every_option_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings.parse(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    table = {code(option): code(default) for option, default, _ in rows("operations.md", "option")}
    assert set(table) == options
    defaults = settings.Settings()
    for option in ("lease", "host", "port", "log_format", "log_level", "show_names"):
        assert table[f"--{option.replace('_', '-')}"] == str(getattr(defaults, option))
    assert table["--protected-namespaces"] == ",".join(defaults.protected_namespaces)
    assert float(table["--resync-seconds"]) == defaults.resync_seconds
    assert table["--namespace"].endswith(f"`{defaults.namespace}")


def test_every_label_is_documented() -> None:
    page = (DOCS / "operations.md").read_text(encoding="utf-8")
    keys = {value for name, value in vars(names).items() if name.isupper() and "/" in str(value)} - {names.API_VERSION}
    assert {key for key in keys if f"`{key}`" not in page} == set()


def test_every_permission_is_documented() -> None:
    chart = (ROOT / "helm" / "batchyard" / "templates" / "rbac.yaml").read_text(encoding="utf-8")
    rules = re.findall(r"resources: \[(.*)\]\n(?: *resourceNames: .*\n)? *verbs: \[(.*)\]", chart)
    documented = [
        (code(resources).replace("`", ""), verbs) for resources, verbs, _ in rows("operations.md", "resources")
    ]
    assert documented == rules


def test_every_role_for_people_is_documented() -> None:
    chart = (ROOT / "helm" / "batchyard" / "templates" / "userroles.yaml").read_text(encoding="utf-8")
    made = re.findall(
        r"\}\}-([a-z-]+)\n(?s:.*?)aggregate-to-([a-z]+):(?s:.*?)resources: \[(.*)\]\n *verbs: \[(.*)\]", chart
    )
    may = {"get, list, watch": "see", "create, update, patch, delete, deletecollection": "change"}
    roles = [
        [f"batchyard-{name}", " and ".join(each for verbs, each in may.items() if verbs in granted), resources, to]
        for name, to, resources, granted in made
    ]
    documented = [[each.replace("`", "") for each in row[:4]] for row in rows("operations.md", "role")]
    assert documented == roles


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_of_the_operator_exist(page: Path) -> None:
    """What stands in backticks like `core/scheduling/limits.py`, or `runtime/state`."""
    package, text = Path(batchyard.__file__).parent, page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:api|core|handlers|kube|objects|runtime|simulator)/[\w/]+(?:\.py)?)`", text)
    assert [path for path in named if not (package / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            found = page.parent / target if target else page
            assert found.exists(), f"{page.relative_to(ROOT)} links to {target}"
            assert not anchor or anchor in anchors(found), f"{page.relative_to(ROOT)} links to {target}#{anchor}"


def test_every_page_of_concepts_is_in_their_table() -> None:
    listed = {target for cell, _ in rows("concepts/README.md", "page") for target in re.findall(r"\]\((.*?)\)", cell)}
    assert listed == {page.name for page in (DOCS / "concepts").iterdir()} - {"README.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_in_pages_are_valid(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for document in yaml.safe_load_all(block):
            assert not refusals(document["kind"], document["spec"])
            whole = {**document, "metadata": {"namespace": "default", **document["metadata"]}}
            parse(KINDS[document["kind"]].model, whole)
