"""Calls that share round trips."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fakeredis import FakeAsyncRedis
from redis.exceptions import RedisError, ResponseError

from segue_worker.outbox.together import Together

APPEND = """
if ARGV[1] == 'wrong' then return redis.error_reply('wrong') end
return redis.call('RPUSH', KEYS[1], ARGV[1])
"""


@pytest.fixture
async def redis() -> AsyncIterator[FakeAsyncRedis]:
    async with FakeAsyncRedis(version=(6, 2)) as client:
        yield client


async def test_calls_made_at_once_keep_their_order_and_each_gets_its_own_answer(redis: FakeAsyncRedis) -> None:
    together = Together(redis, redis.register_script(APPEND))
    assert await asyncio.gather(*(together(["list"], [f"{n}"]) for n in range(200))) == list(range(1, 201))
    assert await redis.lrange("list", 0, -1) == [f"{n}".encode() for n in range(200)]
    assert await together(["list"], ["alone"]) == 201


async def test_a_call_that_fails_fails_alone(redis: FakeAsyncRedis) -> None:
    together = Together(redis, redis.register_script(APPEND))
    answers = await asyncio.gather(
        *(together(["list"], [text]) for text in ("a", "wrong", "b")), return_exceptions=True
    )
    assert (answers[0], answers[2]) == (1, 2)
    assert isinstance(answers[1], ResponseError)


async def test_a_server_that_has_forgotten_the_script_is_told_again(redis: FakeAsyncRedis) -> None:
    together = Together(redis, redis.register_script(APPEND))
    await together(["list"], ["a"])
    await redis.script_flush()
    assert sorted(await asyncio.gather(together(["list"], ["b"]), together(["list"], ["c"]))) == [2, 3]


async def test_one_who_no_longer_waits_stops_nobody(redis: FakeAsyncRedis) -> None:
    together = Together(redis, redis.register_script(APPEND))
    first = asyncio.ensure_future(together(["list"], ["a"]))
    second = asyncio.ensure_future(together(["list"], ["b"]))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 2


async def test_where_redis_is_away_everyone_hears_of_it() -> None:
    async with FakeAsyncRedis(version=(6, 2), connected=False) as redis:
        together = Together(redis, redis.register_script(APPEND))
        answers = await asyncio.gather(*(together(["l"], ["x"]) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, RedisError) for answer in answers)
