"""The windows in which settled messageIds are remembered, when their length or the clock changes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from segue_producer.keys import Keys
from segue_worker.outbox import Next, Outbox, Settlement
from segue_worker.outbox.outbox import digest

from .conftest import LEASE_MS, Clock

KEYS = Keys("loops")
HOUR_MS = 3_600_000
LENGTHS = [24 * HOUR_MS, 25 * HOUR_MS, HOUR_MS, 60_000, 365 * 24 * HOUR_MS]


@dataclass
class Memory:
    """What is remembered, with windows of one length or another."""

    redis: FakeAsyncRedis
    clock: Clock
    enqueue: Callable[..., Awaitable[bool]]

    def outbox(self, window_ms: int) -> Outbox:
        return Outbox(self.redis, "loops", owner="run", window_ms=window_ms, lease_ms=LEASE_MS, clock_ms=self.clock)

    async def settle(self, message_id: str, window_ms: int) -> None:
        await self.enqueue((message_id, message_id))
        outbox = self.outbox(window_ms)
        (claimed,) = await outbox.claim(1)
        settlement = Settlement(taken=1, next=Next.RELEASE, digests=[digest(message_id)])
        assert await outbox.settle(claimed, settlement, step=0) == 0

    async def knows(self, message_id: str, window_ms: int) -> bool:
        return (await self.outbox(window_ms).seen([digest(message_id)]))[0]


@pytest.fixture
def memory(redis: FakeAsyncRedis, clock: Clock, enqueue: Callable[..., Awaitable[bool]]) -> Memory:
    return Memory(redis, clock, enqueue)


@pytest.mark.parametrize("before", LENGTHS)
@pytest.mark.parametrize("after", LENGTHS)
async def test_another_length_forgets_nothing(memory: Memory, before: int, after: int) -> None:
    await memory.settle("a", before)
    assert await memory.knows("a", after)
    await memory.settle("b", after)
    assert await memory.knows("a", after)
    assert await memory.knows("b", before)
    memory.clock.ms += before - 1
    assert await memory.knows("a", after), "for a whole window of the length that was set"


async def test_what_is_over_is_forgotten_and_leaves_nothing(memory: Memory) -> None:
    day, week = 24 * HOUR_MS, 7 * 24 * HOUR_MS
    await memory.settle("a", day)
    await memory.settle("b", week)
    memory.clock.ms += 2 * day
    assert not await memory.knows("a", week)
    assert await memory.knows("b", week)
    memory.clock.ms += 2 * week
    assert not await memory.knows("b", week)
    await memory.settle("c", week)
    assert await memory.redis.hkeys(KEYS.windows) == [str(week).encode()]


async def test_what_a_version_remembered_that_knew_one_length_is_not_forgotten(memory: Memory) -> None:
    day = 24 * HOUR_MS
    old = digest("old")
    key = f"{KEYS.seen}{memory.clock.ms // day}:{old[0]:02x}"
    await memory.redis.hset(key, f"{old[1] >> 4:x}", old)
    await memory.redis.hset(KEYS.totals, "delivered", 1)
    assert await memory.knows("old", day)
    await memory.settle("new", day)
    assert await memory.knows("old", day)
    memory.clock.ms += day
    assert await memory.knows("old", day)
    memory.clock.ms += day
    assert not await memory.knows("old", day)


@pytest.mark.parametrize("back_ms", [HOUR_MS, 3 * 24 * HOUR_MS, 400 * 24 * HOUR_MS])
async def test_a_clock_that_is_set_back_forgets_nothing(memory: Memory, back_ms: int) -> None:
    day = 24 * HOUR_MS
    memory.clock.ms = (memory.clock.ms // day + 1) * day + 1000
    await memory.settle("a", day)
    memory.clock.ms -= back_ms
    assert await memory.knows("a", day)
    await memory.settle("b", day)
    memory.clock.ms += back_ms
    assert await memory.knows("a", day)


async def test_a_window_costs_one_note(memory: Memory) -> None:
    for number in range(50):
        await memory.settle(f"m{number}", 24 * HOUR_MS)
    noted: Any = await memory.redis.hgetall(KEYS.windows)
    assert set(map(int, noted)) == {24 * HOUR_MS}
