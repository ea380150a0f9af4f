"""What the ETL example must come to: the same program on the same readings, run on this machine."""

import subprocess
import sys
import tempfile
from pathlib import Path

from .errors import DemoError

EXAMPLE = Path(__file__).parents[2] / "examples" / "02-etl"
UNITS = {"weather": "celsius", "weather-fahrenheit": "fahrenheit"}
"""The example's BatchJobs, and the unit that each is to use."""

_HEADER = "station,month,"


def table_in(log: str) -> str:
    """The part of a log that is the table."""
    _, header, rest = log.partition(_HEADER)
    return header + rest


def expected(unit: str) -> str:
    """The table in one unit."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.csv"
        command = [sys.executable, str(EXAMPLE / "etl.py"), str(EXAMPLE / "readings.csv"), str(result), unit]
        subprocess.run(command, check=True, capture_output=True)
        return result.read_text()


def check(job: str, table: str) -> None:
    """Compare a job's table with the expected one, line by line."""
    wanted, found = expected(UNITS[job]).splitlines(), table.splitlines()
    for number, line in enumerate(wanted):
        got = found[number] if number < len(found) else "nothing"
        if got != line:
            raise DemoError(f"the result of job {job} is wrong: line {number + 1} should be {line}, and is {got}")
    if len(found) > len(wanted):
        raise DemoError(f"the result of job {job} is wrong: {len(found)} lines instead of {len(wanted)}")
