"""`segue status`: the state, speed and counters of each destination."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Self

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.fitting import terminal_width
from segue_worker.cli.options import config_option, json_option, redis_option, times_option
from segue_worker.cli.output import emit_json, moment, remark, show
from segue_worker.cli.store import choose, name_damaged, opened
from segue_worker.cli.tables import table
from segue_worker.observing.destinations import (
    KnownDestinations,
    known_beside,
    known_destinations,
    orphan_text,
)
from segue_worker.observing.health import swept_s_ago
from segue_worker.observing.metrics.speed import Speed, read_speeds
from segue_worker.observing.orphaned_mappings import gone_mappings
from segue_worker.observing.problems import DestinationProblem, find_problems
from segue_worker.observing.status import Status, read_statuses
from segue_worker.outbox.pause import Pause
from segue_worker.printable import counted, visible

EVERY_S: Final = 1.0
_WIDTH_OF_A_PIPE: Final = 100
_SECOND_MS: Final = 1000
_MINUTE_MS: Final = 60_000
_NOW: Final = ("pending", "due", "in_flight", "parked", "dead")
_SPEED: Final = ("requests_per_s", "rate_limit", "delivery_p50", "delivery_p95", "request_p50", "request_p95")
SINCE: Final = ("delivered", "filtered", "duplicates", "merged", "requests", "retries", "rate_limited")


@click.command(
    epilog="Examples: segue status --watch; segue status --problems",
    short_help="Show the state, speed and counters of each destination.",
)
@click.argument("names", metavar="[DESTINATION]...", nargs=-1, type=DESTINATION)
@times_option
@config_option
@redis_option
@json_option
@click.option(
    "--problems",
    "only_problems",
    is_flag=True,
    help="Show only destinations that are orphaned, paused, stalled, nearly full or have dead letters, the worst first.",
)
@click.option(
    "--watch", is_flag=True, help="Show it anew each second, until Ctrl-C; with --json, print a line each second."
)
def status(  # noqa: PLR0913 - its options
    names: tuple[str, ...], *, config: Path, redis_url: str, as_json: bool, watch: bool, only_problems: bool
) -> None:
    """Show the state of each DESTINATION, or of all, how fast it delivers, and its counters of all time.

    pending counts events that wait. due, in flight and parked count contacts: those that wait for their turn, those that
    are being delivered, and those that wait for a retry. dead counts the dead letters that are kept. oldest is how long
    the longest waiting contact has waited. in bulk counts the pending events that go behind all others, and empty in is
    how long all take at the limit, if nothing else comes. The second table covers the last one to two minutes (with --watch, requests
    per second cover the last second): requests per second and the limit, and the median and 95th percentile of the time
    from enqueueing to delivery and of the duration of a request. Exits with 1 if a destination cannot be shown, because what
    Redis holds of it is damaged.
    """
    with opened(redis_url) as redis:
        first = known_destinations(redis, config)
        if first.remark:
            remark(first.remark)
        if not first.names and not first.damaged:
            remark("There is no destination yet: no worker has announced one, and no configuration names one")
        chosen = tuple(dict.fromkeys(choose(redis, first, name) for name in names))

        def read() -> StatusReading:
            known = known_beside(redis, first.config)
            known = known.only(chosen) if chosen else known
            statuses = read_statuses(redis, known.names)
            problems = find_problems(redis, known, statuses)
            if only_problems:
                statuses = {name: statuses[name] for name in problems}
            shown, speeds = known.only({**statuses, **known.damaged}), read_speeds(redis, tuple(statuses))
            return StatusReading(statuses, speeds, shown, swept_s_ago(redis), gone_mappings(redis, known), problems)

        if watch:
            # Ctrl-C is the usual way to end it.
            with suppress(KeyboardInterrupt):
                _watch(read, as_json=as_json)
            return
        reading = read()
        if as_json:
            emit_json(as_data(reading))
            name_damaged(reading.known)
        elif reading.statuses or reading.known.damaged or not only_problems:
            show(as_tables(reading, terminal_width()))
        else:
            remark("No destination has a problem")
        if reading.known.damaged:
            raise click.exceptions.Exit(1)


@dataclass(frozen=True, slots=True)
class StatusReading:
    """What is shown at one time.

    Attributes:
        statuses: of each destination.
        speeds: of each destination.
        known: which destinations and workers there are.
        swept_s_ago: seconds since the last sweep, or None where there never was one.
        gone: destination → mappings that are gone and still have something (`orphaned_mappings`).
        problems: destination → its problems.
    """

    statuses: Mapping[str, Status]
    speeds: Mapping[str, Speed]
    known: KnownDestinations
    swept_s_ago: float | None
    gone: Mapping[str, Mapping[str, Mapping[str, int]]]
    problems: Mapping[str, Sequence[DestinationProblem]]

    def since(self, earlier: Self, seconds: float) -> Self:
        """The same, with the requests per second counted from an earlier reading."""
        speeds = {
            name: replace(speed, requests_per_s=max(0, self._requests(name) - earlier._requests(name)) / seconds)
            for name, speed in self.speeds.items()
            if name in earlier.statuses
        }
        return replace(self, speeds={**self.speeds, **speeds})

    def _requests(self, name: str) -> int:
        return self.statuses[name].counters.get("requests", 0)


def as_data(reading: StatusReading) -> dict[str, Any]:
    """Status and speed as other programs read them; the names must stay as they are."""
    return {
        "destinations": {
            name: {
                **each.to_dict(),
                **reading.speeds[name].to_dict(),
                "drain_s": each.drain_s(reading.speeds[name].rate_limit),
                "orphaned": name in reading.known.orphaned,
                "orphaned_mappings": reading.gone.get(name, {}),
                "problems": [text for _, text in reading.problems.get(name, ())],
            }
            for name, each in reading.statuses.items()
        },
        "damaged": reading.known.damaged,
        "workers": reading.known.workers.to_dict(),
        "swept_s_ago": reading.swept_s_ago,
    }


def as_tables(reading: StatusReading, width: int | None = None) -> RenderableType:
    """Three tables, in `width` columns: state, speed, and counters."""
    now: list[Sequence[str]] = []
    speed: list[Sequence[str]] = []
    since: list[Sequence[str]] = []
    for name, each in reading.statuses.items():
        fields = each.to_dict()
        oldest = str(timedelta(seconds=int(each.oldest_pending_s)))
        drained = max(filter(None, each.drain_s(reading.speeds[name].rate_limit).values()), default=None)
        lanes = (f"{each.lanes['bulk'].pending:,}", _duration(None if drained is None else 1000 * drained))
        now.append((name, *(f"{fields[column]:,}" for column in _NOW), oldest, *lanes, "yes" if each.paused else "no"))
        speed.append((name, *_speed_cells(reading.speeds[name])))
        since.append((name, *(f"{fields[column]:,}" for column in SINCE)))
    paused = ((name, each.paused) for name, each in reading.statuses.items() if each.paused)
    pauses = [Text(visible(f"{name} is paused {_explained(pause)}")) for name, pause in paused]
    known = reading.known
    remarks = [*known.damaged.values(), *map(orphan_text, sorted(known.orphaned)), known.workers.outdated(known.config)]
    remarks += [
        f"{name} is not enabled in the configuration: it takes events and sends none"
        for name in reading.statuses
        if name in known.disabled
    ]
    remarks += [
        f"{name} has no mapping {mapping!r} any more, but {counted(held['parked'], 'parked request')} and "
        f"{counted(held['dead'], 'dead letter')} of it"
        for name, mappings in reading.gone.items()
        for mapping, held in mappings.items()
    ]
    problems = (each for name in reading.statuses for each in reading.problems.get(name, ()))
    remarks += [text for kind, text in problems if kind in {"stalled", "nearly full"}]
    lines = [Text(visible(each)) for each in remarks if each]
    tables = (
        _table((*_NOW, "oldest", "in_bulk", "empty_in", "paused"), now, width),
        _table(_SPEED, speed, width),
        _table(SINCE, since, width),
    )
    return Group(tables[0], *pauses, *lines, Text(), tables[1], Text(), tables[2])


def _speed_cells(speed: Speed) -> list[str]:
    fields = speed.to_dict()
    limit = "-" if speed.rate_limit is None else f"{speed.rate_limit:,}"
    return [f"{speed.requests_per_s:,.1f}", limit, *(_duration(fields[f"{column}_ms"]) for column in _SPEED[2:])]


def _duration(ms: float | None) -> str:
    if ms is None:
        return "-"
    if ms < _MINUTE_MS:
        return f"{ms:.0f} ms" if ms < _SECOND_MS else f"{ms / _SECOND_MS:.0f} s"
    return str(timedelta(seconds=round(ms / _SECOND_MS)))


def _explained(pause: Pause) -> str:
    until = "until segue resume"
    if pause.until is not None:
        until = f"until {moment(pause.until)}"
    elif pause.next_probe is not None:
        until = f"until a probe succeeds, next {moment(pause.next_probe)}"
    return f"since {moment(pause.since)}, {until}: {pause.reason}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> Text:
    headings = [column.replace("_", " ") for column in columns]
    return table(("destination", *headings), rows, numbers=headings, width=width)


def _watch(read: Callable[[], StatusReading], *, as_json: bool) -> None:
    """Show the status each second, until interrupted."""
    # What cannot be steered is not written over: a dumb terminal would show nothing until the end.
    if as_json or not sys.stdout.isatty() or Console().is_dumb_terminal:
        for reading in _each_second(read):
            emit_json(as_data(reading)) if as_json else show(as_tables(reading))
    with Live(auto_refresh=False) as live:
        for reading in _each_second(read):
            live.update(as_tables(reading, live.console.width), refresh=True)


def _each_second(read: Callable[[], StatusReading]) -> Iterator[StatusReading]:
    began, earlier = time.monotonic(), read()
    yield earlier
    while True:
        time.sleep(EVERY_S)
        now, reading = time.monotonic(), read()
        yield reading.since(earlier, max(now - began, EVERY_S / 2))
        began, earlier = now, reading
