"""Utilisation and backlog over time as one picture: SVG, written directly, so that it needs no plotting library."""

from collections.abc import Sequence
from math import floor, log10
from xml.sax.saxutils import escape

from batchyard.simulator.measures import Timeline

_WIDTH, _LEFT, _RIGHT = 960, 78, 24
_TOP, _PANEL, _GAP, _BOTTOM = 56, 200, 52, 52
_HEIGHT = _TOP + 2 * _PANEL + _GAP + _BOTTOM
_BLUE, _ORANGE, _GREY, _DARK = "#2563a8", "#c2571a", "#d9d9d9", "#333333"
_STEPS = (60, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000)


def render(title: str, timeline: Timeline, vcpus: float) -> str:
    """The picture of a timeline; `vcpus` is what can be used at the same time."""
    used, waiting = [100 * each / vcpus for each in timeline.vcpus()], timeline.waiting()
    most = _round_up(max([*waiting, 4.0]))
    view = f"0 0 {_WIDTH} {_HEIGHT}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" viewBox="{view}">',
        f'<g font-family="sans-serif" font-size="13" fill="{_DARK}">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="22" font-size="16" font-weight="bold">{escape(title)}</text>',
        *_panel(_TOP, f"vCPUs in use, percent of {vcpus:,g}", used, 100.0, timeline, _BLUE),
        *_panel(_TOP + _PANEL + _GAP, "jobs waiting", waiting, most, timeline, _ORANGE),
        *_time_axis(timeline),
        "</g>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _panel(top: int, heading: str, values: Sequence[float], most: float, timeline: Timeline, colour: str) -> list[str]:
    bottom = top + _PANEL
    parts = [f'<text x="{_LEFT}" y="{top - 8}" fill="{colour}" font-weight="bold">{escape(heading)}</text>']
    for quarter in range(5):
        y = bottom - _PANEL * quarter / 4
        parts.append(f'<line x1="{_LEFT}" y1="{y:g}" x2="{_WIDTH - _RIGHT}" y2="{y:g}" stroke="{_GREY}"/>')
        label = f"{most * quarter / 4:,.10g}"
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:g}" text-anchor="end">{label}</text>')
    steps: list[str] = []
    for number, value in enumerate(values):
        y = bottom - _PANEL * value / most
        start = number * timeline.slice_seconds
        stop = min(start + timeline.slice_seconds, timeline.end)
        steps.extend(f"{_x(seconds, timeline):.1f},{y:.1f}" for seconds in (start, stop))
    if steps:
        ends = f"{_WIDTH - _RIGHT},{bottom} {_LEFT},{bottom}"
        parts.append(f'<polygon points="{" ".join(steps)} {ends}" fill="{colour}" fill-opacity="0.18"/>')
        parts.append(f'<polyline points="{" ".join(steps)}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
    return parts


def _time_axis(timeline: Timeline) -> list[str]:
    step = next((each for each in _STEPS if timeline.end / each <= 12), _STEPS[-1])
    unit, name = next((each for each in ((86_400, "days"), (3600, "hours")) if step >= each[0]), (60, "minutes"))
    y = _HEIGHT - _BOTTOM
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts = [f'<text x="{middle:g}" y="{y + 40}" text-anchor="middle">{name} since the first submission</text>']
    for number in range(floor(timeline.end / step) + 1):
        x = _x(number * step, timeline)
        parts.append(f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{y + 5}" stroke="{_DARK}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 20}" text-anchor="middle">{number * step / unit:g}</text>')
    return parts


def _x(seconds: float, timeline: Timeline) -> float:
    return _LEFT + (_WIDTH - _RIGHT - _LEFT) * seconds / max(timeline.end, 1.0)


def _round_up(value: float) -> float:
    """The next number whose quarters are round; from 4 on, so that they are whole."""
    power = 10.0 ** floor(log10(value))
    return next(rounded for factor in (1, 1.2, 1.6, 2, 2.4, 3, 4, 6, 8, 10, 12) if (rounded := factor * power) >= value)
