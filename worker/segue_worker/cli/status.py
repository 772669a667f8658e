"""`segue status`: what each destination is doing, and what it has done."""

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import emit_json, remark
from segue_worker.cli.store import known_destinations, opened
from segue_worker.pause import Pause
from segue_worker.status import Status, read_statuses, utc_text

EVERY_S: Final = 1.0
_WIDTH_OF_A_PIPE: Final = 100
_NOW: Final = ("pending", "due", "in_flight", "parked", "dead")
_SINCE: Final = ("delivered", "filtered", "duplicates", "merged", "requests", "retries", "rate_limited")


@click.command(
    epilog="Example: segue status --watch",
    short_help="Show what each destination is doing, and what it has done.",
)
@config_option
@redis_option
@json_option
@click.option("--watch", is_flag=True, help="Go on each second, until Ctrl-C; with --json, a line each second.")
def status(config: Path, *, redis_url: str, as_json: bool, watch: bool) -> None:
    """Show what each destination is doing now, and its counters since the start of data.

    pending counts events; due, in flight and parked count contacts; dead counts the dead letters kept; oldest is for
    how long the contact that waits longest has waited.
    """
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        if known.remark:
            remark(known.remark)
        if not known.names:
            remark("no destination is known: no worker has announced one yet")

        def read() -> dict[str, Status]:
            return read_statuses(redis, known.names)

        if watch:
            # Ctrl-C is how one ends it.
            with suppress(KeyboardInterrupt):
                _watch(read, as_json=as_json)
        elif as_json:
            emit_json(as_data(read()))
        else:
            _console().print(as_tables(read()))


def as_data(statuses: Mapping[str, Status]) -> dict[str, Any]:
    """The form that interfaces.md fixes."""
    return {"destinations": {name: each.to_dict() for name, each in statuses.items()}}


def as_tables(statuses: Mapping[str, Status]) -> RenderableType:
    """Two tables, at most 100 columns wide: what is now, and what has been."""
    now = _table("destination", *_NOW, "oldest", "paused")
    since = _table("destination", *_SINCE)
    for name, each in statuses.items():
        fields = each.to_dict()
        oldest = str(timedelta(seconds=int(each.oldest_pending_s)))
        now.add_row(name, *(f"{fields[column]:,}" for column in _NOW), oldest, "yes" if each.paused else "no")
        since.add_row(name, *(f"{fields[column]:,}" for column in _SINCE))
    pauses = [Text(f"{name} is paused {_explained(each.paused)}") for name, each in statuses.items() if each.paused]
    return Group(now, *pauses, Text(), since)


def _explained(pause: Pause) -> str:
    until = (
        "until segue resume"
        if pause.next_probe is None
        else f"until a probe succeeds, next {utc_text(pause.next_probe)}"
    )
    return f"since {utc_text(pause.since)}, {until}: {pause.reason}"


def _table(first: str, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right", overflow="fold")
    return table


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE)


def _watch(read: Callable[[], dict[str, Status]], *, as_json: bool) -> None:
    """Show the status each second, for ever."""
    if as_json or not sys.stdout.isatty():
        while True:
            emit_json(as_data(read())) if as_json else _console().print(as_tables(read()))
            time.sleep(EVERY_S)
    with Live(as_tables(read()), console=_console(), auto_refresh=False) as live:
        while True:
            time.sleep(EVERY_S)
            live.update(as_tables(read()), refresh=True)
