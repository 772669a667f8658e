"""Finds an event that still waits in an outbox. There is no index of waiting events, so the outboxes are searched."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis import Redis

from segue_producer.keys import Keys
from segue_worker.outbox.entry import Waiting, read_entry
from segue_worker.outbox.outgoing import Parked

CONTACTS_LOOKED_AT: Final = 1_000_000
ENTRIES_LOOKED_AT: Final = 10_000
"""Of each contact."""
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """An event in an outbox.

    Attributes:
        contact: the contact whose outbox holds it.
        place: how many events of the contact are before it.
        claimed: whether a run has claimed the contact.
        parked: the request that the contact waits to resend, if it is parked.
        waiting: the event.
    """

    contact: str
    place: int
    claimed: bool
    parked: Parked | None
    waiting: Waiting


def find_waiting(redis: "Redis", destination: str, message_id: str) -> WaitingEvent | None:
    """Find a waiting event by its messageId. Of several, one whose contact is claimed or parked, or that waits longest.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    for contact, _, entries in outboxes(redis, Keys(destination)):
        for place, raw in enumerate(entries):
            if _may_hold(raw, message_id) and (waiting := read_entry(raw)).message_id == message_id:
                return next(in_outbox(redis, destination, contact, {place: waiting}))
    return None


def in_outbox(
    redis: "Redis", destination: str, contact: bytes, events: Mapping[int, Waiting]
) -> Iterator[WaitingEvent]:
    """Events of a contact, given by their places in its outbox, with what is known of the contact."""
    keys = Keys(destination)
    field: Any = contact
    raw: Any = redis.hget(keys.parked, field)
    claimed = bool(redis.hexists(keys.lease, field))
    parked = Parked.from_json(raw) if raw else None
    for place, waiting in events.items():
        yield WaitingEvent(contact.decode("utf-8", "replace"), place, claimed, parked, waiting)


def _may_hold(raw: bytes, message_id: str) -> bool:
    """Whether an entry may hold the messageId. If JSON can spell it in several ways, every entry may."""
    spelled = orjson.dumps(message_id)[1:-1]
    return spelled in raw or spelled != message_id.encode("ascii", "replace")


def outboxes(redis: "Redis", keys: Keys, own: Sequence[bytes] = ()) -> Iterator[tuple[bytes, float, list[bytes]]]:
    """Each contact with its due time and its entries: those that are claimed or parked, then the longest waiting of each lane.

    Before them come, with all their entries, those of `own` that have any; then they may come once more.
    """
    lanes = (keys.away, keys.due, keys.bulk)
    with redis.pipeline(transaction=False) as pipe:
        for contact in own:
            pipe.lrange(keys.outbox.encode() + contact, 0, -1)
        for key in lanes:
            pipe.zrange(key, 0, _AT_ONCE - 1, withscores=True)
        # One that is no list is another contact's trouble.
        answers: list[Any] = pipe.execute(raise_on_error=False)
    yield from (
        (contact, 0.0, found) for contact, found in zip(own, answers, strict=False) if isinstance(found, list) and found
    )
    for key, found in zip(lanes, answers[len(own) :], strict=True):
        if isinstance(found, Exception):
            raise found
        yield from _outboxes_of(redis, keys, key, found)


def _outboxes_of(redis: "Redis", keys: Keys, key: str, found: Any) -> Iterator[tuple[bytes, float, list[bytes]]]:
    """As `outboxes`, of one lane, of which the first ones were found already."""
    for start in range(0, CONTACTS_LOOKED_AT, _AT_ONCE):
        if start:
            found = redis.zrange(key, start, start + _AT_ONCE - 1, withscores=True)
        with redis.pipeline(transaction=False) as pipe:
            for contact, _ in found:
                pipe.lrange(keys.outbox.encode() + contact, 0, ENTRIES_LOOKED_AT - 1)
            # One that is no list is another contact's trouble.
            for (contact, due), entries in zip(found, pipe.execute(raise_on_error=False), strict=True):
                yield contact, due, [] if isinstance(entries, Exception) else entries
        if len(found) < _AT_ONCE:
            return
