"""The look-up page: everything that is known of a messageId or of a contact."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, cast

import orjson
from redis import Redis
from starlette.responses import Response

from segue_producer.keys import Keys, contact_names
from segue_worker.dashboard.context import PageRequest
from segue_worker.dashboard.pages import render
from segue_worker.observing.destinations import KnownDestinations, former_names
from segue_worker.observing.trace import Trail, read_trails
from segue_worker.operating.dead_letters import Filter
from segue_worker.operating.retry_now import ParkedContact, find_retry
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import Waiting, read_entry

SHOWN: Final = 50
_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class LookupResult:
    """What was found at one destination.

    Attributes:
        destination: its name.
        contact: the contact whose outbox was found, or "".
        pending: how many events wait in that outbox.
        waiting: the first of them.
        retry: the contact's parked request, or None.
        trail: what happened to the event with this messageId, or None.
        letters: the dead letters of the contact or of the messageId; at most 50.
    """

    destination: str
    contact: str
    pending: int
    waiting: list[Waiting]
    retry: ParkedContact | None
    trail: Trail | None
    letters: list[DeadLetter]

    @property
    def anything(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.pending or self.retry or self.trail or self.letters)


def ask(call: PageRequest) -> Response:
    """The form."""
    return render(call, "lookup.html", title="Look up", query="", results=None, shown=False, limit=SHOWN)


def answer(call: PageRequest) -> Response:
    """What was found. The form is sent by POST, so that no email address gets into a URL or a log."""
    query = call.field("query")
    known = call.dashboard.known()
    redis = call.dashboard.redis
    names = (*known.names, *former_names(redis, known.names))
    results = [_find(redis, known, name, query) for name in names] if query else None
    return render(
        call,
        "lookup.html",
        title="Look up",
        query=query,
        results=None if results is None else [each for each in results if each.anything],
        shown=bool(call.field("shown")),
        limit=SHOWN,
    )


def _find(redis: "Redis", known: KnownDestinations, destination: str, query: str) -> LookupResult:
    keys = Keys(destination)
    contact = next((each for each in contact_names(query) if redis.exists(keys.outbox + each)), "")
    pending = redis.llen(keys.outbox + contact) if contact else 0
    raw = cast("list[bytes]", redis.lrange(keys.outbox + contact, 0, SHOWN - 1)) if contact else []
    retry = find_retry(redis, destination, contact) if contact else None
    trails = read_trails(redis, destination, query, standstill=known.standstill(destination))
    trail = next(iter(trails), None)
    letters = list(islice(_letters(redis, destination, query), SHOWN))
    return LookupResult(destination, contact, pending, [read_entry(each) for each in raw], retry, trail, letters)


def _letters(redis: "Redis", destination: str, query: str) -> Iterator[DeadLetter]:
    """The letters of a contact or of a messageId, newest first. There is no index, so all letters are searched."""
    keys = Keys(destination)
    wanted = Filter(contact=query)
    # Spelled as in the letter's JSON, so that most letters need not be parsed.
    parts = [orjson.dumps(each)[1:-1] for each in {query, *contact_names(query)}]
    ids = cast("list[bytes]", redis.zrevrange(keys.dead_at, 0, -1))
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        for letter_id, raw in zip(some, redis.hmget(keys.dead, some), strict=True):
            if isinstance(raw, bytes) and any(part in raw for part in parts):
                letter = DeadLetter.read(letter_id.decode(), raw)
                if query in letter.message_ids or wanted.matches(letter):
                    yield letter
