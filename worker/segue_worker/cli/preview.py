"""`segue preview`: show which requests events would become, without sending anything."""

from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import click
from redis import RedisError

from segue_worker.cli.event_input import choose_destination, destination_option, events_of, lines_of
from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import emit_json_text, remark
from segue_worker.cli.requests import show_preview, show_problem
from segue_worker.cli.store import connect
from segue_worker.config import Destination, load_config
from segue_worker.observing.preview import NotAnEventError, as_taken, message_id, preview_line, refused_because
from segue_worker.observing.preview import preview as preview_event
from segue_worker.printable import counted, visible
from segue_worker.schema.known import read_known
from segue_worker.schema.sent import SentKeys

_REDIS_WAIT_S: Final = 1.0
_EXAMPLE = """\b
Example:
  echo '{"type": "track", "event": "Signed Up", "userId": "u1"}' | segue preview --config segue.yaml
  segue preview --json events.jsonl > previews.jsonl
"""


@click.command(epilog=_EXAMPLE, short_help="Show which requests events would become, without sending them.")
@config_option
@destination_option
@json_option
@redis_option
@click.argument("file", type=click.File("rb"), default="-", metavar="[FILE|-]")
def preview(config: Path, destination: str | None, file: IO[bytes], *, redis_url: str, as_json: bool) -> None:
    """Show which requests the mappings of a destination make of events. Nothing is sent.

    FILE holds one event per line (JSON Lines); without it, or with -, they are read from stdin. For each event you see
    its requests, and for every mapping that makes none the condition that failed and the value it found.

    With --json, each line becomes one line: {"messageId", "requests": [{"mapping", "method", "path", "body",
    "repaired": [{"key", "why"}]}], "skipped": [{"mapping", "reason"}], "errors": [{"mapping", "reason"}]}, or
    {"error": reason} if it is not a JSON object. An event that would not even be enqueued further has "refused": reason.
    Without --json, the file may also be a single event or a list of events, spread over lines. Values that were repaired
    or left out, because Loops is known to refuse them, are pointed out, and so is what is wrong with events that could
    not be enqueued; where a Redis answers, also what Loops does not know.

    The variables that the configuration names must be set, but their values do not matter here. The exit code is 0
    even where an event makes no request.
    """
    chosen = choose_destination(load_config(config), destination)
    if not chosen.enabled:
        remark(f"{chosen.name} is not enabled: its events wait in the outbox, and none of this is sent")
    if as_json:
        _write_lines(file, chosen)
    else:
        _show_all(file, chosen, _sent(redis_url, chosen.name))


def _write_lines(file: IO[bytes], destination: Destination) -> None:
    for line in lines_of(file):
        # It flushes: whoever pipes events in as they happen waits for each answer.
        emit_json_text(preview_line(line, destination.mappings))


def _sent(redis_url: str, destination: str) -> SentKeys:
    """What a worker has asked Loops, by which names are marked that it does not know; nothing where no Redis is near."""
    sent = SentKeys()
    with suppress(RedisError, OSError), connect(redis_url, timeout=_REDIS_WAIT_S) as redis:
        sent.hear(read_known(redis, destination))
    return sent


def _show_all(file: IO[bytes], destination: Destination, sent: SentKeys) -> None:
    events = requests = errors = 0
    for number, event in enumerate(events_of(file), 1):
        events = number
        if isinstance(event, NotAnEventError):
            errors += 1
            click.secho(f"{number}. not an event", bold=True)
            show_problem("error", str(event))
            continue
        taken, refused = as_taken(event)
        found = preview_event(taken, destination.mappings)
        requests += len(found.requests)
        errors += len(found.errors)
        click.secho(f"{number}. {_title(taken)}", bold=True)
        _show_refusal(event, refused)
        show_preview(found, sent)
        click.echo()
    totals = (counted(events, "event"), counted(requests, "request"), counted(errors, "error"))
    remark(f"{destination.name}: {', '.join(totals)}")


def _title(event: dict[str, Any]) -> str:
    """Type, event name, user and messageId, where they are text."""
    shown = [event.get("type"), event.get("event"), event.get("userId"), message_id(event)]
    return visible(" · ".join(text[:60] for text in shown if isinstance(text, str))) or "an event without a type"


def _show_refusal(event: dict[str, Any], refused: str) -> None:
    if refused:
        show_problem("warning", f"this is not enqueued: {refused}")
    elif refused := refused_because(event):
        show_problem("warning", f"a producer refuses to enqueue this, and the Tracking API repairs it: {refused}")
