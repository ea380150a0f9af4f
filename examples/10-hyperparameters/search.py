"""Which polynomial describes the measurements best: one combination of hyper-parameters for each index of an array.

Usage: search.py try | best, with measurements.csv beside it. `try` fits the curve to four fifths of the points and
measures its error on the last fifth, five times over; index 42 tries degree 3 with the fifth penalty. What it finds is
kept in a ConfigMap (see `handover`) under a key for each index, so the example needs no storage; `best` compares them.
"""

import csv
import os
import sys
from pathlib import Path

from handover import handover

DEGREES = range(1, 11)
PENALTIES = [10.0**-exponent for exponent in range(10)]
FOLDS = 5


def combination(index):
    """Return the degree and the penalty that an index stands for."""
    return DEGREES[index % len(DEGREES)], PENALTIES[index // len(DEGREES)]


def fit(points, degree, penalty):
    """Return the coefficients with the least squared error, large ones being penalised (ridge regression)."""
    rows = [[x**power for power in range(degree + 1)] for x, _ in points]
    matrix = [
        [sum(row[i] * row[j] for row in rows) + penalty * (i == j > 0) for j in range(degree + 1)]
        + [sum(row[i] * y for row, (_, y) in zip(rows, points, strict=True))]
        for i in range(degree + 1)
    ]
    for pivot, row in enumerate(matrix):  # the matrix is positive definite: no rows need to be swapped
        row[:] = [value / row[pivot] for value in row]
        for other in matrix:
            if other is not row:
                factor = other[pivot]
                other[:] = [mine - factor * its for mine, its in zip(other, row, strict=True)]
    return [row[-1] for row in matrix]


def error(points, degree, penalty):
    """Return the mean squared error on points that the curve was not fitted to."""
    total = 0.0
    for fold in range(FOLDS):
        known = [point for number, point in enumerate(points) if number % FOLDS != fold]
        curve = fit(known, degree, penalty)
        for x, y in points[fold::FOLDS]:
            total += (y - sum(factor * x**power for power, factor in enumerate(curve))) ** 2
    return total / len(points)


def measurements():
    """Read the points."""
    with Path(__file__).with_name("measurements.csv").open() as file:
        return [(float(row["time"]), float(row["height"])) for row in csv.DictReader(file)]


def try_one():
    """Try the combination of this index."""
    index = int(os.environ["AWS_BATCH_JOB_ARRAY_INDEX"])
    degree, penalty = combination(index)
    found = error(measurements(), degree, penalty)
    handover({f"{index}": repr(found)})
    print(f"degree {degree}, penalty {penalty:g}: error {found:.4f}")


def best():
    """Print the three best combinations."""
    found = sorted((float(text), int(index)) for index, text in handover().items())
    print(f"{len(found)} combinations, the best of them:")
    for measured, index in found[:3]:
        degree, penalty = combination(index)
        print(f"degree {degree}, penalty {penalty:g}: error {measured:.4f}")


if __name__ == "__main__":
    {"try": try_one, "best": best}[sys.argv[1]]()
