"""The section says on both sides of each round what was measured, in tables whose rows are as wide as their heads."""

from bench.mixed.observed import ALL, Figures, Waits
from bench.mixed.rounds import Round
from bench.mixed.section import section
from bench.mixed.tasks import SHAPES

WAITS = {name: Waits(1.25, 7.5) for name in (*(shape.name for shape in SHAPES), ALL)}
BARE = Figures(90.0, 0.61, 260, 40, 812.4, 0, 0, WAITS, 1300)
OURS = Figures(80.0, 0.72, 261, 0, 0.0, 3, 1, WAITS, 522)


def test_each_side_of_each_round_has_a_row() -> None:
    lines = section([Round(BARE, OURS), Round(BARE, OURS)])
    assert "| 1 | bare Jobs | 90.0 | 61% | 40 of 260 | 812 | 0 | 0 | 5.00 |" in lines
    assert "| 2 | Batchyard | 80.0 | 72% | 0 of 261 | 0 | 3 | 1 | 2.00 |" in lines
    assert f"| 1 | bare Jobs |{' 1.2 (7.5) |' * (len(SHAPES) + 1)}" in lines


def test_rows_are_as_wide_as_their_heads() -> None:
    width = 0
    for line in section([Round(BARE, OURS)]):
        columns = line.count("|")
        assert not width or not columns or columns == width, line
        width = columns


def test_the_page_gives_the_workload() -> None:
    text = "\n".join(section([Round(BARE, OURS)]))
    for shape in SHAPES:
        assert f"| {shape.name} | {shape.cpu_milli / 1000:g} | {shape.memory_mib / 1024:g} |" in text
