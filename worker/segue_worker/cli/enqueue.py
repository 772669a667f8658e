"""`segue enqueue`: put the events of a file into the outbox."""

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click
from redis import Redis
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from segue_producer import Producer
from segue_producer.keys import Keys
from segue_producer.lanes import LANE_NAMES, Lane
from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.group import CommandFailure, UsageFailure
from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import emit_json, remark
from segue_worker.cli.requests import show_preview
from segue_worker.cli.store import choose, name_damaged, opened
from segue_worker.config import Config
from segue_worker.observing.destinations import known_destinations
from segue_worker.observing.preview import preview, read_event
from segue_worker.observing.status import read_statuses
from segue_worker.operating.backfill import Backfill, ColumnsError, EventFile, FileRow
from segue_worker.printable import counted

_EXAMPLE = """\b
Example:
  segue enqueue people.csv --types age=number,vip=boolean,createdAt=date
  segue enqueue events.jsonl --destination loops --lane live
  segue enqueue orders.csv --type track --event "Order Completed" --dry-run
"""
_RENDERED: Final = 10
"""Events of which a dry run shows the requests."""


@click.command(epilog=_EXAMPLE, short_help="Put the events of a file into the outbox, behind live events.")
@config_option
@redis_option
@json_option
@click.option(
    "--destination",
    "destinations",
    multiple=True,
    type=DESTINATION,
    metavar="NAME",
    help="Destination of the events; may be repeated.",
)
@click.option(
    "--lane", type=click.Choice(LANE_NAMES), default="bulk", show_default=True, help="Bulk lets live events go first."
)
@click.option(
    "--type", "kind", type=click.Choice(("identify", "track")), help="Type of lines without one. [default: identify]"
)
@click.option("--event", metavar="NAME", help="Event name of track lines without one.")
@click.option("--types", "types", metavar="COLUMN=TYPE,…", help="Types of CSV columns: number, boolean, date or text.")
@click.option("--format", "form", type=click.Choice(("csv", "jsonl")), help="[default: csv for .csv files, else jsonl]")
@click.option("--from-start", is_flag=True, help="Do not go on where an earlier run of the file stopped.")
@click.option("--dry-run", is_flag=True, help="Check every line, show the first ten as requests, and enqueue nothing.")
@click.argument("file", type=click.File("rb"), metavar="FILE|-")
def enqueue(
    *, config: Path, redis_url: str, file: IO[bytes], destinations: tuple[str, ...], as_json: bool, **options: Any
) -> None:
    """Enqueue the events of FILE, or of stdin (-): JSON Lines, or CSV with a header.

    CSV has a row for each event. The columns userId, anonymousId, messageId, timestamp, event and type are fields of the
    event, email is one of its person, and every further column is a trait, or with --type track a property. An empty cell
    says nothing. A column is text unless its header ends with :number, :boolean or :date, or --types says so.

    A line without a messageId gets one from its content, so that running the file again has no second effect. A run that
    was interrupted goes on where it stopped if it is started again; what comes through a pipe begins at its beginning.

    Invalid lines are named on stderr, by the number an editor shows, and left out; the exit code is then 1.
    --json ends with {"lines", "enqueued", "invalid", "skipped"}.
    """
    _check_file(file)
    defaults = {"type": options["kind"] or "identify"} | ({"event": options["event"]} if options["event"] else {})
    form = options["form"] or ("csv" if str(file.name).lower().endswith(".csv") else "jsonl")
    try:
        events = EventFile(file, as_csv=form == "csv", defaults=defaults, types=_types(options["types"]))
        with opened(redis_url) as redis:
            known = known_destinations(redis, config)
            names = tuple(choose(redis, known, name) for name in destinations or (None,))
            if options["dry_run"]:
                _dry_run(events, known.config, names, as_json=as_json)
                return
            lane: Lane = options["lane"]
            with Producer(redis_url, names) as producer, _progress(file, events) as told:
                backfill = Backfill(producer, redis, names, lane, waits=told.waits, sleep=time.sleep)
                name = "" if options["from_start"] or not file.seekable() else os.path.realpath(file.name)
                try:
                    for wrong in backfill.enqueue(events, name=name, options=f"{defaults} {options['types']} {form}"):
                        told.went_on(backfill.totals.enqueued, wrong)
                except KeyboardInterrupt:
                    told.remark(f"Stopped at line {events.line:,}; run it again to go on there")
                    raise
            totals = backfill.totals
            if not as_json:
                _tell(redis, [name for name in names if name not in known.damaged], lane, totals.enqueued)
                name_damaged(known.only(names))
    except ColumnsError as error:
        raise UsageFailure(f"{file.name}: {error}") from None
    if as_json:
        emit_json(totals.to_dict())
    if totals.skipped:
        remark(
            f"The first {counted(totals.skipped, 'line')} had been enqueued before (--from-start enqueues them again)"
        )
    if totals.invalid:
        raise CommandFailure(f"{counted(totals.invalid, 'record')} of {file.name} were left out")


