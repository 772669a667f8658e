"""Which requests a destination's mappings make of an event, without sending them, and why other mappings make none."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from segue_producer.errors import InvalidEvent
from segue_producer.events import MAX_EVENT_BYTES, checked, prepare
from segue_producer.repairs import ADDED_BYTES, lift_traits, repair
from segue_producer.values import LONG_INTEGER, id_text, read_integer, write_json
from segue_worker.errors import MappingError, PayloadError, SegueError
from segue_worker.mapping import CompiledMapping, Request, encode_body, lets_through
from segue_worker.mapping.values import RULES
from segue_worker.schema.sent import SentKeys

DISABLED = "the mapping is disabled"
_LONGEST_SHOWN = 100
_IDS: Final = ("userId", "anonymousId")


class NotAnEventError(SegueError):
    """A text is not a JSON object; the message says what it is."""


class Reason(NamedTuple):
    """Why a mapping makes no request."""

    mapping: str
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What mappings make of one event. Every mapping is in exactly one of the lists, in configured order.

    Attributes:
        requests: what would be sent.
        skipped: the mappings that do not fire, each with the condition that failed and the value found there.
        errors: the mappings that fire and fail; Segment sends nothing for them either.
    """

    requests: tuple[Request, ...]
    skipped: tuple[Reason, ...]
    errors: tuple[Reason, ...]


def preview(event: dict[str, Any], mappings: Sequence[CompiledMapping]) -> Preview:
    """Apply mappings to an event.

    Args:
        event: any JSON object, also one that a producer would refuse to enqueue.
        mappings: of one destination.
    """
    if not lets_through(event):
        # Other values than an object never keep an event from a destination.
        reason = f"integrations must let the event through to Loops: found {_shown(event['integrations'])}"
        return Preview((), tuple(Reason(mapping.name, reason) for mapping in mappings), ())
    requests: list[Request] = []
    skipped: list[Reason] = []
    errors: list[Reason] = []
    for mapping in mappings:
        if not mapping.enabled:
            skipped.append(Reason(mapping.name, DISABLED))
            continue
        try:
            request = mapping.render(event)
        except (MappingError, PayloadError) as error:
            errors.append(Reason(mapping.name, str(error)))
            continue
        if request is None:
            skipped.append(Reason(mapping.name, mapping.trigger.explain(event) or "the trigger does not match"))
        else:
            requests.append(request)
    return Preview(tuple(requests), tuple(skipped), tuple(errors))


def read_event(text: bytes) -> dict[str, Any]:
    """Read an event from JSON text in UTF-8. Integers keep all their digits, since they may be ids.

    Raises:
        NotAnEventError: it is not a JSON object.
    """
    return as_event(read_json(text))


def read_json(text: bytes) -> Any:
    """Read JSON text in UTF-8. Integers keep all their digits.

    Raises:
        NotAnEventError: it is not JSON.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if not text.strip():
            raise NotAnEventError("the line is empty") from None
        return _read_leniently(text, f"not JSON: {error}")
    return _read_leniently(text, "not JSON: it is nested too deep") if LONG_INTEGER.search(text) else value


def _read_leniently(text: bytes, reason: str) -> Any:
    """Half a surrogate pair, or an integer of very many digits: it is repaired when it is enqueued."""
    try:
        value = json.loads(text.decode(), parse_int=read_integer, parse_constant=_no_constant)
        write_json(value)
    except (ValueError, RecursionError):
        raise NotAnEventError(reason) from None
    return value


def _no_constant(name: str) -> None:
    """NaN and infinities, which JSON does not have."""
    raise ValueError(name)


def as_event(value: Any) -> dict[str, Any]:
    """Return the JSON value if it can be an event.

    Raises:
        NotAnEventError: it is not an object.
    """
    if isinstance(value, dict):
        return value
    kind = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}.get(type(value), "a number")
    raise NotAnEventError(f"an event is a JSON object, but this is {kind}")


def preview_line(line: bytes, mappings: Sequence[CompiledMapping]) -> bytes:
    """Preview one line of JSON Lines, as one line of `segue preview --json`, without its line feed. Never raises.

    With `values: keep` it shows what Segment makes of the event as it was sent, whose objects the Tracking API might repair.
    """
    try:
        sent = read_event(line)
    except NotAnEventError as error:
        return b'{"error":%b}' % orjson.dumps(str(error))
    event, refused = as_taken(sent, kept=any(mapping.definition.values == "keep" for mapping in mappings))
    found = preview(event, mappings)
    return b'{"messageId":%b,"requests":[%b],"skipped":%b,"errors":%b%b}' % (
        orjson.dumps(message_id(event)),
        b",".join(map(request_json, found.requests)),
        reasons_json(found.skipped),
        reasons_json(found.errors),
        b',"refused":%b' % orjson.dumps(refused) if refused else b"",
    )


def as_taken(event: dict[str, Any], *, kept: bool = False) -> tuple[dict[str, Any], str]:
    """An event as the Tracking API takes it, by its repairs and checks, and why it would refuse it; "" where it would not.

    What is refused stays as it was sent. No messageId and no moment are added, as these differ each time.

    Args:
        event: as it is sent.
        kept: whether everything stays as it was sent, but for ids of which JavaScript would lose digits.
    """
    repaired = dict(event)
    repair(repaired)
    grown = lift_traits(repaired)
    refused = refused_because(repaired, max_bytes=MAX_EVENT_BYTES + ADDED_BYTES + grown)
    if refused:
        taken = event
    elif kept:
        taken = event | {name: id_text(event[name]) for name in _IDS if isinstance(event.get(name), int)}
    else:
        taken = checked(repaired)
    try:
        # It is read as workers read what waits in the outbox.
        return orjson.loads(write_json(taken)), refused
    except ValueError:
        return taken, refused


def refused_because(event: dict[str, Any], *, max_bytes: int = MAX_EVENT_BYTES) -> str:
    """Why a producer would refuse to enqueue an event; "" where it would not."""
    try:
        prepare(event, max_bytes=max_bytes)
    except InvalidEvent as error:
        return str(error).removeprefix("event: ")
    return ""


def message_id(event: dict[str, Any]) -> str | None:
    """The messageId of an event, or None where it is missing or not a string."""
    found = event.get("messageId")
    return found if isinstance(found, str) else None


def request_json(request: Request) -> bytes:
    """A request as JSON; its body spelled as it would be sent."""
    head = orjson.dumps({"mapping": request.mapping, "method": request.method, "path": request.path})
    repaired = [{"key": each.key, "why": each.why} for each in request.repairs]
    return b'%b,"body":%b,"repaired":%b}' % (head[:-1], encode_body(request.body), orjson.dumps(repaired))


def remarks(request: Request, sent: SentKeys | None = None) -> list[str]:
    """What people should know of a request's values: what was done about them, or what Loops refuses or does not know."""
    return [
        *(f"{each.key}: {each.why}" for each in request.repairs),
        *(f"Loops refuses {each.key}: {RULES[each.rule].why}" for each in request.kept),
        *(f"{each.key}: {each.why}" for each in (sent.unknown_in(request) if sent else ())),
    ]


def reasons_json(reasons: Sequence[Reason]) -> bytes:
    """Reasons as a JSON list of objects."""
    return orjson.dumps([reason._asdict() for reason in reasons])


def _shown(value: dict[str, Any]) -> str:
    text = encode_body(value).decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
