"""The page holds every part and says of each target whether it was reached."""

from collections import Counter
from dataclasses import replace

from bench import report
from bench.mixed.observed import ALL, Figures, Waits
from bench.mixed.rounds import Round
from bench.mixed.tasks import SHAPES

WAITS = {name: Waits(1.0, 2.0) for name in (*(shape.name for shape in SHAPES), ALL)}
FIGURES = Figures(90.0, 0.6, 260, 0, 0.0, 0, 0, WAITS, 520)
WRITES = Counter({("batchyard-operator", "create", "jobs"): 100})
ROUND = report.Round(100, 10.0, 12.5, 1.0, WRITES, Counter())
ARRAY = report.Array(1000, [ROUND])


def reached(*batchyard: Figures) -> dict[str, bool]:
    mixture = [Round(replace(FIGURES, unschedulable=9), each) for each in batchyard]
    return {each.text: each.met for each in report.targets([ROUND], ARRAY, [ROUND], mixture, 10**6)}


def test_one_pod_of_batchyard_without_a_node_in_any_round_misses_the_target() -> None:
    text = "mixed workload: pods for which no node is found = 0"
    assert reached(FIGURES, FIGURES)[text]
    assert not reached(replace(FIGURES, unschedulable=1), FIGURES)[text]


def test_the_page_has_all_parts() -> None:
    page = report.render([ROUND], ARRAY, [ROUND], [Round(FIGURES, FIGURES)], 10**6, "v1")
    assert "An array of 1000 indexes" in page
    assert "## A mixed workload" in page
    assert "| batchyard-operator | create | jobs | 1.00 | 0.00 |" in page
    assert page.index("| to reach |") < page.index("## A mixed workload") < page.index("## Writes per job")