def _check_file(file: IO[bytes]) -> None:
    mode = os.fstat(file.fileno()).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or file.isatty()):
        raise UsageFailure(f"{file.name}: neither a file nor a pipe")


def _types(text: str | None) -> dict[str, str]:
    types = {}
    for part in (text or "").split(","):
        column, _, kind = part.strip().rpartition("=")
        if part.strip() and not column:
            raise UsageFailure(f"--types: {part.strip()!r} must be like age=number")
        if column:
            types[column] = kind
    return types


def _dry_run(events: EventFile, config: Config | None, names: Sequence[str], *, as_json: bool) -> None:
    """Check every line, and show what the first events become."""
    good = invalid = 0
    for record in events:
        if record.event is None:
            invalid += 1
            _name(record)
            continue
        good += 1
        if good <= _RENDERED and config is not None and not as_json:
            for name in names:
                if any(each.name == name for each in config.destinations):
                    click.secho(f"line {record.line}, {name}", bold=True)
                    show_preview(preview(read_event(record.event.json), config.destination(name).mappings))
    if as_json:
        emit_json({"lines": events.line, "enqueued": 0, "invalid": invalid, "skipped": 0})
    remark(f"{counted(good, 'event')} could be enqueued, {invalid:,} could not; nothing was")
    if invalid:
        raise click.exceptions.Exit(1)


def _name(record: FileRow) -> None:
    remark(f"line {record.line}: {record.wrong}")


def _tell(redis: Redis, names: Sequence[str], lane: Lane, enqueued: int) -> None:
    """Say what was enqueued, and how long its delivery takes if nothing else comes."""
    for name, status in read_statuses(redis, names).items():
        raw: Any = redis.hget(Keys(name).settings, "rate_limit")
        waiting, live = status.lanes[lane].pending, status.lanes["live"].pending if lane == "bulk" else 0
        behind = f" behind {live:,} live" if live else ""
        takes = f", about {_duration((waiting + live) / int(raw))} at {int(raw)}/s{behind}" if raw else ""
        remark(f"{name}: {counted(enqueued, 'event')} enqueued; {waiting:,} wait there in {lane}{takes}")


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


class _Told:
    """What is said while it goes on: a bar on a terminal, and a line for each record that is left out."""

    def __init__(self, progress: Progress, events: EventFile) -> None:
        self._progress = progress
        self._events = events
        self._began = time.monotonic()

    def went_on(self, enqueued: int, wrong: Sequence[FileRow]) -> None:
        """A batch is done."""
        for record in wrong:
            self.remark(f"line {record.line}: {record.wrong}")
        rate = enqueued / max(0.001, time.monotonic() - self._began)
        self._progress.update(
            self._progress.task_ids[0],
            completed=self._events.offset,
            said=f"{counted(enqueued, 'event')}, {rate:,.0f}/s",
        )

    def waits(self, why: str) -> None:
        """The outbox is full."""
        self._progress.update(self._progress.task_ids[0], said="waiting: the outbox is full")
        if not self._progress.live.is_started or not self._progress.console.is_terminal:
            remark(f"waiting for room: {why.partition(';')[0]}")

    def remark(self, text: str) -> None:
        """Print a line above the bar."""
        if self._progress.console.is_terminal:
            self._progress.console.print(text, markup=False, highlight=False)
        else:
            remark(text)


@contextmanager
def _progress(file: IO[bytes], events: EventFile) -> Iterator[_Told]:
    mode = os.fstat(file.fileno())
    size = mode.st_size if stat.S_ISREG(mode.st_mode) else None
    console = Console(stderr=True)
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        progress.add_task("", total=size, said="")
        yield _Told(progress, events)
