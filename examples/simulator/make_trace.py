"""Writes trace.swf, a made-up trace in the Standard Workload Format: `python3 make_trace.py > trace.swf`.

Twelve users, a few of whom submit most of the jobs; sizes are powers of two; days are busier than nights; one job in
thirty is cancelled before it runs, and what is not known is -1, as in real traces.
"""

import math
import random

JOBS = 1500
USERS = 12
QUEUES = {0: "interactive", 1: "batch"}


def main() -> None:
    """Print header and lines."""
    print("; Version: 2.2")
    print("; Computer: made up, 8 nodes of 16 processors")
    print(f"; MaxJobs: {JOBS}")
    print("; MaxProcs: 128")
    for number, name in QUEUES.items():
        print(f"; Queue: {number} {name}")
    print("; Note: written by make_trace.py; no real system ran these jobs")
    dice = random.Random(42)  # noqa: S311 - a made-up trace keeps no secrets
    now = 0.0
    for number in range(1, JOBS + 1):
        hour = now / 3600 % 24
        now += dice.expovariate((1.05 - math.cos(2 * math.pi * hour / 24)) / 400)
        print(line(dice, number, int(now)))


def line(dice: random.Random, number: int, submitted_at: int) -> str:
    """Print one job, by the numbers of the format's fields."""
    user = min(int(dice.paretovariate(0.9)), USERS)
    interactive = dice.random() < 0.3
    processors = 2 ** (dice.randrange(3) if interactive else min(int(dice.paretovariate(0.8)), 6))
    seconds = round(dice.lognormvariate(math.log(120 if interactive else 1500), 1.0)) + 1
    cancelled = dice.random() < 1 / 30
    kibibytes = dice.choice([-1, 524288, 1048576, 2097152])
    fields = {
        1: number,
        2: submitted_at,
        4: -1 if cancelled else seconds,
        5: -1 if cancelled else processors,
        8: processors,
        9: 900 if interactive else 14400,
        10: kibibytes,
        11: 5 if cancelled else 1,
        12: user,
        13: 1 + user % 3,
        15: 0 if interactive else 1,
    }
    return " ".join(str(fields.get(at, -1)) for at in range(1, 19))


main()
