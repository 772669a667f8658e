"""Segment-spec events: what is accepted, and the form in which they wait in the outbox.

The limits are Segment's: 32 KB for an event, 100 characters for a `messageId`, and an identity. An
accepted event keeps every field as the caller wrote it, unknown ones included.
"""

import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictStr,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticSerializationError, to_json

from segue_producer.errors import InvalidEvent
from segue_producer.keys import contact_name

MAX_EVENT_BYTES: Final = 32 * 1024
MAX_MESSAGE_ID: Final = 100


def _timestamp(value: Any) -> Any:
    if value is None or isinstance(value, datetime) or (isinstance(value, str) and _is_iso_8601(value)):
        return value
    raise ValueError("must be a datetime, or an ISO 8601 date and time like 2026-01-02T03:04:05.678Z")


def _is_iso_8601(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _identity(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
        raise ValueError("must be text or a number")
    return value


def _choice(value: Any) -> Any:
    if value is not None and not isinstance(value, bool | dict):
        raise ValueError("must be true, false or an object of options")
    return value


# Each validates by itself: the errors of a pydantic union name every member and help nobody.
Timestamp = Annotated[str | datetime | None, PlainValidator(_timestamp)]
Identity = Annotated[str | int | float | None, PlainValidator(_identity)]
Choice = Annotated[bool | dict[str, Any] | None, PlainValidator(_choice)]
Properties = dict[str, Any]


class _Event(BaseModel):
    """What identify and track have in common. Fields this model does not name are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    messageId: Annotated[StrictStr, Field(max_length=MAX_MESSAGE_ID)] | None = None  # noqa: N815 - Segment's spelling
    userId: Identity = None  # noqa: N815 - Segment's spelling
    anonymousId: Identity = None  # noqa: N815 - Segment's spelling
    timestamp: Timestamp = None
    originalTimestamp: Timestamp = None  # noqa: N815 - Segment's spelling
    sentAt: Timestamp = None  # noqa: N815 - Segment's spelling
    context: Properties | None = None
    integrations: dict[str, Choice] | None = None


class Identify(_Event):
    """Who somebody is: `userId` and `traits`."""

    type: Literal["identify"] = "identify"
    traits: Properties | None = None


class Track(_Event):
    """What somebody did: `userId`, `event` and `properties`."""

    type: Literal["track"] = "track"
    event: Annotated[StrictStr, Field(min_length=1)]
    properties: Properties | None = None


class _Spec:
    adapter: ClassVar[TypeAdapter[Identify | Track]] = TypeAdapter(
        Annotated[Identify | Track, Field(discriminator="type")]
    )


class Prepared(NamedTuple):
    """An event ready for the outbox."""

    message_id: str
    contact: str
    json: bytes


def prepare(event: Mapping[str, Any] | Identify | Track, *, max_bytes: int = MAX_EVENT_BYTES) -> Prepared:
    """Check an event and give it the form in which it is stored.

    Args:
        event: an `Identify` or `Track`, or the same as a mapping with Segment's field names.
        max_bytes: of its JSON.

    Returns:
        its messageId (made when missing), its contact, and its JSON. A missing `timestamp` is now;
        datetimes are written as ISO 8601, one without a zone as UTC; NaN and infinities become null, as in JavaScript.

    Raises:
        InvalidEvent: the event breaks the spec; the message names each field at fault, never a value.
    """
    try:
        model = _Spec.adapter.validate_python(event)
    except ValidationError as error:
        raise InvalidEvent(_explain(error)) from None
    # Its class is asked first: pydantic's own check of instances is slow.
    is_model = event.__class__ is not dict and isinstance(event, BaseModel)
    fields = model.model_dump(exclude_unset=True) if is_model else dict(event)
    fields["type"] = model.type
    message_id = model.messageId or str(uuid.uuid4())
    fields["messageId"] = message_id
    _write_timestamps(fields)
    contact = contact_of(fields)
    if contact is None:
        raise InvalidEvent("event: has no userId, email or anonymousId; give one, so that Loops can find the contact")
    try:
        text = to_json(fields, inf_nan_mode="null")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise InvalidEvent(
            f"event: cannot be written as JSON ({type(error).__name__}); use only JSON types and datetimes, nested "
            "less than 200 deep, in valid Unicode"
        ) from None
    if len(text) > max_bytes:
        raise InvalidEvent(f"event: {len(text)} bytes of JSON, at most {max_bytes}; send fewer or shorter fields")
    return Prepared(message_id, contact, text)


def contact_of(event: Mapping[str, Any]) -> str | None:
    """The contact of an event: userId, else email, else anonymousId; None where there is none of them."""
    user_id, anonymous_id = event.get("userId"), event.get("anonymousId")
    if _is_identity(user_id):
        return contact_name(str(user_id))
    for email in emails_of(event):
        return contact_name(email.strip().lower())
    return contact_name(str(anonymous_id)) if _is_identity(anonymous_id) else None


def emails_of(event: Mapping[str, Any]) -> Iterator[str]:
    """The emails of an event, where the default mappings look: traits, properties, context.traits, the event itself."""
    context = event.get("context")
    places = (
        event.get("traits"),
        event.get("properties"),
        context.get("traits") if isinstance(context, Mapping) else None,
        event,
    )
    for place in places:
        email = place.get("email") if isinstance(place, Mapping) else None
        if isinstance(email, str) and email.strip():
            yield email


def _is_identity(value: object) -> bool:
    return (isinstance(value, str) and value != "") or (isinstance(value, int | float) and not isinstance(value, bool))


def _write_timestamps(fields: dict[str, Any]) -> None:
    if fields.get("timestamp") is None:
        fields["timestamp"] = datetime.now(UTC)
    for name in ("timestamp", "originalTimestamp", "sentAt"):
        value = fields.get(name)
        if isinstance(value, datetime):
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            fields[name] = aware.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _explain(error: ValidationError) -> str:
    problems = []
    for item in error.errors(include_input=False, include_url=False, include_context=False):
        if item["type"].startswith("union_tag"):
            return "event: type must be identify or track; other Segment calls have no Loops action"
        # The first step of the path is the union's tag, which is no field.
        where = ".".join(str(step) for step in item["loc"][1:]) or "event"
        problems.append(f"{where}: {item['msg'].removeprefix('Value error, ')}")
    return "event: " + "; ".join(dict.fromkeys(problems))
