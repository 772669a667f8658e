"""Remove what is held of a person.

Counters and remembered messageIds stay: they are numbers and digests, and name nobody.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from segue_producer.keys import Keys, contact_names
from segue_producer.lua import CLOCK, LANES, read_script
from segue_worker.config import Destination
from segue_worker.delivery.lease import LEASE_S
from segue_worker.loops import LoopsClient, LoopsRefusedError
from segue_worker.observing.log import forget_people
from segue_worker.operating.dead_letters import Filter, drop, matching
from segue_worker.operating.person import EventIds, Person, ids_of
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import read_entry
from segue_worker.outbox.names import Sought, name_digest
from segue_worker.outbox.outbox import CONFIRMED
from segue_worker.pacing import Pacer

_SCRIPT: Final = read_script("segue_worker/operating/forget", CLOCK, LANES, CONFIRMED)
_PASSES: Final = 3
"""What a replay moved from where was not looked yet to where was, the next pass finds."""
_CONTACTS_AT_ONCE: Final = 200
_ENTRIES_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed at one destination: events that waited, dead letters, and entries of the log."""

    events: int
    dead_letters: int
    log_entries: int


def forget_here(
    redis: "Redis", destination: str, identity: str, *, wait: Callable[[float], object] = time.sleep
) -> Forgotten:
    """Remove a person's pending events, dead letters, and entries of the log.

    An event is theirs that names the given id anywhere. Such events lead to their other ids, under which events are theirs
    that belong to nobody else: those of the userId, and those of the emails and anonymousId that have no userId.

    When it returns, no request for them is under way, and none will be for what they had enqueued before.

    Args:
        redis: client that answers bytes.
        destination: its name.
        identity: a userId, an email in any spelling, or an anonymousId.
        wait: is called with seconds to wait until the last delivery of theirs has ended; at most `LEASE_S`.

    Raises:
        redis.RedisError: Redis does not answer; what was removed by then stays removed.
    """
    person = Person.named(identity)
    events = letters = lapses_ms = 0
    for _ in range(_PASSES):
        person.learn(_events_of(redis, destination, person))
        person.contacts.update(ids.contact for ids in _waiting_events_of(redis, destination, person) if ids.contact)
        removed = [_remove(redis, destination, contact) for contact in sorted(person.contacts)]
        dead = [letter.id for letter in matching(redis, destination, Filter()) if _is_about(letter, person)]
        dropped = sum(drop(redis, destination, dead))
        events += sum(count for count, _ in removed)
        letters += dropped
        lapses_ms = max([lapses_ms, *(lapses for _, lapses in removed)])
        if not dropped and not any(count for count, _ in removed):
            break
    if lapses_ms:
        wait(min(lapses_ms / 1000, LEASE_S))
    # Others may share a device or an address with them, so that of their further ids only those count that own an event.
    names = {name_digest(each) for each in contact_names(identity)} | (
        Sought.by(identity).exact if "@" in identity else set()
    )
    return Forgotten(events, letters, forget_people(redis, destination, person.contacts, names))


def _remove(redis: "Redis", destination: str, contact: str) -> tuple[int, int]:
    """Remove what waits for a contact. Returns how many events, and ms until the last request of a claim has ended."""
    keys = Keys(destination)
    count, lapses_ms = redis.register_script(_SCRIPT)(
        keys=[
            *(keys.outbox + contact, keys.due, keys.lease, keys.parked, keys.pending, keys.totals, keys.away),
            *(keys.damaged + contact, keys.bulk, keys.live, keys.pending_bulk),
        ],
        args=[0, contact, keys.confirmed, int(LEASE_S * 1000)],
    )
    return int(count), int(lapses_ms)


def _events_of(redis: "Redis", destination: str, person: Person) -> Iterator[EventIds]:
    """The ids of each event of theirs that waits or is in a dead letter."""
    yield from _waiting_events_of(redis, destination, person)
    for letter in matching(redis, destination, Filter()):
        for event in letter.events:
            ids = _ids_in(event)
            if ids is not None and person.is_named_by(ids):
                yield ids


