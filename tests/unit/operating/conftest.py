import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fakeredis import FakeRedis
from redis import Redis

from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.outbox.dead_letter import DeadLetter

from .town import Town

KEYS = Keys("loops")
NOW_MS = 1_700_000_000_000


def letter_of(
    *,
    contact: str = "u1",
    message_ids: tuple[str, ...] = ("m1",),
    mappings: tuple[str, ...] = ("Send events",),
    reason: str = "refused",
    event: str = "Signed Up",
    **fields: Any,
) -> DeadLetter:
    """A dead letter with one track event for each messageId."""
    events = tuple(
        json.dumps({"type": "track", "userId": contact, "event": event, "messageId": name}) for name in message_ids
    )
    return DeadLetter(reason, "a detail", contact, mappings, message_ids, **{"events": events, "at": NOW_MS, **fields})


@pytest.fixture
def redis() -> Iterator[FakeRedis]:
    with FakeRedis(version=(6, 2)) as client:
        yield client


@pytest.fixture
def bury(redis: FakeRedis) -> Callable[..., DeadLetter]:
    """Record a dead letter, given up at a time."""

    def record(at: int = NOW_MS, **fields: Any) -> DeadLetter:
        letter = letter_of(at=at, **fields)
        redis.hset(KEYS.dead, letter.id, letter.to_json())
        redis.zadd(KEYS.dead_at, {letter.id: at})
        return letter

    return record


@pytest.fixture
def town(redis_server: EmbeddedRedis) -> Iterator[Town]:
    """Destinations on a real Redis, which is empty."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield Town(client)
