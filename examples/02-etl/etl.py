"""Monthly weather by station, from daily readings: extract, transform, load. Run in the container of the example.

Usage: etl.py READINGS RESULT UNIT, where UNIT is celsius or fahrenheit.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

UNITS = {"celsius": ("c", lambda celsius: celsius), "fahrenheit": ("f", lambda celsius: celsius * 9 / 5 + 32)}
BROKEN_SENSOR = -99.9
MOST_UNUSABLE = 0.05


def extract(path):
    """Return the usable rows of the file and how many there were in all."""
    with Path(path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    usable = []
    for row in rows:
        try:
            low, high, rain = (float(row[name]) for name in ("min_c", "max_c", "rain_mm"))
        except ValueError:
            continue  # a field was left empty
        if BROKEN_SENSOR not in (low, high) and low <= high:
            usable.append((row["station"], row["date"][:7], low, high, rain))
    return usable, len(rows)


def transform(rows, convert):
    """Yield one line per station and month: days, mean, lowest, highest, rain, days with frost."""
    months = defaultdict(list)
    for station, month, low, high, rain in rows:
        months[station, month].append((low, high, rain))
    for (station, month), days in sorted(months.items()):
        lows, highs, rains = zip(*days, strict=True)
        mean = sum(lows + highs) / (2 * len(days))
        temperatures = (f"{convert(value):.1f}" for value in (mean, min(lows), max(highs)))
        yield station, month, len(days), *temperatures, f"{sum(rains):.1f}", sum(low < 0 for low in lows)


def load(lines, suffix, path):
    """Write the result, and show it."""
    header = (
        "station",
        "month",
        "days",
        *(f"{name}_{suffix}" for name in ("mean", "min", "max")),
        "rain_mm",
        "frost_days",
    )
    text = "".join(",".join(map(str, line)) + "\n" for line in (header, *lines))
    Path(path).write_text(text)
    sys.stdout.write(text)


def main():
    """Run the three steps; ends with exit code 1 when too little of the input can be used."""
    readings, result, unit = sys.argv[1:]
    suffix, convert = UNITS[unit]
    rows, total = extract(readings)
    print(f"{total} readings, {total - len(rows)} of them unusable")
    if total - len(rows) > MOST_UNUSABLE * total:
        sys.exit(f"more than {MOST_UNUSABLE:.0%} of the readings are unusable")
    load(transform(rows, convert), suffix, result)


if __name__ == "__main__":
    main()
