"""`segue tail`: follow what happens to events, live."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
from redis import Redis

from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.log_options import log_filter_options
from segue_worker.cli.options import config_option, json_option, redis_option, times_option
from segue_worker.cli.output import emit, emit_json, moment, remark
from segue_worker.cli.store import choose, name_damaged, opened
from segue_worker.observing.destinations import known_destinations
from segue_worker.observing.log import LogPosition, end_of, follow, place_before
from segue_worker.observing.log_lines import OUTCOMES, LogFilter, lines
from segue_worker.printable import counted

BLOCK_MS: Final = 1000
_NAMED: Final = 10


@click.command(
    epilog="Examples: segue tail --outcome dead --outcome parked; segue tail --since 2h --status 5xx",
    short_help="Follow what happens to events, live.",
)
@click.option(
    "--destination", type=DESTINATION, metavar="NAME", help="Only at this destination; by default at every one."
)
@log_filter_options(OUTCOMES)
@times_option
@config_option
@redis_option
@json_option
def tail(*, destination: str | None, wanted: LogFilter, config: Path, redis_url: str, as_json: bool) -> None:
    """Print a line for each event as it is delivered, filtered, parked or given up, until Ctrl-C.

    With --since it begins with what the log has since then; with --until it ends there. Filters may be repeated: of each
    kind one must match. No personal data is shown; for more, see segue trace and segue dead show.
    """
    # Ctrl-C is the usual way to end it.
    with opened(redis_url) as redis, suppress(KeyboardInterrupt):
        known = known_destinations(redis, config)
        names = (choose(redis, known, destination),) if destination else known.names
        if not destination:
            name_damaged(known)
        if not names:
            remark("There is no destination yet: no worker has announced one, and no configuration names one")
            return
        position = end_of(redis, names) if wanted.since_ms is None else place_before(names, wanted.since_ms)
        remark(_following(names, ends=wanted.until_ms is not None))
        _follow(redis, position, wanted, as_json=as_json)


def _following(names: Sequence[str], *, ends: bool) -> str:
    """What is followed: destinations by name, as long as somebody may read that many; and how it ends, if not by itself."""
    named = ", ".join(names) if len(names) <= _NAMED else counted(len(names), "destination")
    return f"Following {named}{'' if ends else '; end with Ctrl-C'}"


def _follow(redis: "Redis", position: LogPosition, wanted: LogFilter, *, as_json: bool) -> None:
    while True:
        found, position = follow(redis, position, block_ms=BLOCK_MS)
        for name, logged in found:
            for line in lines(name, logged):
                if wanted.matches(line):
                    emit_json(line.to_dict()) if as_json else emit(line.text(moment(line.at, precise=True)))
        if not found and wanted.until_ms is not None and time.time() * 1000 > wanted.until_ms:
            return
