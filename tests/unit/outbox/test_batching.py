"""Calls that share round trips."""

import asyncio
from collections.abc import Sequence

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from segue_worker.outbox.batching import Batched


class Doubling:
    """Doubles numbers, each batch in a round trip of its own; refuses batches with an odd one in it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await asyncio.sleep(0)
        if any(number % 2 for number in numbers):
            raise ResponseError("odd")
        return [2 * number for number in numbers]


async def test_calls_made_at_once_keep_their_order_and_each_gets_its_own_answer() -> None:
    doubling = Doubling()
    batched = Batched(doubling)
    numbers = range(0, 400, 2)
    assert await asyncio.gather(*(batched(number) for number in numbers)) == [2 * number for number in numbers]
    assert [number for batch in doubling.batches for number in batch] == list(numbers)
    assert len(doubling.batches) == 4
    assert await batched(2) == 4


async def test_a_call_that_fails_fails_alone() -> None:
    batched = Batched(Doubling())
    answers = await asyncio.gather(*(batched(number) for number in (2, 3, 4)), return_exceptions=True)
    assert (answers[0], answers[2]) == (4, 8)
    assert isinstance(answers[1], ResponseError)


async def test_one_who_no_longer_waits_stops_nobody() -> None:
    batched = Batched(Doubling())
    first = asyncio.ensure_future(batched(2))
    second = asyncio.ensure_future(batched(4))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == 8


async def test_where_redis_is_away_everyone_hears_of_it() -> None:
    asked: list[int] = []

    async def fail(numbers: Sequence[int]) -> list[int]:
        asked.extend(numbers)
        raise RedisConnectionError

    batched = Batched(fail)
    answers = await asyncio.gather(*(batched(number) for number in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [RedisConnectionError] * 3
    # Nobody knows whether it was done, so it is not done again here.
    assert asked == [0, 1, 2]


async def test_a_single_refusal_is_not_asked_again() -> None:
    doubling = Doubling()
    with pytest.raises(ResponseError):
        await Batched(doubling)(7)
    assert doubling.batches == [[7]]
