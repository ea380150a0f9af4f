"""Writes lublin.swf.gz, a trace with the statistics of real ones: `python3 make_lublin.py`.

Sizes and run times are drawn from the model that Uri Lublin and Dror Feitelson fitted to the batch jobs of three
supercomputers ("The workload on parallel supercomputers: modeling the characteristics of rigid jobs", Journal of
Parallel and Distributed Computing 63, 2003), for 128 processors. Jobs come as a Poisson process with a daily swing, at
a rate that asks for six tenths of the processors. Nobody says how long a job may run.
"""

import gzip
import math
import random
from pathlib import Path

JOBS = 4000
PROCESSORS = 128
LOAD = 0.6

SERIAL, POWERS_OF_TWO = 0.2927, 0.6686
"""Parts of the jobs that take one processor, and a larger power of two."""
LOW, MIDDLE, HIGH, BELOW_MIDDLE = 1.2, 5.0, 7.0, 0.875
"""Sizes of the others: a uniform exponent of two, with this probability between the first two bounds."""
SHORT, LONG = (6.57, 0.823), (639.1, 0.0156)
"""Run times: e to the power of one of two gamma distributions."""
SHORT_PART = (0.6986, -0.003)
"""The probability of the first: of one processor about, and how it changes with each."""
LONGEST = math.exp(12)


def main() -> None:
    """Write header and lines."""
    dice = random.Random(5)  # noqa: S311 - a made-up trace keeps no secrets
    jobs = [(size := processors(dice), seconds(dice, size)) for _ in range(JOBS)]
    rate = LOAD * PROCESSORS / (sum(size * ran for size, ran in jobs) / JOBS)
    now, lines = 0.0, []
    for number, (size, ran) in enumerate(jobs, start=1):
        now += dice.expovariate(rate * (1 - 0.8 * math.cos(2 * math.pi * now / 86_400)))
        fields = {1: number, 2: int(now), 4: ran, 5: size, 8: size, 11: 1}
        lines.append(" ".join(str(fields.get(at, -1)) for at in range(1, 19)))
    header = ["; Version: 2.2", "; Computer: made up", f"; MaxJobs: {JOBS}", f"; MaxProcs: {PROCESSORS}"]
    text = "\n".join([*header, "; Note: written by make_lublin.py; no real system ran these jobs", *lines, ""])
    Path("lublin.swf.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def processors(dice: random.Random) -> int:
    """How many processors a job takes."""
    if dice.random() < SERIAL:
        return 1
    low, high = (LOW, MIDDLE) if dice.random() < BELOW_MIDDLE else (MIDDLE, HIGH)
    exponent = dice.uniform(low, high)
    return 2 ** round(exponent) if dice.random() < POWERS_OF_TWO / (1 - SERIAL) else round(2**exponent)


def seconds(dice: random.Random, size: int) -> int:
    """How long a job of this size runs."""
    at_one, by_size = SHORT_PART
    shape, scale = SHORT if dice.random() < at_one + by_size * size else LONG
    return max(round(min(math.exp(dice.gammavariate(shape, scale)), LONGEST)), 1)


main()
