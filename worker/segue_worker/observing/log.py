"""Reads the log of a destination."""

import gc
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson
from redis import Redis

from segue_producer.keys import Keys, contact_digest
from segue_worker.outbox.log_record import FIELD, Record
from segue_worker.outbox.names import DIGEST

CHUNK: Final = 2000
"""Entries read in one round trip."""
_Chunk = Sequence[tuple[bytes, Mapping[bytes, bytes]]]


class Logged(NamedTuple):
    """An entry of the log.

    Attributes:
        at: unix ms at which it was recorded.
        record: what it says.
        id: its own.
    """

    at: int
    record: Record
    id: bytes = b""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """How far the logs of some destinations were read: destination → id of the last entry."""

    last: Mapping[str, bytes]


class LogScan:
    """Reads a log once, for what it says of an event and of a person.

    There is no index that recording would have to keep up: 100,000 entries are read in about 0.2 s.

    Args:
        redis: client that answers bytes.
        destination: its name.
        message_id: of the event; "" where only a person is looked for.
        most: how many of the newest entries are read.
    """

    def __init__(self, redis: "Redis", destination: str, message_id: str = "", *, most: int | None = None) -> None:
        self.naming: list[Logged] = []
        """The entries that name the event, oldest first."""
        self._redis = redis
        self._key = Keys(destination).log
        self._message_id = message_id.encode("utf-8", "replace").decode()
        self._most = most
        # Side by side, and not as objects of their own: of 100,000 entries these would take most of the time.
        self._ids: list[bytes] = []
        self._names: list[bytes] = []
        self._end = b""

    def read(self) -> None:
        """Read the log, and when called again, what was recorded since."""
        with uncollected():
            self._read_on()

    def _read_on(self) -> None:
        if self._end:
            for chunk in _forwards(self._redis, self._key, b"(" + self._end):
                self._take(chunk)
            return
        unread = self._most
        for chunk in _backwards(self._redis, self._key):
            self._end = self._end or chunk[0][0]
            self._take(chunk[:unread])
            unread = unread and unread - len(chunk)
            if unread is not None and unread <= 0:
                break
        self._end = self._end or b"0-0"
        self.naming.reverse()

    @property
    def names(self) -> Iterator[str]:
        """The digests at the start of entries, each text of them once."""
        return (names.decode("ascii", "replace") for names in set(self._names))

    def of_contacts(self, contacts: Collection[str], most: int) -> list[Logged]:
        """The newest entries of contacts, oldest first.

        Args:
            contacts: their digests.
            most: how many at most.

        Raises:
            redis.RedisError: Redis does not answer.
        """
        wanted = {each.encode() for each in contacts}
        ids = [raw_id for raw_id, names in zip(self._ids, self._names, strict=True) if names[:DIGEST] in wanted]
        newest = sorted(ids, key=order, reverse=True)[:most]
        return list(_fetched(self._redis, self._key, newest[::-1]))

    def _take(self, chunk: _Chunk) -> None:
        # In JSON, as it stands in the entry, behind its source or not; whoever is only part of another messageId is sorted
        # out below.
        part = orjson.dumps(self._message_id)[1:]
        entries = [(raw_id, _text(fields)) for raw_id, fields in chunk]
        self._ids += [raw_id for raw_id, _ in entries]
        self._names += [_names(raw) for _, raw in entries]
        for raw_id, raw in entries if self._message_id else ():
            if part in raw and (logged := read_logged(raw_id, raw)).record.named(self._message_id):
                self.naming.append(logged)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles, which takes half of the time in which tens of thousands of objects come and go."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def find(redis: "Redis", destination: str, message_id: str) -> list[Logged]:
    """The entries that say something about an event, oldest first. Raises redis.RedisError where Redis does not answer."""
    scan = LogScan(redis, destination, message_id)
    scan.read()
    return scan.naming


