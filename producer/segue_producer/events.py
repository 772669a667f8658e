"""Segment-spec events: what is accepted, and the form in which they wait in the outbox.

The limits are Segment's: 32 KB for an event, 100 characters for a `messageId`, and an identity. An
accepted event keeps every field as the caller wrote it, unknown ones included.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from os import urandom
from typing import Annotated, Any, Final, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from segue_producer.entries import with_type
from segue_producer.errors import InvalidEvent
from segue_producer.keys import contact_name
from segue_producer.values import id_text, sound, utc_text, write_json

MAX_EVENT_BYTES: Final = 32 * 1024
MAX_MESSAGE_ID: Final = 100
_MOMENT: Final = "must be a datetime, or an ISO 8601 date and time like 2026-01-02T03:04:05.678Z"
_CALLS: Final = ("identify", "track")
_IDS: Final = ("messageId", "userId", "anonymousId")
_OBJECTS: Final = ("context", "traits", "properties", "integrations")
TIMES: Final = ("timestamp", "originalTimestamp", "sentAt")
_ADVICE: Final = "use JSON types, dates and numbers"

Properties = dict[str, Any]


def _moment(value: Any) -> str:
    """A moment of an event as text, in UTC where it was given as a datetime."""
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(_MOMENT) from None
        return sound(value)
    if isinstance(value, datetime) and value == value:  # noqa: PLR0124 - pandas' NaT is no moment
        return utc_text(value)
    raise ValueError(_MOMENT)


def is_moment(value: Any) -> bool:
    """Whether a value can be a moment of an event."""
    try:
        return bool(_moment(value))
    except ValueError:
        return False


def _if_given(read: Callable[[Any], str]) -> PlainValidator:
    return PlainValidator(lambda value: None if value is None else read(value))


# Each validates by itself: the errors of a pydantic union name every member and help nobody.
Identity = Annotated[str | int | float | Decimal | UUID | None, _if_given(id_text)]
Timestamp = Annotated[datetime | str | None, _if_given(_moment)]


class _Event(BaseModel):
    """What identify and track have in common. Fields this model does not name are kept; `prepare` checks them all."""

    model_config = ConfigDict(extra="allow", frozen=True)

    messageId: str | None = None  # noqa: N815 - Segment's spelling
    userId: Identity = None  # noqa: N815 - Segment's spelling
    anonymousId: Identity = None  # noqa: N815 - Segment's spelling
    timestamp: Timestamp = None
    originalTimestamp: Timestamp = None  # noqa: N815 - Segment's spelling
    sentAt: Timestamp = None  # noqa: N815 - Segment's spelling
    context: Properties | None = None
    integrations: dict[str, bool | dict[str, Any] | None] | None = None


class Identify(_Event):
    """Who somebody is: `userId` and `traits`."""

    type: Literal["identify"] = "identify"
    traits: Properties | None = None


class Track(_Event):
    """What somebody did: `userId`, `event` and `properties`."""

    type: Literal["track"] = "track"
    event: Annotated[str, Field(min_length=1)]
    properties: Properties | None = None


class Prepared(NamedTuple):
    """An event ready for the outbox.

    Attributes:
        message_id: its messageId.
        contact: whose outbox it belongs to, as it stands in keys.
        text: the event's JSON without its `type`.
        kind: its `type`, `identify` or `track`.
        source: whose messageId it is: "" for backend services, else the digest of a write key (`segue_producer.entries`).
        trace: the `traceparent` of the span in which it was enqueued, or "".
    """

    message_id: str
    contact: str
    text: bytes
    kind: str
    source: str = ""
    trace: str = ""

    @property
    def json(self) -> bytes:
        """The event's JSON."""
        return with_type(self.kind, self.text)


def prepare(event: Mapping[str, Any] | BaseModel, *, max_bytes: int = MAX_EVENT_BYTES, source: str = "") -> Prepared:
    """Check an event and give it the form in which it is stored.

    Args:
        event: an `Identify` or `Track`, or the same as a mapping with Segment's field names.
        max_bytes: of its JSON.
        source: whose messageId it is, see `Prepared`.

    Returns:
        its messageId (made when missing), its contact, and its JSON. Ids become text, as `values.id_text` says. A missing
        `timestamp` is now; other values are written as docs/segment.md#python-values says.

    Raises:
        InvalidEvent: the event breaks the spec; the message names each field at fault, never a value.
    """
    fields = checked(event)
    message_id = fields.get("messageId")
    if not message_id:
        message_id = fields["messageId"] = _new_id()
    moment = fields.get("timestamp")
    if moment is None:
        # Quicker than what `utc_text` does for moments of any zone.
        fields["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds")[:23] + "Z"
    contact = contact_of(fields)
    if contact is None:
        raise InvalidEvent(
            "event: has no userId, email or anonymousId; give one, so that Loops can find the contact",
            reason="no_identity",
        )
    kind = fields.pop("type")
    try:
        text = write_json(fields)
    except ValueError as error:
        raise InvalidEvent(f"event: {error}; {_ADVICE}") from None
    size = len('"type":"",') + len(kind) + len(text)
    if size > max_bytes:
        raise InvalidEvent(
            f"event: {size} bytes of JSON, at most {max_bytes}; send fewer or shorter fields", reason="too_large"
        )
    # What `Prepared(…)` does, in half the time.
    return tuple.__new__(Prepared, (message_id, contact, text, kind, source, ""))


