"""`segue tail`: follow what happens to events, live."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from segue_producer.entries import split_identity
from segue_worker.cli.options import config_option, json_option, redis_option
from segue_worker.cli.output import emit_json, remark
from segue_worker.cli.store import choose, opened
from segue_worker.observing.destinations import known_destinations
from segue_worker.observing.log import Logged, end_of, follow
from segue_worker.observing.status import utc_text_ms
from segue_worker.observing.wording import interruption
from segue_worker.printable import visible

BLOCK_MS: Final = 1000
OUTCOMES: Final = (
    *("delivered", "filtered", "duplicate", "dead", "parked", "replayed", "interrupted", "moved", "arrived"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One event in one step of the log.

    Attributes:
        at: unix ms.
        destination: where to.
        message_id: of the event.
        event: name of the event; "" where the step does not say it.
        outcome: what became of it.
        mapping: whose request it was, or "".
        status: of the last answer; None where there was none.
        ms: what the last attempt took; None where there was none.
        merged: how many events the request stood for.
        repaired: keys of values that were repaired, left out or noticed.
        interrupted: how many deliveries of the contact were interrupted before; see `Record.interrupted`.
    """

    at: int
    destination: str
    message_id: str
    event: str
    outcome: str
    mapping: str = ""
    status: int | None = None
    ms: int | None = None
    merged: int = 0
    repaired: tuple[str, ...] = ()
    interrupted: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The form of `segue tail --json`."""
        return {
            "at": utc_text_ms(self.at),
            "destination": self.destination,
            "messageId": self.message_id,
            "event": self.event,
            "outcome": self.outcome,
            "mapping": self.mapping,
            "status": self.status,
            "ms": self.ms,
            "merged": self.merged,
            "repaired": list(self.repaired),
            "interrupted": self.interrupted,
        }

    def __str__(self) -> str:
        answer = "" if self.ms is None else f"  {self.status or 'no answer'} in {self.ms} ms"
        merged = f"  merged from {self.merged}" if self.merged > 1 else ""
        repaired = f"  repaired or left out: {', '.join(self.repaired)}" if self.repaired else ""
        mapping = f"  {self.mapping!r}" if self.mapping else ""
        before = f"  ({interruption(self.interrupted)})" if self.interrupted else ""
        return visible(
            f"{utc_text_ms(self.at)}  {self.destination}  {self.outcome:<11}  {self.message_id}  {self.event}"
            f"{mapping}{answer}{merged}{repaired}{before}"
        )


@click.command(
    epilog="Example: segue tail --outcome dead --outcome parked",
    short_help="Follow what happens to events, live.",
)
@click.option("--destination", help="Only at this destination; by default at every one.")
@click.option("--event", help="Only events of this name; `identify` for identify events.")
@click.option(
    "--outcome",
    "outcomes",
    multiple=True,
    type=click.Choice(OUTCOMES),
    help="Only events with this outcome; may be repeated.",
)
@config_option
@redis_option
@json_option
def tail(  # noqa: PLR0913 - one parameter per option is click's shape
    *,
    destination: str | None,
    event: str | None,
    outcomes: tuple[str, ...],
    config: Path,
    redis_url: str,
    as_json: bool,
) -> None:
    """Print a line for each event as it is delivered, filtered, parked or given up, until Ctrl-C.

    No personal data is shown; for more, see segue trace and segue dead show.
    """
    # Ctrl-C is the usual way to end it.
    with opened(redis_url) as redis, suppress(KeyboardInterrupt):
        known = known_destinations(redis, config)
        names = (choose(redis, known, destination),) if destination else known.names
        if not names:
            remark("There is no destination yet: no worker has announced one, and no configuration names one")
            return
        position = end_of(redis, names)
        remark(f"Following {', '.join(names)}; end with Ctrl-C")
        while True:
            found, position = follow(redis, position, block_ms=BLOCK_MS)
            for name, logged in found:
                for line in lines(name, logged):
                    if (event is None or line.event == event) and (not outcomes or line.outcome in outcomes):
                        emit_json(line.to_dict()) if as_json else click.echo(str(line))


def lines(destination: str, logged: Logged) -> Iterator[Line]:
    """The lines of one log entry: one for each event that it names, with the event's request if there was one."""
    record, request = logged.record, logged.record.request
    answers: dict[str, dict[str, Any]] = {}
    before: dict[str, Any] = {"interrupted": record.interrupted}
    if request is not None:
        last = request.attempts[-1] if request.attempts else None
        answer: dict[str, Any] = {"status": last.status or None, "ms": last.ms} if last else {}
        for place, (message_id, mapping) in enumerate(request.refs):
            keys = tuple(repair.key for repair in request.repairs if place in repair.refs)
            answers[message_id] = {"mapping": mapping, "merged": len(request.refs), "repaired": keys, **answer}
    for part in record.events:
        if part.outcome != "begun":
            sent = {} if part.outcome == "duplicate" else answers.pop(part.message_id, {})
            yield Line(
                logged.at, destination, split_identity(part.message_id)[1], part.name, part.outcome, **sent, **before
            )
    if request is not None and request.outcome != "apart":
        for message_id, sent in answers.items():
            yield Line(logged.at, destination, split_identity(message_id)[1], "", request.outcome, **sent, **before)