def entries(redis: "Redis", destination: str, having: Sequence[bytes] = ()) -> Iterator[Logged]:
    """The whole log, oldest first; or the entries in whose JSON one of a few texts stands, in a tenth of the time.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    for chunk in _forwards(redis, Keys(destination).log):
        for raw_id, fields in chunk:
            if not having or any(part in _text(fields) for part in having):
                yield read_logged(raw_id, _text(fields))


def forget_people(redis: "Redis", destination: str, contacts: Collection[str], names: Collection[str]) -> int:
    """Remove the entries of contacts, and those that name a person.

    Args:
        redis: client that answers bytes.
        destination: its name.
        contacts: as they stand in keys.
        names: digests of ids of one person (`segue_worker.outbox.names`).

    Returns:
        how many there were.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    theirs = {contact_digest(contact.encode("utf-8", "surrogatepass")).encode() for contact in contacts}
    named = [name.encode() for name in names]
    key = Keys(destination).log
    ids = [
        raw_id
        for chunk in _forwards(redis, key)
        for raw_id, fields in chunk
        if (found := _names(_text(fields)))[:DIGEST] in theirs or any(name in found for name in named)
    ]
    for start in range(0, len(ids), CHUNK):
        redis.xdel(key, *ids[start : start + CHUNK])
    return len(ids)


def end_of(redis: "Redis", destinations: Sequence[str]) -> LogPosition:
    """Where the logs end now."""
    last = {}
    for name in destinations:
        entries: Any = redis.xrevrange(Keys(name).log, count=1)
        last[name] = entries[0][0] if entries else b"0-0"
    return LogPosition(last)


def place_before(destinations: Sequence[str], at: int) -> LogPosition:
    """Where the logs were at a time in unix ms, what was recorded then not included."""
    return LogPosition({name: b"%d-%d" % (max(0, at - 1), 2**64 - 1) for name in destinations})


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
    for key, told in answer.items() if isinstance(answer, dict) else answer or ():
        # With `?protocol=3` in the URL the streams are a dictionary, and some versions of redis-py put a list around entries.
        entries = told[0] if isinstance(told[0], list) else told
        name = names[key]
        last[name] = entries[-1][0]
        found += [(name, read_logged(raw_id, _text(fields))) for raw_id, fields in entries]
    return sorted(found, key=lambda item: item[1].at), LogPosition(last)


def _forwards(redis: "Redis", key: str, start: bytes = b"-") -> Iterator[_Chunk]:
    return _chunks(lambda place: redis.xrange(key, min=place, count=CHUNK), start)


def _backwards(redis: "Redis", key: str) -> Iterator[_Chunk]:
    return _chunks(lambda place: redis.xrevrange(key, max=place, count=CHUNK), b"+")


def _chunks(read: Callable[[bytes], Any], place: bytes) -> Iterator[_Chunk]:
    while True:
        chunk = read(place)
        if chunk:
            yield chunk
        if len(chunk) < CHUNK:
            return
        place = b"(" + chunk[-1][0]


def _fetched(redis: "Redis", key: str, ids: Sequence[bytes]) -> Iterator[Logged]:
    """The entries with these ids, as far as they are still there."""
    for start in range(0, len(ids), CHUNK):
        with redis.pipeline(transaction=False) as pipe:
            for raw_id in ids[start : start + CHUNK]:
                pipe.xrange(key, min=raw_id, max=raw_id)
            yield from (read_logged(raw_id, _text(fields)) for found in pipe.execute() for raw_id, fields in found)


def _text(fields: Mapping[bytes, bytes]) -> bytes:
    """What stands in an entry; nothing in one that somebody else wrote."""
    return fields.get(FIELD, b"")


def _names(raw: bytes) -> bytes:
    """The digests at the start of an entry."""
    return raw[2 : raw.find(b'"', 2)]


def order(raw_id: bytes) -> tuple[int, int]:
    """What entries are sorted by, given their ids."""
    at, _, number = raw_id.partition(b"-")
    return int(at), int(number)


def read_logged(raw_id: bytes, raw: bytes) -> Logged:
    """An entry as it lies in the stream; one that cannot be read says nothing."""
    try:
        record = Record.from_json(raw)
    except (AttributeError, TypeError, ValueError):
        # Damaged, or written by another version.
        record = Record("")
    return Logged(order(raw_id)[0], record, raw_id)
