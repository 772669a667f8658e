"""`segue send`: send one event to Loops at once."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from segue_producer.errors import InvalidEvent
from segue_producer.events import MAX_EVENT_BYTES, prepare
from segue_worker.cli.event_input import choose_destination, destination_option, reading
from segue_worker.cli.group import UsageFailure
from segue_worker.cli.options import config_option, json_option
from segue_worker.cli.output import emit, emit_json_text, remark
from segue_worker.cli.requests import show_preview
from segue_worker.config import Destination, load_config
from segue_worker.observing.preview import NotAnEventError, Preview, read_event, reasons_json, request_json
from segue_worker.observing.preview import preview as preview_event
from segue_worker.operating.send_now import Sent, send_now
from segue_worker.printable import counted

_EXAMPLE = """\b
Example:
  segue send --identify u1 --traits '{"email": "ada@example.com"}'
  segue send --track u1 "Signed Up" --properties '{"plan": "Pro"}' --yes
  segue send --event-json '{"type": "track", "event": "Signed Up", "userId": "u1"}'
  segue send --destination loops event.json --yes --json
"""
_LARGEST_FILE = 4 * MAX_EVENT_BYTES
"""How many bytes of a file are read: more than an event has, white space included."""


@click.command(epilog=_EXAMPLE, short_help="Send one event to Loops now, and show the answer.")
@config_option
@destination_option
@json_option
@click.option("--yes", is_flag=True, help="Send without asking.")
@click.option("--event-json", metavar="JSON", help="The event itself.")
@click.option("--identify", metavar="USER_ID", help="Send an identify event of this user.")
@click.option("--traits", metavar="JSON", help="An object, with --identify.")
@click.option("--track", nargs=2, metavar="USER_ID EVENT", help="Send a track event of this user.")
@click.option("--properties", metavar="JSON", help="An object, with --track.")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), required=False, metavar="[FILE|-]"
)
def send(*, config: Path, destination: str | None, as_json: bool, yes: bool, **given: Any) -> None:
    """Send one event through the mappings to Loops at once, and show what Loops answers.

    FILE holds the event as JSON; - reads it from stdin. The event does not go through the outbox: it is not
    deduplicated, merged, paced or retried. Each request has an Idempotency-Key of its own, so sending an event twice
    has its effect twice. It counts towards the team's rate limit like any other request.

    Exits with 0 if Loops accepted every request, and with 1 if it refused one, did not answer, or no mapping made one.
    """
    chosen = choose_destination(load_config(config), destination)
    if not any(given.values()) and not sys.stdin.isatty():
        given["file"] = "-"
    event, message_id = _prepared(_event(**given))
    found = preview_event(event, chosen.mappings)
    if not as_json:
        show_preview(found)
    if found.requests and not yes:
        _ask(chosen, found, from_stdin=given["file"] == "-")
    sent = asyncio.run(send_now(chosen, found.requests, message_id)) if found.requests else []
    if as_json:
        emit_json_text(_json(chosen, message_id, found, sent))
    elif sent:
        _show(sent)
    else:
        remark("Nothing was sent: no mapping makes a request of this event")
    if not sent or found.errors or not all(each.delivered for each in sent):
        raise click.exceptions.Exit(1)


def _event(*, file: str | None, event_json: str | None, **options: Any) -> dict[str, Any]:
    """The event, however it was given: exactly one way must be used."""
    identify, track = options["identify"], options["track"]
    ways = {"FILE": file, "--event-json": event_json, "--identify": identify, "--track": track}
    used = [way for way, value in ways.items() if value is not None]
    if len(used) != 1:
        raise click.UsageError(f"give one event, by one of {', '.join(ways)}; given: {' and '.join(used) or 'none'}")
    for option, companion in (("traits", "--identify"), ("properties", "--track")):
        if options[option] is not None and companion not in used:
            raise click.UsageError(f"--{option} belongs to {companion}")
    if identify is not None:
        return {"type": "identify", "userId": identify, "traits": _object("--traits", options["traits"] or "{}")}
    if track is not None:
        properties = _object("--properties", options["properties"] or "{}")
        return {"type": "track", "userId": track[0], "event": track[1], "properties": properties}
    if file is not None:
        with reading(file), click.open_file(file, "rb") as opened:
            text = opened.read(_LARGEST_FILE)
        return _object("stdin" if file == "-" else file, text)
    return _object("--event-json", event_json or "")


def _object(where: str, text: str | bytes) -> dict[str, Any]:
    try:
        return read_event(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    except NotAnEventError as error:
        raise UsageFailure(f"{where}: {error}") from None


def _prepared(event: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The event as a producer would enqueue it, and its messageId."""
    try:
        prepared = prepare(event)
    except InvalidEvent as error:
        raise UsageFailure(str(error)) from None
    return orjson.loads(prepared.json), prepared.message_id


def _ask(destination: Destination, found: Preview, *, from_stdin: bool) -> None:
    if from_stdin:
        raise click.UsageError("the event came from stdin, which leaves no way to ask: add --yes")
    question = f"Send {counted(len(found.requests), 'request')} to {destination.base_url} ({destination.name})?"
    click.confirm(question, default=True, abort=True, err=True)


def _show(sent: Sequence[Sent]) -> None:
    for each in sent:
        request = each.request
        label = click.style(str(each.status or "no answer"), fg="green" if each.delivered else "red", bold=True)
        click.echo(f"{label} in {each.ms} ms  {request.method} {request.path}  {request.mapping}")
        emit(f"  {' '.join(each.text.split())}")


def _json(destination: Destination, message_id: str, found: Preview, sent: Sequence[Sent]) -> bytes:
    """One line, as `segue preview --json` writes it, with what became of each request."""
    requests = b",".join(
        b"%b,%b"
        % (
            request_json(each.request)[:-1],
            orjson.dumps(
                {
                    "idempotencyKey": each.key,
                    "delivered": each.delivered,
                    "status": each.status,
                    "answer": each.text,
                    "ms": each.ms,
                }
            )[1:],
        )
        for each in sent
    )
    return b'{"destination":%b,"messageId":%b,"requests":[%b],"skipped":%b,"errors":%b}' % (
        orjson.dumps(destination.name),
        orjson.dumps(message_id),
        requests,
        reasons_json(found.skipped),
        reasons_json(found.errors),
    )
