from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from fakeredis import FakeAsyncRedis

from segue_producer import append
from segue_producer.events import prepare
from segue_producer.keys import Keys
from segue_worker.outbox import Outbox

DAY_MS = 86_400_000
LEASE_MS = 8000


@dataclass
class Clock:
    """Milliseconds that tests move."""

    ms: int = 1_700_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def redis() -> AsyncIterator[FakeAsyncRedis]:
    async with FakeAsyncRedis(version=(6, 2)) as client:
        yield client


@pytest.fixture
def outbox_of(redis: FakeAsyncRedis, clock: Clock) -> Callable[[str], Outbox]:
    """Make the outbox of destination `loops` for an owner."""

    def make(owner: str) -> Outbox:
        return Outbox(redis, "loops", owner=owner, window_ms=DAY_MS, lease_ms=LEASE_MS, clock_ms=clock)

    return make


@pytest.fixture
def enqueue(redis: FakeAsyncRedis, clock: Clock) -> Callable[..., object]:
    """Append track events, given as (contact, messageId), in one step; answers whether a hint is wanted."""

    async def append_events(*pairs: tuple[str, str]) -> bool:
        events = [prepare({"type": "track", "userId": c, "event": "E", "messageId": m}) for c, m in pairs]
        keys, args = append.arguments(Keys("loops"), events, now_ms=clock.ms)
        script = redis.register_script(append.APPEND_SCRIPT)
        return append.hint_needed(await script(keys=keys, args=args), "loops")

    return append_events
