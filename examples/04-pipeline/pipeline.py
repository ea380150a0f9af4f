"""Three steps from a web server's log to a report; each is run as a job of its own.

Usage: pipeline.py preprocess | analyse | report | cleanup, with the log beside it. The environment variable TOLERANCE
is the share of its lines that may be broken.

What a step hands on is kept in a ConfigMap (see `handover`), so the example needs no storage.
"""

import json
import os
import re
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from handover import handover

LINE = re.compile(
    r"\S+ \[\d{4}-\d\d-\d\dT(?P<hour>\d\d):\d\d:\d\dZ\] "
    r'"GET (?P<path>\S+)" (?P<status>\d{3}) \d+ (?P<took>\d+)ms "(?P<agent>.*)"'
)


def preprocess():
    """Read the log; leave out broken lines and robots. Too many broken lines are a failure."""
    lines = Path(__file__).with_name("access.log").read_text().splitlines()
    parsed = [match.groupdict() for match in map(LINE.fullmatch, lines) if match]
    broken = len(lines) - len(parsed)
    print(f"{len(lines)} lines, {broken} of them broken")
    tolerance = float(os.environ["TOLERANCE"])
    if broken > tolerance * len(lines):
        sys.exit(f"more than {tolerance:.0%} of the lines are broken")
    visits = [
        {"hour": line["hour"], "path": line["path"], "failed": line["status"] >= "500", "took": int(line["took"])}
        for line in parsed
        if "bot" not in line["agent"].lower()
    ]
    print(f"{len(visits)} requests of people")
    handover({"visits": json.dumps(visits)})


def analyse():
    """Count requests and failures, and find the median time, by page and by hour."""
    groups = defaultdict(list)
    for visit in json.loads(handover()["visits"]):
        groups["page", visit["path"]].append(visit)
        groups["hour", visit["hour"]].append(visit)
    figures = [
        {
            "by": by,
            "of": of,
            "requests": len(visits),
            "failed": sum(visit["failed"] for visit in visits),
            "median": median(visit["took"] for visit in visits),
        }
        for (by, of), visits in sorted(groups.items())
    ]
    print(f"{len(figures)} figures")
    handover({"figures": json.dumps(figures)})


def report():
    """Print tables of the figures, and what to look into."""
    figures = json.loads(handover()["figures"])
    for by in ("hour", "page"):
        print(f"{by:<20}{'requests':>10}{'failed':>8}{'median ms':>11}")
        for each in figures:
            if each["by"] == by:
                print(f"{each['of']:<20}{each['requests']:>10}{each['failed']:>8}{each['median']:>11.1f}")
        print()
    worst = max((each for each in figures if each["by"] == "page"), key=lambda each: each["failed"] / each["requests"])
    print(f"Look into {worst['of']}: {worst['failed']} of {worst['requests']} requests failed.")


def cleanup():
    """Take away what the steps handed on."""
    handover({"visits": None, "figures": None})


if __name__ == "__main__":
    {"preprocess": preprocess, "analyse": analyse, "report": report, "cleanup": cleanup}[sys.argv[1]]()
