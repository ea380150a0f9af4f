"""What the demo shows: a spinner and a table that change in place on a terminal, plain lines elsewhere and in CI."""

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table
from rich.text import Text

from .follow import Sighting

_COLOURS = {"Runnable": "yellow", "Starting": "cyan", "Running": "blue", "Succeeded": "green", "Failed": "red"}


def heading(console: Console, title: str) -> None:
    """Print the title of a step."""
    console.print()
    console.print(Text(title, style="bold"), soft_wrap=True)


def text(console: Console, content: str) -> None:
    """Print text as it is, however long its lines."""
    console.print(Text(content.rstrip()), soft_wrap=True)


@contextmanager
def progress(console: Console, *, live: bool) -> Iterator[Callable[[str], None]]:
    """Show what a long step is at: lines as they come and, on a terminal, the current one with the time so far.

    Indented lines are the step's heartbeat: a terminal shows only the latest of them.
    """
    if not live:
        yield lambda line: text(console, line)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("looking for the cluster, starting it if need be")

        def show(line: str) -> None:
            bar.update(task, description=line.strip())
            if not line.startswith(" "):
                text(console, line)

        yield show


@contextmanager
def lines(console: Console) -> Iterator[Callable[[Sighting], None]]:
    """Print a line for each change."""
    began = time.monotonic()

    def show(seen: Sighting) -> None:
        state = f"{seen.state or 'Submitted':<10} {seen.reason:<18}"
        text(console, f"{time.monotonic() - began:5.1f} s  {seen.name:<20} {state} {seen.message}")

    yield show


@contextmanager
def live_table(console: Console) -> Iterator[Callable[[Sighting], None]]:
    """Show a table with a row for each job, as it is now."""
    began = time.monotonic()
    rows: dict[str, tuple[Sighting, float]] = {}

    def render() -> Table:
        table = Table(Column("job", no_wrap=True), Column("state", min_width=9), expand=True)
        table.add_column("reason", min_width=17, no_wrap=True)
        table.add_column("since", min_width=6)
        table.add_column("message", ratio=1, no_wrap=True)
        for name, (seen, at) in sorted(rows.items()):
            state = Text(seen.state, style=_COLOURS.get(seen.state, ""))
            table.add_row(name, state, seen.reason, f"{at - began:.1f} s", seen.message)
        return table

    with Live(get_renderable=render, console=console, refresh_per_second=10):

        def show(seen: Sighting) -> None:
            rows[seen.name] = (seen, time.monotonic())

        yield show


def table(console: Console, comma_separated: str) -> None:
    """Show a CSV text, whose first line names the columns, as a table."""
    header, *rows = csv.reader(comma_separated.splitlines())
    shown = Table(*header)
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
