"""A team keeps its limiter when its key is replaced."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from segue_producer.keys import TEAM_NAMES, TEAMS, key_digest, rate_key
from segue_worker.pacing import Pacer
from segue_worker.pacing.team import limiter_key


@pytest.fixture
async def redis() -> AsyncIterator[FakeAsyncRedis]:
    async with FakeAsyncRedis(version=(6, 2)) as client:
        yield client


async def test_a_destination_with_another_key_keeps_its_limiter(redis: FakeAsyncRedis) -> None:
    assert await limiter_key(redis, "loops", "one") == rate_key("one")
    assert await limiter_key(redis, "loops", "two") == rate_key("one")
    assert await limiter_key(redis, "loops", "three") == rate_key("one")
    # Workers of before and of after, one after the other, as in a rolling restart.
    assert {await limiter_key(redis, "loops", key) for key in ("two", "one", "three", "one")} == {rate_key("one")}


async def test_the_pacer_of_a_destination_with_another_key_goes_on_with_its_slots(redis: FakeAsyncRedis) -> None:
    of_whom = (("one", "loops"), ("two", "loops"), ("three", "another"))
    slots = [await Pacer(redis, key, 10, destination=name).slot() for key, name in of_whom]
    assert [slot and slot.number for slot in slots] == [1, 2, 1]


async def test_destinations_with_one_key_share_a_limiter_whenever_they_got_it(redis: FakeAsyncRedis) -> None:
    await limiter_key(redis, "loops", "one")
    await limiter_key(redis, "loops", "two")
    assert await limiter_key(redis, "another", "two") == rate_key("one")
    assert await limiter_key(redis, "third", "else") == rate_key("else")


@pytest.mark.parametrize("same", [True, False])
async def test_a_key_that_is_known_to_be_of_another_team_has_its_own(redis: FakeAsyncRedis, *, same: bool) -> None:
    names: dict[Any, Any] = {key_digest("one"): "team a", key_digest("two"): "team a" if same else "team b"}
    await redis.hset(TEAM_NAMES, mapping=names)
    await limiter_key(redis, "loops", "one")
    assert await limiter_key(redis, "loops", "two") == rate_key("one" if same else "two")
    assert bool(await redis.exists(TEAMS)) == same


async def test_pacers_with_the_old_and_the_new_key_take_turns(redis: FakeAsyncRedis) -> None:
    one, two = (Pacer(redis, key, 1000, destination="loops", clock=lambda: 1000.0) for key in ("one", "two"))
    slots = [await pacer.slot() for pacer in (one, two)]
    assert [slot.number for slot in slots if slot] == [1, 2]
    assert await redis.exists(rate_key("one")) == 1
    assert await redis.exists(rate_key("two")) == 0
