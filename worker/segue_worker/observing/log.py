"""Reads the log of a destination."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from redis import Redis

from segue_producer.keys import Keys, contact_digest
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
class LogPosition:
    """How far the logs of some destinations were read: destination → id of the last entry."""

    last: Mapping[str, bytes]


def find(redis: "Redis", destination: str, message_id: str) -> list[Logged]:
    """The entries that say something about an event, oldest first.

    The whole log is read (measured: 0.6 s for 100,000 entries), so that no index has to be kept up while recording.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    # In JSON, as it stands in the entry, behind its source or not; whoever is only part of another messageId is sorted out
    # below.
    part = orjson.dumps(message_id)[1:]
    return [
        logged
        for raw_id, raw in _entries(redis, destination)
        if part in raw and (logged := _read(raw_id, raw)).record.named(message_id)
    ]


def entries(redis: "Redis", destination: str) -> Iterator[Logged]:
    """The whole log, oldest first. Raises redis.RedisError where Redis does not answer."""
    for raw_id, raw in _entries(redis, destination):
        yield _read(raw_id, raw)


def forget_contacts(redis: "Redis", destination: str, contacts: Collection[str]) -> int:
    """Remove the entries of contacts.

    Args:
        redis: client that answers bytes.
        destination: its name.
        contacts: as they stand in keys.

    Returns:
        how many there were.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    digests = [contact_digest(contact.encode("utf-8", "surrogatepass")).encode() for contact in contacts]
    ids = [raw_id for raw_id, raw in _entries(redis, destination) if any(digest in raw for digest in digests)]
    for start in range(0, len(ids), CHUNK):
        redis.xdel(Keys(destination).log, *ids[start : start + CHUNK])
    return len(ids)


def end_of(redis: "Redis", destinations: Sequence[str]) -> LogPosition:
    """Where the logs end now."""
    last = {}
    for name in destinations:
        entries: Any = redis.xrevrange(Keys(name).log, count=1)
        last[name] = entries[0][0] if entries else b"0-0"
    return LogPosition(last)


def follow(redis: "Redis", position: LogPosition, *, block_ms: int) -> tuple[list[tuple[str, Logged]], LogPosition]:
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
    return sorted(found, key=lambda item: item[1].at), LogPosition(last)


def _entries(redis: "Redis", destination: str) -> Iterator[tuple[bytes, bytes]]:
    start = b"-"
    while True:
        answer: Any = redis.xrange(Keys(destination).log, min=start, count=CHUNK)
        for raw_id, fields in answer:
            yield raw_id, fields[FIELD]
        if len(answer) < CHUNK:
            return
        start = b"(" + answer[-1][0]


def _read(raw_id: bytes, raw: bytes) -> Logged:
    try:
        record = Record.from_json(raw)
    except (TypeError, ValueError):
        # Damaged, or written by another version: it says nothing, and the others are read.
        record = Record("")
    return Logged(int(raw_id.partition(b"-")[0]), record)
