"""`segue dead groups`: dead letters by cause."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.dead_options import cause_options
from segue_worker.cli.options import config_option, json_option, redis_option, times_option
from segue_worker.cli.output import emit_json, emit_table, moment, remark
from segue_worker.cli.store import choose, opened
from segue_worker.observing.destinations import known_destinations
from segue_worker.observing.status import utc_text
from segue_worker.operating.dead_letters import Filter, LetterIndex, LettersOfCause, grouped

COLUMNS: Final = ("group", "letters", "last day", "last", "what was wrong")


@click.command(
    short_help="Group dead letters by cause, without personal data.",
    epilog="Example: segue dead groups loops --since 1d; then segue dead replay loops --group 97c88731",
)
@click.argument("destination", required=False, type=DESTINATION)
@cause_options
@times_option
@config_option
@redis_option
@json_option
def groups(destination: str | None, *, wanted: Filter, config: Path, redis_url: str, as_json: bool) -> None:
    """Show the dead letters of DESTINATION by what was wrong, mapping, event and status, the most frequent cause first.

    It may be left out where there is only one destination. With --json, per_hour counts the last 24 hours, the current one
    last. Other commands take such a group by --group.
    """
    with opened(redis_url) as redis:
        name = choose(redis, known_destinations(redis, config), destination)
        found = grouped(LetterIndex().read(redis, name).matching(wanted))
    now_ms = time.time() * 1000
    if as_json:
        emit_json([_summary(group, name, now_ms) for group in found])
    elif found:
        emit_table(COLUMNS, (_row(group, now_ms) for group in found), numbers=["letters", "last day"])
    else:
        remark(f"{name}: no dead letter matches" if wanted != Filter() else f"{name}: there are no dead letters")


def _row(group: LettersOfCause, now_ms: float) -> Sequence[object]:
    """The group as a line of a table, under `COLUMNS`."""
    cause = group.cause
    kind = ", ".join(filter(None, (f"{cause.reason} {cause.status or ''}".strip(), *cause.mappings, *cause.events)))
    times = f"first {moment(group.times[0])}, for example {group.ids[-1]}"
    last = moment(group.times[-1])
    return cause.id, f"{len(group.ids):,}", f"{sum(group.per_hour(now_ms)):,}", last, f"{kind}: {cause.said}; {times}"


def _summary(group: LettersOfCause, destination: str, now_ms: float) -> dict[str, Any]:
    """The group in `dead groups --json`."""
    return {
        "group": group.cause.id,
        "destination": destination,
        "reason": group.cause.reason,
        "detail": group.cause.said,
        "status": group.cause.status or None,
        "mappings": group.cause.mappings,
        "events": group.cause.events,
        "count": len(group.ids),
        "per_hour": group.per_hour(now_ms),
        "first": utc_text(int(group.times[0])),
        "last": utc_text(int(group.times[-1])),
        "example": group.ids[-1],
    }
