"""Reading the log of a destination."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from redis import Redis

from segue_producer.keys import Keys, contact_digest, contact_name
from segue_worker.outbox.log_record import FIELD, Record

CHUNK: Final = 2000
"""Entries read in one round trip."""


class Logged(NamedTuple):
    """An entry of the log.

    Attributes:
        at: unix ms at which it was recorded.
        record: what it says.
    """

    at: int
    record: Record


@dataclass(frozen=True, slots=True)
class Position:
    """How far the logs of some destinations were read: destination → id of the last entry."""

    last: Mapping[str, bytes]


def find(redis: "Redis", destination: str, message_id: str) -> list[Logged]:
    """The entries that say something of an event, oldest first.

    The whole log is read (measured: 0.6 s for 100,000 entries), so that recording need not keep an index.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    # In JSON, as it stands in the entry; whoever is only part of another messageId is sorted out below.
    part = orjson.dumps(message_id)
    return [
        logged
        for raw_id, raw in _entries(redis, destination)
        if part in raw and (logged := _read(raw_id, raw)).record.names(message_id)
    ]


def of_contact(redis: "Redis", destination: str, identity: str, *, limit: int = 1000) -> list[Logged]:
    """The newest entries of a contact, newest first.

    Args:
        redis: client that answers bytes.
        destination: its name.
        identity: a userId, an email (in lower case), or an anonymousId.
        limit: at most so many.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    digest = _digest(identity)
    found: list[Logged] = []
    for raw_id, raw in _entries(redis, destination, newest_first=True):
        if len(found) >= limit:
            break
        if digest in raw:
            found.append(_read(raw_id, raw))
    return found


def forget_contact(redis: "Redis", destination: str, identity: str) -> int:
    """Remove the entries of a contact. Arguments and errors as for `of_contact`. Returns how many there were."""
    digest = _digest(identity)
    ids = [raw_id for raw_id, raw in _entries(redis, destination) if digest in raw]
    for start in range(0, len(ids), CHUNK):
        redis.xdel(Keys(destination).log, *ids[start : start + CHUNK])
    return len(ids)


def newest(redis: "Redis", destination: str, limit: int) -> list[Logged]:
    """The newest entries, newest first. Raises redis.RedisError where Redis does not answer."""
    answer: Any = redis.xrevrange(Keys(destination).log, count=limit)
    return [_read(raw_id, fields[FIELD]) for raw_id, fields in answer]


def end_of(redis: "Redis", destinations: Sequence[str]) -> Position:
    """Where the logs end now."""
    last = {}
    for name in destinations:
        entries: Any = redis.xrevrange(Keys(name).log, count=1)
        last[name] = entries[0][0] if entries else b"0-0"
    return Position(last)


def follow(redis: "Redis", position: Position, *, block_ms: int) -> tuple[list[tuple[str, Logged]], Position]:
    """Wait for entries behind a position.

    Args:
        redis: client that answers bytes.
        position: what was read already.
        block_ms: for how long to wait at most.

    Returns:
        the new entries, each with its destination, oldest first; and how far the logs are read then.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    names = {Keys(name).log.encode(): name for name in position.last}
    streams: Any = {key: position.last[name] for key, name in names.items()}
    answer: Any = redis.xread(streams, count=CHUNK, block=block_ms)
    last = dict(position.last)
    found: list[tuple[str, Logged]] = []
    for key, entries in answer or ():
        name = names[key]
        last[name] = entries[-1][0]
        found += [(name, _read(raw_id, fields[FIELD])) for raw_id, fields in entries]
    return sorted(found, key=lambda item: item[1].at), Position(last)


def _entries(redis: "Redis", destination: str, *, newest_first: bool = False) -> Iterator[tuple[bytes, bytes]]:
    key = Keys(destination).log
    edge = b"+" if newest_first else b"-"
    while True:
        answer: Any = (
            redis.xrevrange(key, max=edge, count=CHUNK) if newest_first else redis.xrange(key, min=edge, count=CHUNK)
        )
        for raw_id, fields in answer:
            yield raw_id, fields[FIELD]
        if len(answer) < CHUNK:
            return
        edge = b"(" + answer[-1][0]


def _digest(identity: str) -> bytes:
    return contact_digest(contact_name(identity).encode("utf-8", "surrogatepass")).encode()


def _read(raw_id: bytes, raw: bytes) -> Logged:
    try:
        record = Record.from_json(raw)
    except (TypeError, ValueError):
        # Damaged, or written by another version: it says nothing, and the others are read.
        record = Record("")
    return Logged(int(raw_id.partition(b"-")[0]), record)
