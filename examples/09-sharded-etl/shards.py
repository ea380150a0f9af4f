"""Bicycle rides in shards: each index of the arrays `clean` and `sum` has one, `report` puts them together.

Usage: shards.py clean | sum | report, with rides.csv beside it. What a step hands on is kept in a ConfigMap (see
`handover`) under a key for each shard, so the example needs no storage.
"""

import csv
import json
import os
import sys
from collections import Counter
from pathlib import Path

from handover import handover

INDEX = int(os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX", "0"))
SIZE = int(os.environ.get("AWS_BATCH_JOB_ARRAY_SIZE", "1"))


def clean():
    """Take every SIZE-th ride, from the INDEX-th on, and leave out those without a duration."""
    with Path(__file__).with_name("rides.csv").open() as file:
        rides = list(csv.DictReader(file))[INDEX::SIZE]
    good = [(ride["from"], int(ride["minutes"])) for ride in rides if ride["minutes"].isdecimal()]
    handover({f"clean-{INDEX}": json.dumps(good)})
    print(f"shard {INDEX} of {SIZE}: {len(good)} of {len(rides)} rides are good")


def add_up():
    """Add up the minutes of this shard by station."""
    minutes = Counter()
    for station, ridden in json.loads(handover()[f"clean-{INDEX}"]):
        minutes[station] += ridden
    handover({f"sum-{INDEX}": json.dumps(minutes)})
    print(f"shard {INDEX} of {SIZE}: {sum(minutes.values())} minutes")


def report():
    """Put the shards together."""
    minutes = Counter()
    for key, text in handover().items():
        if key.startswith("sum-"):
            minutes.update(json.loads(text))
    for station, ridden in minutes.most_common():
        print(f"{station:<12}{ridden:>6} min")


{"clean": clean, "sum": add_up, "report": report}[sys.argv[1]]()
