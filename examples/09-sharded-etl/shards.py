"""Bicycle rides in shards: each index of the arrays `clean` and `sum` has one, `report` puts them together.

Usage: shards.py clean | sum | report, with rides.csv beside it. What a step hands on is kept in the ConfigMap `shards`
under a key for each shard, so the example needs no storage. Real jobs put it into a volume or an object store.
"""

import csv
import json
import os
import ssl
import sys
from collections import Counter
from http import HTTPStatus
from http.client import HTTPSConnection
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
INDEX = int(os.environ.get("AWS_BATCH_JOB_ARRAY_INDEX", "0"))
SIZE = int(os.environ.get("AWS_BATCH_JOB_ARRAY_SIZE", "1"))


def shards(change=None):
    """Return what was handed on so far; with `change`, add that to it."""
    namespace = (ACCOUNT / "namespace").read_text()
    server = HTTPSConnection(
        os.environ["KUBERNETES_SERVICE_HOST"],
        int(os.environ["KUBERNETES_SERVICE_PORT"]),
        timeout=10,
        context=ssl.create_default_context(cafile=ACCOUNT / "ca.crt"),
    )
    server.request(
        "GET" if change is None else "PATCH",
        f"/api/v1/namespaces/{namespace}/configmaps/shards",
        body=None if change is None else json.dumps({"data": change}),
        headers={
            "Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}",
            "Content-Type": "application/merge-patch+json",
        },
    )
    answer = server.getresponse()
    if answer.status != HTTPStatus.OK:
        sys.exit(f"the ConfigMap shards cannot be used: {answer.status} {answer.reason}")
    return json.load(answer).get("data") or {}


def clean():
    """Take every SIZE-th ride, from the INDEX-th on, and leave out those without a duration."""
    with Path(__file__).with_name("rides.csv").open() as file:
        rides = list(csv.DictReader(file))[INDEX::SIZE]
    good = [(ride["from"], int(ride["minutes"])) for ride in rides if ride["minutes"].isdecimal()]
    shards({f"clean-{INDEX}": json.dumps(good)})
    print(f"shard {INDEX} of {SIZE}: {len(good)} of {len(rides)} rides are good")


def add_up():
    """Add up the minutes of this shard by station."""
    minutes = Counter()
    for station, ridden in json.loads(shards()[f"clean-{INDEX}"]):
        minutes[station] += ridden
    shards({f"sum-{INDEX}": json.dumps(minutes)})
    print(f"shard {INDEX} of {SIZE}: {sum(minutes.values())} minutes")


def report():
    """Put the shards together."""
    minutes = Counter()
    for key, text in shards().items():
        if key.startswith("sum-"):
            minutes.update(json.loads(text))
    for station, ridden in minutes.most_common():
        print(f"{station:<12}{ridden:>6} min")


{"clean": clean, "sum": add_up, "report": report}[sys.argv[1]]()
