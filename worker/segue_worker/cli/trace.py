"""`segue trace`: show what happened to one event."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from segue_worker.cli.group import CommandFailure
from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import counted, emit_json
from segue_worker.cli.store import choose, opened
from segue_worker.mapping.why_filtered import EVERY_MAPPING
from segue_worker.observing.destinations import former_names, known_destinations
from segue_worker.observing.preview import DISABLED
from segue_worker.observing.trace import Trail, TrailStep, What, read_trails
from segue_worker.printable import visible


@click.command(
    epilog="Example: segue trace 0b6f2c9e-7d0f-4a51-8d5c-2f5b1f6f3c11", short_help="Show what happened to one event."
)
@click.argument("message_id")
@click.option("--destination", help="Only at this destination; by default at every one.")
@config_option
@redis_option
@json_option
def trace(message_id: str, *, destination: str | None, config: Path, redis_url: str, as_json: bool) -> None:
    """Show what happened to the event MESSAGE_ID: when it was enqueued, each attempt with its answer, and how it ended.

    The log reaches back about 100,000 requests for each destination. Exits with 1 if nothing is known of the event.
    """
    with opened(redis_url) as redis:
        known = known_destinations(redis, config)
        names = (choose(redis, known, destination),) if destination else known.names
        names = (*former_names(redis, names), *names)
        trails = [
            trail for name in names for trail in read_trails(redis, name, message_id, standstill=known.standstill(name))
        ]
        # What another destination had settled is remembered where it was moved to, but not how.
        trails = [trail for trail in trails if trail.outcome != "settled"] or trails
    if as_json:
        emit_json([trail.to_dict() for trail in trails])
    if not trails:
        where = f"at {destination}" if destination else "at any destination"
        raise CommandFailure(f"No event with this messageId is known {where}: it was never enqueued, or too long ago")
    if not as_json:
        click.echo("\n\n".join(as_text(trail) for trail in trails))


def as_text(trail: Trail) -> str:
    """A trail for people: a headline, and a line for each step."""
    named = f" {trail.name!r}" if trail.name else ""
    source = f" from the write key {trail.source}" if trail.source else ""
    lines = [f"{trail.message_id}{named}{source} at {trail.destination}: {trail.outcome}"]
    for step in trail.steps:
        fields = step.to_dict()
        lines.append(f"  {fields['at'] or 'now':<24}  {describe(step)}")
    return "\n".join(map(visible, lines))


def describe(step: TrailStep) -> str:
    """A step in words."""
    return _WORDS[step.what](step.details)


def _attempt(details: dict[str, Any]) -> str:
    answer = details["status"] or "no answer"
    sent = f"{details['path']} for {details['mapping']!r}"
    return f"attempt {details['number']}: {sent}: {answer} in {details['ms']} ms"


def interruption(times: int) -> str:
    """What an entry of the log says of interrupted deliveries, in words."""
    if times == 1:
        deliveries, whose = "an earlier delivery of this contact was interrupted", "its last request"
    else:
        deliveries, whose = f"{times} earlier deliveries of this contact were interrupted", "the last request of each"
    return f"{deliveries}; {whose} may have been sent without being recorded"


def _filtered(details: dict[str, Any]) -> str:
    return "filtered: " + ("; ".join(map(_reason, details["because"])) or "no mapping fires for it")


def _reason(reason: dict[str, str]) -> str:
    if reason["mapping"] == EVERY_MAPPING:
        return reason["condition"]
    if reason["condition"] == DISABLED:
        return f"{reason['mapping']!r} is disabled"
    return f"{reason['mapping']!r} requires {reason['condition']}"


def _pending(details: dict[str, Any]) -> str:
    before = f"{counted(details['events_before'], 'event')} of its contact before it"
    before += f"; {details['standstill']}" if "standstill" in details else ""
    if "until" in details:
        attempts = counted(details["attempts"], "attempt")
        return f"parked until {details['until']} after {attempts}: {details['because']}; {before}"
    return f"{'in flight' if details['in_flight'] else 'waiting'}; {before}"


def _letter(details: dict[str, Any]) -> str:
    if "letter" not in details:
        return ""
    hint = f"segue dead show {details['letter']}" if details["kept"] else "its dead letter was replayed or deleted"
    return f" ({hint})"


def _merged(details: dict[str, Any]) -> str:
    return f" (one request with {', '.join(details['merged_with'])})" if details.get("merged_with") else ""


_WORDS: Final[dict[What, Callable[[dict[str, Any]], str]]] = {
    "enqueued": lambda _: "enqueued",
    "interrupted": lambda details: interruption(details["times"]),
    "attempt": _attempt,
    "delivered": lambda details: f"delivered for {details['mapping']!r}{_merged(details)}",
    "unchanged": lambda details: f"delivered for {details['mapping']!r} without a request: Loops has it already",
    "parked": lambda details: f"parked until {details['until']}: {details['because']}{_merged(details)}",
    "apart": lambda details: f"the merged request was refused, and is sent again in pieces{_merged(details)}",
    "dead": lambda details: f"given up: {details['reason']}{_letter(details)}{_merged(details)}",
    "failed": lambda details: f"mapping {details['mapping']!r} failed: {details['reason']}{_letter(details)}",
    "filtered": _filtered,
    "duplicate": lambda _: "a second copy was dropped as a duplicate",
    "replayed": lambda details: f"replayed from dead letter {details['letter']}",
    "value": lambda details: f"{details['key']} for {details['mapping']!r}: {details['why']}",
    "settled": lambda _: "it was settled within the dedupe window; the log no longer says how",
    "pending": _pending,
    "moved": lambda details: f"moved to destination {details['to']}",
    "arrived": lambda details: f"moved here from destination {details['from']}",
}
