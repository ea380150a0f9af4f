"""The tables and anchors of the pages of docs/, read by tests that hold the pages and the code to each other."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"


def rows(page: str, first_heading: str) -> list[list[str]]:
    """The cells of every table with that heading in its first column."""
    found: list[list[str]] = []
    inside = False
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|-"):
            found.append(cells)
        elif cells[0] == first_heading:
            inside = True
    return found


def code(cell: str) -> str:
    return cell.strip("`")


@cache
def anchors(page: Path) -> frozenset[str]:
    """What a link to a page may have behind its `#`: its headings, as GitHub makes anchors of them, and its ids."""
    text = page.read_text(encoding="utf-8")
    found = set(re.findall(r'<a id="([^"]+)"', text))
    prose = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ (.*)$", prose, re.MULTILINE):
        anchor = base = re.sub(r"[^\w\- ]", "", re.sub(r"<[^>]*>", "", heading).lower()).strip().replace(" ", "-")
        count = 0
        while anchor in found:
            count += 1
            anchor = f"{base}-{count}"
        found.add(anchor)
    return frozenset(found)