def _waiting_events_of(redis: "Redis", destination: str, person: Person) -> Iterator[EventIds]:
    """The ids of each event of theirs that waits, with the contact whose outbox it is in."""
    signs = person.signs()
    for contact, raw in _entries(redis, Keys(destination)):
        lower = raw.lower() if signs else b""
        if signs and not any(sign in lower for sign in signs):
            continue
        event = read_entry(raw).event
        if event is not None and person.is_named_by(ids := ids_of(event)):
            yield ids._replace(contact=contact.decode("utf-8", "replace"))


def _entries(redis: "Redis", keys: Keys) -> Iterator[tuple[bytes, bytes]]:
    """Every entry that waits, with its contact."""
    # In this order, so that a contact that is claimed, comes back or changes its lane meanwhile is found in one of them.
    order = (keys.bulk, keys.due, keys.away, keys.bulk, keys.due)
    names = (name for key in order for name, _ in redis.zscan_iter(key, count=_CONTACTS_AT_ONCE))
    seen: set[bytes] = set()
    fresh = (name for name in names if name not in seen and not seen.add(name))  # type: ignore[func-returns-value]
    while some := list(islice(fresh, _CONTACTS_AT_ONCE)):
        start = 0
        while some:
            with redis.pipeline(transaction=False) as pipe:
                for name in some:
                    pipe.lrange(keys.outbox.encode() + name, start, start + _ENTRIES_AT_ONCE - 1)
                found = pipe.execute(raise_on_error=False)
            pages = [(name, page) for name, page in zip(some, found, strict=True) if isinstance(page, list)]
            for name, page in pages:
                yield from ((name, raw) for raw in page)
            some = [name for name, page in pages if len(page) == _ENTRIES_AT_ONCE]
            start += _ENTRIES_AT_ONCE


def _is_about(letter: DeadLetter, person: Person) -> bool:
    """Whether a letter is of one of their contacts, or has an event of theirs, or a text that names them and is none."""
    if letter.contact in person.contacts:
        return True
    for event in letter.events:
        ids = _ids_in(event)
        if ids is not None and person.is_named_by(ids):
            return True
        if (ids is None or letter.reason == "invalid") and person.is_in_text(event):
            return True
    return False


def _ids_in(event: str) -> EventIds | None:
    """The ids in the text of an event; None where it is none."""
    try:
        fields: Any = json.loads(event)
    except (ValueError, RecursionError):
        return None
    return ids_of(fields) if isinstance(fields, dict) else None


async def forget_at_loops(redis: "AsyncRedis", destination: Destination, identity: str) -> bool:
    """Tell Loops to delete the contact, within the team's rate limit.

    Args:
        redis: where the team's limiter is.
        destination: which team.
        identity: a userId; or an email, which is tried as either.

    Returns:
        whether there was one; Loops answers 404 where there is none.

    Raises:
        NoAnswerError: no answer came.
        LoopsRefusedError: Loops refused, with its answer.
        redis.RedisError: the shared limiter cannot be reached.
    """
    api_key = destination.api_key.get_secret_value()
    pacer = Pacer(redis, api_key, destination.rate_limit, destination=destination.name)
    deleted = False
    async with LoopsClient(destination.base_url, api_key, timeout=destination.timeout.total_seconds()) as client:
        for field in ("userId", "email") if "@" in identity else ("userId",):
            await pacer.slot()
            answer = await client.send("POST", "/contacts/delete", json.dumps({field: identity.strip()}).encode())
            if not answer.delivered and (answer.status != HTTPStatus.NOT_FOUND or answer.html):
                raise LoopsRefusedError(f"Loops did not delete the contact: {answer.describe()}")
            deleted = deleted or answer.delivered
    return deleted
