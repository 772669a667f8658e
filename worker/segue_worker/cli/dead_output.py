"""How dead letters are printed. Requests, answers and events appear only in `segue dead show`."""

import json
from collections.abc import Sequence
from typing import Any, Final

from segue_worker.cli.fitting import terminal_width
from segue_worker.cli.output import moment
from segue_worker.masking import mask_contact, mask_known, pretty
from segue_worker.observing.status import utc_text
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.printable import visible

COLUMNS: Final = ("id", "at", "reason", "attempts", "contact", "mapping", "detail")


def row(letter: DeadLetter, *, reveal: bool = False) -> Sequence[object]:
    """The letter as a line of a table, under `COLUMNS`."""
    shown = summary(letter, "", reveal=reveal) | {"at": moment(letter.at)}
    return *(shown[name] for name in COLUMNS[:5]), ", ".join(letter.mappings), shown["detail"]


def summary(letter: DeadLetter, destination: str, *, reveal: bool = False) -> dict[str, Any]:
    """The letter in `dead list --json`. Unless it is revealed, the contact is masked, and what the answer quotes."""
    return {
        "id": letter.id,
        "destination": destination,
        "at": utc_text(letter.at),
        "reason": letter.reason,
        "detail": letter.detail if reveal else mask_known(letter.detail, *letter.quotable),
        "status": letter.answer["status"] if letter.answer else None,
        "attempts": letter.attempts,
        "contact": letter.contact if reveal else mask_contact(letter.contact),
        "mappings": letter.mappings,
        "messageIds": letter.message_ids,
    }


def details(letter: DeadLetter, destination: str) -> dict[str, Any]:
    """The letter in `dead show --json`: all of it."""
    return {
        **summary(letter, destination, reveal=True),
        "first_attempt": None if letter.first_attempt is None else utc_text(letter.first_attempt),
        "request": letter.request,
        "answer": letter.answer,
        "events": [_parsed(event) for event in letter.events],
    }


def page(letter: DeadLetter, destination: str) -> str:
    """The letter in `dead show`: a line for each thing said of it."""
    request, answer = letter.request, letter.answer
    lines: list[tuple[str, str | list[str]]] = [
        ("dead letter", letter.id),
        ("destination", destination),
        ("reason", letter.reason),
        ("detail", letter.detail),
        ("mapping", ", ".join(letter.mappings)),
        ("contact", letter.contact),
        ("messageIds", ", ".join(letter.message_ids)),
        ("attempts", str(letter.attempts)),
        ("first attempt", moment(letter.first_attempt) if letter.first_attempt else ""),
        ("given up", moment(letter.at)),
        ("request", f"{request['method']} {request['path']}" if request else ""),
        ("", _readable(request["body"]) if request else ""),
        ("answer", f"{answer['status']} {answer['text']}" if answer else ""),
        *(("event", _readable(event)) for event in letter.events),
    ]
    shown = ((name, [value] if isinstance(value, str) else value) for name, value in lines if value)
    return "\n".join(f"{name:<13}  " + f"\n{'':<15}".join(map(visible, value)) for name, value in shown)


def _readable(text: str) -> list[str]:
    """Lines of a text: several of JSON on a terminal, one of anything else."""
    parsed = _parsed(text)
    return [text] if terminal_width() is None or isinstance(parsed, str) else pretty(parsed).split("\n")


def _parsed(event: str) -> Any:
    try:
        return json.loads(event)
    except ValueError:
        return event
