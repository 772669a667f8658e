"""Reads dead letters, oldest first, a few hundred in each round trip."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from redis import Redis

from segue_producer.keys import Keys
from segue_worker.operating.dead_letters.filtering import Filter
from segue_worker.operating.dead_letters.grouping import Causes
from segue_worker.outbox.dead_letter import DeadLetter

CHUNK: Final = 200


def read_letters(redis: "Redis", destination: str, ids: Sequence[str]) -> Iterator[DeadLetter]:
    """The letters with these ids, in the order given, without those that no longer exist.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    for letter_id, raw in _raw(redis, destination, ids):
        yield DeadLetter.read(letter_id, raw)


def _raw(redis: "Redis", destination: str, ids: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    key = Keys(destination).dead
    for start in range(0, len(ids), CHUNK):
        some = ids[start : start + CHUNK]
        for letter_id, raw in zip(some, redis.hmget(key, some), strict=True):
            if raw is not None:
                yield letter_id, raw if isinstance(raw, bytes) else raw.encode()


def matching(redis: "Redis", destination: str, wanted: Filter, limit: int | None = None) -> Iterator[DeadLetter]:
    """The letters that match a filter, oldest first.

    Args:
        redis: client that answers bytes.
        destination: its name.
        wanted: the filter.
        limit: at most so many.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    since = "-inf" if wanted.since_ms is None else wanted.since_ms
    ids = [_text(name) for name in redis.zrangebyscore(Keys(destination).dead_at, since, "+inf")]
    causes = Causes()
    raws = (
        (letter_id, raw)
        for letter_id, raw in _raw(redis, destination, ids)
        if wanted.group in (None, causes.read(raw).id)
    )
    found = (letter for letter_id, raw in raws if wanted.matches(letter := DeadLetter.read(letter_id, raw)))
    return islice(found, limit)


def in_order(redis: "Redis", destination: str, ids: Sequence[str]) -> list[str]:
    """Those of the ids that are dead letters of the destination, oldest first.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    if not ids:
        return []
    times = redis.zmscore(Keys(destination).dead_at, list(ids))
    return [
        name for time, name in sorted((time, name) for time, name in zip(times, ids, strict=True) if time is not None)
    ]


def _text(name: object) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
