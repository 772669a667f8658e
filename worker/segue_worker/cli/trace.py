"""`segue trace`: show what happened to one event, or to all of a person."""

from pathlib import Path
from typing import Any, get_args

import click
import orjson
from redis import Redis

from segue_worker.cli.completion import DESTINATION
from segue_worker.cli.group import CommandFailure
from segue_worker.cli.log_options import log_filter_options
from segue_worker.cli.options import config_option, json_option, redis_option, times_option
from segue_worker.cli.output import emit, emit_json_text, moment, moment_of, remark
from segue_worker.cli.store import choose, name_damaged, opened
from segue_worker.masking import mask_text
from segue_worker.observing.destinations import former_names, known_destinations
from segue_worker.observing.log_lines import LogFilter
from segue_worker.observing.timeline import read_timeline
from segue_worker.observing.trace import read_trails
from segue_worker.observing.trail import EventState, Trail
from segue_worker.observing.wording import describe
from segue_worker.printable import visible


@click.command(
    epilog="Examples: segue trace 0b6f2c9e-7d0f-4a51-8d5c-2f5b1f6f3c11; segue trace --contact ada@example.com",
    short_help="Show what happened to an event, or to all of a person.",
)
@click.argument("message_id", required=False)
@click.option(
    "--contact", metavar="ID", help="A userId, email or anonymousId in any spelling: the person's recent events."
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="With --contact: at most so many."
)
@log_filter_options(get_args(EventState))
@click.option(
    "--destination", type=DESTINATION, metavar="NAME", help="Only at this destination; by default at every one."
)
@click.option("--reveal", is_flag=True, help="Show email addresses instead of masking them.")
@times_option
@config_option
@redis_option
@json_option
def trace(  # noqa: PLR0913 - one parameter per option is click's shape
    message_id: str | None,
    *,
    contact: str | None,
    limit: int,
    wanted: LogFilter,
    destination: str | None,
    reveal: bool,
    config: Path,
    redis_url: str,
    as_json: bool,
) -> None:
    """Show what happened to the event MESSAGE_ID: when it was enqueued, each attempt with its answer, and how it ended.

    With --contact: the same of each recent event of a person, newest first, filtered by the outcome, and by what one of its
    steps says. Events that name the id lead to the others of
    the same contact. The log reaches back about 100,000 requests for each destination. Exits with 1 if nothing is known,
    or if a destination is damaged and could not be asked.
    """
    if (message_id is None) == (not (contact or "").strip()):
        raise click.UsageError("give either a MESSAGE_ID, or --contact with a userId, an email or an anonymousId")
    if contact is None and wanted != LogFilter():
        raise click.UsageError("filters choose among the events of a --contact")
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        names = (choose(redis, known, destination),) if destination else known.names
        incomplete = not destination and name_damaged(known)
        standstills = {name: known.standstill(name) for name in (*former_names(redis, names), *names)}
        if contact is not None:
            trails, _, whole = read_timeline(redis, standstills, contact, most=limit, wanted=wanted, reveal=reveal)
        else:
            trails, whole = _of_event(redis, standstills, message_id or "", reveal=reveal), True
    shown = str if reveal else mask_text
    if as_json:
        emit_json_text(shown(orjson.dumps([trail.to_dict() for trail in trails]).decode()).encode())
    if not whole:
        remark("The logs are long: only the newest entries of each were read; --destination reads all of one")
    if not trails:
        where = f"at {destination}" if destination else "at any destination"
        if wanted != LogFilter():
            raise CommandFailure(
                f"No event of this person {where} matches the filters; leave them out to see whether any is known"
            )
        raise CommandFailure(
            f"No event with this messageId is known {where}: it was never enqueued, or too long ago"
            if contact is None
            else f"No event of this person is known {where}, waiting, dead or in the log; their userId may be known to "
            "Loops: segue contact EMAIL --reveal"
        )
    if not as_json:
        emit(shown("\n\n".join(as_text(trail) for trail in trails)))
    if incomplete:
        raise click.exceptions.Exit(1)


def _of_event(redis: "Redis", standstills: dict[str, str], message_id: str, *, reveal: bool) -> list[Trail]:
    trails = [
        trail
        for name, standstill in standstills.items()
        for trail in read_trails(redis, name, message_id, standstill=standstill, reveal=reveal)
    ]
    # What another destination had settled is remembered where it was moved to, but not how.
    return [trail for trail in trails if trail.outcome != "settled"] or trails


def as_text(trail: Trail) -> str:
    """A trail for people: a headline, and a line for each step."""
    named = f" {trail.name!r}" if trail.name else ""
    source = f" from the write key {trail.source}" if trail.source else ""
    lines = [f"{trail.message_id}{named}{source} at {trail.destination}: {trail.outcome}"]
    for step in trail.steps:
        at = "now" if step.at is None else moment(step.at, precise=True)
        lines.append(f"  {at:<24}  {describe(step, moment_of)}{_letter(step.details)}")
    return "\n".join(map(visible, lines))


def _letter(details: dict[str, Any]) -> str:
    if "letter" not in details or "kept" not in details:
        return ""
    hint = f"segue dead show {details['letter']}" if details["kept"] else "its dead letter was replayed or deleted"
    return f" ({hint})"
