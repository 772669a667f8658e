"""Sorts the messages of a request into those that are accepted, dropped and rejected, without touching Redis."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from segue_producer.errors import InvalidEvent
from segue_producer.events import MAX_MESSAGE_ID, Prepared, prepare
from segue_producer.refusals import Refused, given_id, id_of
from segue_producer.repairs import ADDED_BYTES, choices_of, lift_traits, object_of, repair
from segue_producer.values import sound, write_json
from segue_tracking_api.answers import RequestRefused
from segue_tracking_api.limits import MAX_EVENTS, Limits
from segue_tracking_api.timestamps import correct, instant

WITHOUT_ACTION: Final = frozenset({"page", "screen", "group", "alias"})
"""Calls for which Loops has no action. They are dropped and counted, so that SDKs do not send them again."""

_MESSAGE_MAX: Final = 300
_STORED_PER_SENT: Final = 8
"""How many times as large as the largest body its events may be, once each of them has the context of the batch."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that was not accepted, and why.

    Attributes:
        index: its place in the batch.
        refused: what is kept of it.
        code: for programs.
    """

    index: int
    refused: Refused
    code: str = "invalid_event"

    def to_dict(self) -> dict[str, Any]:
        """What the answer says of it."""
        listed = self.refused.message_id if _is_listable(self.refused.message_id) else None
        return {"index": self.index, "messageId": listed, "code": self.code, "message": self.refused.detail}


@dataclass(slots=True)
class Intake:
    """The messages of one request, after sorting.

    Attributes:
        accepted: events that are ready for the outbox, in order.
        dropped: how many there were of each call for which Loops has no action.
        rejected: all others, each with the reason.
        unlisted: how many more were rejected without an entry, because the batch was longer than allowed.
        discarded: how many of those rejected are not kept as dead letters.
    """

    accepted: list[Prepared] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)
    unlisted: int = 0
    discarded: int = 0

    def details(self) -> dict[str, Any]:
        """Return what the answer says besides success; nothing if every message was accepted."""
        if not self.dropped and not self.rejected:
            return {}
        rejected = [each.to_dict() for each in self.rejected]
        return {"accepted": len(self.accepted), "dropped": dict(self.dropped), "rejected": rejected}


class MessageSorter:
    """Sorts the messages of a request one at a time, so that a long batch can be interrupted for other requests.

    Args:
        received_at: when the request arrived.
        limits: limits of a request.
        batch: the body of the request, if it is a batch; its `context` and `integrations` go into every message.
        source: whose messageIds they have.

    Raises:
        RequestRefused: what the batch has for all of its messages is not valid.
    """

    def __init__(
        self, received_at: datetime, limits: Limits, batch: Mapping[str, Any] | None = None, *, source: str = ""
    ) -> None:
        batch = batch or {}
        self._source = source
        self.intake = Intake()
        self._received_at = received_at
        self._sent_at = instant(batch.get("sentAt"))
        self._shared = {name: _shared(batch, name, limits) for name in ("context", "integrations")}
        self._max_event = limits.event_bytes
        self._room = limits.batch_bytes * _STORED_PER_SENT

    def sort(self, index: int, message: object) -> None:
        """Accept, drop or reject one message.

        Raises:
            RequestRefused: the messages of the batch are too large together.
        """
        if not isinstance(message, dict):
            self._reject(index, message, "must be an object")
            return
        kind = message.get("type")
        if isinstance(kind, str) and kind in WITHOUT_ACTION:
            self.intake.dropped[kind] += 1
            return
        try:
            event = {name: value for name, value in message.items() if name != "writeKey"}
            repair(event)
            # In this order, since the traits may stand in the context of the batch.
            self._complete(event)
            added = ADDED_BYTES + lift_traits(event)
            prepared = prepare(event, max_bytes=self._max_event + added, source=self._source)
        except InvalidEvent as error:
            self._reject(index, message, str(error).removeprefix("event: "), error.reason)
        except RecursionError:
            self._reject(index, message, "is nested too deep")
        else:
            self._room -= len(prepared.text)
            if self._room < 0:
                raise RequestRefused(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    "payload_too_large",
                    "the batch's context and integrations make its events too large; send fewer at once",
                )
            self.intake.accepted.append(prepared)

    def reject_rest(self, index: int, rest: list[Any]) -> None:
        """Reject all messages from `index` on, with a single entry."""
        self.intake.unlisted = len(rest) - 1
        message = (
            f"a batch has at most {MAX_EVENTS} events; this one and all after it ({len(rest) - 1}) were not accepted"
        )
        _take_out_keys(rest)
        known = tuple(known for each in rest if 0 < len(known := given_id(each)) <= MAX_MESSAGE_ID)
        refused = Refused(id_of(rest), rest, message, "too_many_events", source=self._source, further=known)
        self.intake.rejected.append(Rejected(index, refused, "too_many_events"))

    def _complete(self, event: dict[str, Any]) -> None:
        """Add to an event what the batch has for all of them, and correct its timestamps."""
        for name, shared in self._shared.items():
            own = event.get(name)
            if shared and (own is None or isinstance(own, dict)):
                event[name] = _merged(shared, own or {})
        correct(event, batch_sent_at=self._sent_at, received_at=self._received_at)

    def _reject(self, index: int, message: object, detail: str, word: str = "malformed") -> None:
        _take_out_keys(message)
        message_id = given_id(message) or id_of(message)
        # The name of a field may contain half a surrogate pair, which an answer cannot contain.
        refused = Refused(message_id, message, sound(detail)[:_MESSAGE_MAX], word, source=self._source)
        self.intake.rejected.append(Rejected(index, refused))


def messages(batch: Mapping[str, Any]) -> list[Any]:
    """Return the messages of a batch.

    Raises:
        RequestRefused: the batch has no list of messages.
    """
    listed = batch.get("batch")
    if not isinstance(listed, list):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "invalid_batch", 'the body needs a list of events in "batch"')
    return listed


def pieces(listed: list[Any], size: int) -> Iterator[list[tuple[int, Any]]]:
    """Yield the messages that a batch may have in pieces of `size`, each with its position in the batch."""
    for start in range(0, min(len(listed), MAX_EVENTS), size):
        yield list(enumerate(listed[start : min(start + size, MAX_EVENTS)], start))


def _shared(batch: Mapping[str, Any], name: str, limits: Limits) -> dict[str, Any]:
    value = object_of(batch.get(name))
    if not isinstance(value, dict):
        return {}
    shared: dict[str, Any] = choices_of(value) if name == "integrations" else value
    try:
        size = len(write_json(shared))
    except ValueError:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "invalid_batch", f"{name} is nested too deep") from None
    if size > limits.event_bytes:
        message = f"{name} has {size} bytes of JSON, which is more than an event may have"
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "invalid_batch", message)
    return shared


def _merged(shared: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Merge two objects key by key, including the objects within them. The event's own values win."""
    outcome = dict(shared)
    for name, value in own.items():
        before = outcome.get(name)
        outcome[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return outcome


def _take_out_keys(message: object) -> None:
    """Take the write key out of a message in place, and out of those it holds, as a batch within a batch does."""
    rest = [message]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            item.pop("writeKey", None)
            rest.append(item.get("batch"))
        elif isinstance(item, list):
            rest += item


def _is_listable(message_id: str) -> bool:
    return len(message_id) <= MAX_MESSAGE_ID and message_id.isprintable()
