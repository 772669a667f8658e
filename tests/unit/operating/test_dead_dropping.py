"""Forgetting dead letters."""

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from fakeredis import FakeAsyncRedis, FakeRedis

from segue_worker.operating.dead_letters import drop, trim
from segue_worker.operating.dead_letters.dropping import AT_ONCE
from segue_worker.outbox.dead_letter import DeadLetter

from .conftest import KEYS, NOW_MS

Bury = Callable[..., DeadLetter]
DAY = timedelta(days=1)


def test_what_is_dropped_is_gone_and_counted_once(redis: FakeRedis, bury: Bury) -> None:
    letters = [bury(NOW_MS + place) for place in range(3)]
    ids = [letters[0].id, letters[2].id, "0" * 32]
    assert sum(drop(redis, "loops", ids)) == 2
    assert sum(drop(redis, "loops", ids)) == 0
    assert redis.hkeys(KEYS.dead) == redis.zrange(KEYS.dead_at, 0, -1) == [letters[1].id.encode()]
    assert redis.hget(KEYS.totals, "dropped") == b"2"


def test_many_are_dropped_in_steps(redis: FakeRedis, bury: Bury) -> None:
    ids = [bury().id for _ in range(AT_ONCE + 1)]
    assert list(drop(redis, "loops", ids)) == [AT_ONCE, 1]
    assert redis.zcard(KEYS.dead_at) == 0


async def buried(redis: FakeAsyncRedis, *times: int) -> list[bytes]:
    ids = [f"{place:032x}" for place in range(len(times))]
    for letter_id, at in zip(ids, times, strict=True):
        await redis.hset(KEYS.dead, letter_id, b"{}")
        await redis.zadd(KEYS.dead_at, {letter_id: at})
    return [letter_id.encode() for letter_id in ids]


async def kept(redis: FakeAsyncRedis) -> list[object]:
    ids: list[object] = [*await redis.zrange(KEYS.dead_at, 0, -1)]
    assert set(ids) == set(await redis.hkeys(KEYS.dead))
    return ids


async def test_the_oldest_beyond_the_number_kept_are_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeAsyncRedis(version=(6, 2)) as redis:
        ids = await buried(redis, *range(NOW_MS, NOW_MS + 5))
        assert await trim(redis, "loops", DAY, 3, now_ms=NOW_MS + 5) == 2
        assert await kept(redis) == ids[2:]
        assert await redis.hget(KEYS.totals, "dead_dropped") == b"2"
        said = "deleted the oldest dead letters of loops (2): at most 3 are kept, each for 24h"
        assert [(record.levelno, record.message) for record in caplog.records] == [(logging.WARNING, said)]


async def test_those_kept_long_enough_are_forgotten() -> None:
    async with FakeAsyncRedis(version=(6, 2)) as redis:
        ids = await buried(redis, NOW_MS, NOW_MS + 1, NOW_MS + 2)
        now = NOW_MS + 1 + int(DAY.total_seconds() * 1000)
        assert await trim(redis, "loops", DAY, 100, now_ms=now) == 2
        assert await kept(redis) == ids[2:]


async def test_nothing_is_forgotten_or_said_within_the_bounds(caplog: pytest.LogCaptureFixture) -> None:
    async with FakeAsyncRedis(version=(6, 2)) as redis:
        ids = await buried(redis, NOW_MS, NOW_MS + 1)
        assert await trim(redis, "loops", DAY, 2, now_ms=NOW_MS + 2) == 0
        assert await kept(redis) == ids
        assert await redis.exists(KEYS.totals) == 0
        assert caplog.records == []


async def test_more_than_one_step_can_hold_are_forgotten_in_one_call() -> None:
    async with FakeAsyncRedis(version=(6, 2)) as redis:
        await buried(redis, *range(NOW_MS, NOW_MS + 2 * AT_ONCE + 3))
        assert await trim(redis, "loops", DAY, 1, now_ms=NOW_MS) == 2 * AT_ONCE + 2
        assert len(await kept(redis)) == 1
