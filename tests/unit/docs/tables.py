"""The tables in the pages of docs/, read by tests that hold the pages and the code to each other."""

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
