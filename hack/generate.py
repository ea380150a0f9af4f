"""Writes all generated files anew: `make generate`. They are committed; tests compare them with what this writes."""

import shutil
from pathlib import Path

from batchyard.api.generate import crds, reasons, reference

ROOT = Path(__file__).resolve().parents[1]
CRDS = ROOT / "crds"
CHART_CRDS = ROOT / "helm" / "batchyard" / "files" / "crds"
REFERENCE = ROOT / "docs" / "reference.md"
REASONS = ROOT / "docs" / "concepts" / "states-and-reasons.md"


def main() -> None:
    """Write the CRDs, their copies in the chart, the reference and the reasons; what is not generated any more goes."""
    for folder in (CRDS, CHART_CRDS):
        shutil.rmtree(folder, ignore_errors=True)
        crds.main(folder)
    REFERENCE.parent.mkdir(exist_ok=True)
    REFERENCE.write_text(reference.render(), encoding="utf-8")
    REASONS.write_text(reasons.render(REASONS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