def checked(event: Mapping[str, Any] | BaseModel) -> dict[str, Any]:
    """A copy of an event whose named fields have the types of the spec: ids are text, moments are ISO 8601 in UTC.

    Raises:
        InvalidEvent: one of them cannot have; the message names each, never a value.
    """
    if event.__class__ is dict:
        fields = event.copy()
    elif isinstance(event, BaseModel):
        fields = {**event.model_dump(exclude_unset=True), "type": getattr(event, "type", None)}
    elif isinstance(event, Mapping):
        fields = dict(event)
    else:
        raise InvalidEvent("event: must be an object of Segment's fields")
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in _CALLS:
        raise InvalidEvent(
            "event: type must be identify or track; other Segment calls have no Loops action", reason="type"
        )
    if _is_usual(fields, kind):
        return fields
    problems: list[str] = []
    _check_ids(fields, problems)
    _check_objects(fields, problems)
    _check_moments(fields, problems)
    if kind == "track":
        done = fields.get("event")
        if not isinstance(done, str) or not done:
            problems.append("event: must be the name of what was done, as text that is not empty")
    if problems:
        raise InvalidEvent("event: " + "; ".join(problems))
    return fields


def _is_usual(fields: dict[str, Any], kind: str) -> bool:
    """Whether a glance shows that no named field is wrong, or must be written in another way; nearly always it does.

    Written out, without a loop, because every event is looked at so. Halves of surrogate pairs in an id are seen to where
    its contact is named and its JSON is written.
    """
    get = fields.get
    user, other, message = get("userId"), get("anonymousId"), get("messageId")
    traits, properties, context = get("traits"), get("properties"), get("context")
    if not (
        (user is None or user.__class__ is str)
        and (other is None or other.__class__ is str)
        and (message is None or (message.__class__ is str and message.isascii() and len(message) <= MAX_MESSAGE_ID))
        and (traits is None or traits.__class__ is dict)
        and (properties is None or properties.__class__ is dict)
        and (context is None or context.__class__ is dict)
        and (kind == "identify" or (get("event").__class__ is str and get("event")))
    ):
        return False
    moment = get("timestamp")
    if get("integrations") is not None or get("originalTimestamp") is not None or get("sentAt") is not None:
        return False
    try:
        return moment is None or (moment.__class__ is str and bool(datetime.fromisoformat(moment)))
    except ValueError:
        return False


def _check_ids(fields: dict[str, Any], problems: list[str]) -> None:
    for name in _IDS:
        value = fields.get(name)
        # Nearly always plain text, of which nothing but Unicode can be wrong.
        if value is not None and not (value.__class__ is str and value.isascii()):
            try:
                fields[name] = id_text(value)
            except ValueError as error:
                problems.append(f"{name}: {error}")
    message_id = fields.get("messageId")
    if message_id.__class__ is str and len(message_id) > MAX_MESSAGE_ID:
        problems.append(f"messageId: has {len(message_id)} characters, at most {MAX_MESSAGE_ID}")


def _check_moments(fields: dict[str, Any], problems: list[str]) -> None:
    for name in TIMES:
        value = fields.get(name)
        if value is not None:
            try:
                # Nearly always plain text, which stays as it is.
                if value.__class__ is str and value.isascii():
                    datetime.fromisoformat(value)
                else:
                    fields[name] = _moment(value)
            except ValueError:
                problems.append(f"{name}: {_MOMENT}")


def _check_objects(fields: dict[str, Any], problems: list[str]) -> None:
    for name in _OBJECTS:
        value = fields.get(name)
        if value is not None and value.__class__ is not dict and not isinstance(value, Mapping):
            problems.append(f"{name}: must be an object")
    integrations = fields.get("integrations")
    if integrations and isinstance(integrations, Mapping):
        problems += [
            f"integrations.{sound(str(name))}: must be true, false or an object of options"
            for name, choice in integrations.items()
            if not (choice is None or isinstance(choice, bool | Mapping))
        ]


def _new_id() -> str:
    """A random UUID of version 4, as `uuid.uuid4` makes it in three times the time."""
    digits = urandom(16).hex()
    return (
        f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-{digits[20:]}"
    )


def contact_of(event: Mapping[str, Any]) -> str | None:
    """The contact of an event: userId, else email, else anonymousId; None where there is none of them."""
    user_id = event.get("userId")
    if (user_id.__class__ is str and user_id and user_id.isascii()) or (user_id := _identity(user_id)):
        return contact_name(user_id)
    for email in emails_of(event):
        return contact_name(sound(email.strip().casefold()))
    anonymous_id = _identity(event.get("anonymousId"))
    return contact_name(anonymous_id) if anonymous_id else None


def emails_of(event: Mapping[str, Any]) -> list[str]:
    """The emails of an event, where the default mappings look: traits, properties, context.traits, the event itself."""
    context = event.get("context")
    inner = context.get("traits") if context.__class__ is dict or isinstance(context, Mapping) else None
    found = []
    for place in (event.get("traits"), event.get("properties"), inner, event):
        if place is not None and (place.__class__ is dict or isinstance(place, Mapping)):
            email = place.get("email")
            if isinstance(email, str) and email.strip():
                found.append(email)
    return found


def _identity(value: object) -> str:
    """An id as text; "" where it is none."""
    if value.__class__ is str:
        return sound(value)
    try:
        return "" if value is None else id_text(value)
    except ValueError:
        return ""
