"""What the pacer of one process tells the others of a team: what was used late, what Loops said, and when nobody sends."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import given
from hypothesis import strategies as st

from segue_producer.keys import rate_key
from segue_worker.pacing import Pacer
from segue_worker.pacing.pacer import LONGEST_HOLD_S, Slot, _RoundTrips
from tests.unit.pacing.conftest import Clock

LIMIT = 10


@pytest.fixture
async def redis() -> AsyncIterator[FakeAsyncRedis]:
    async with FakeAsyncRedis(version=(6, 2)) as client:
        yield client


async def state(redis: FakeAsyncRedis) -> dict[str, Any]:
    """What all processes of the team know."""
    known: dict[str, Any] = json.loads(await redis.get(rate_key("key")) or "{}")
    return known


async def taken(pacer: Pacer) -> Slot:
    slot = await pacer.slot()
    assert slot is not None
    return slot


async def ended() -> None:
    """Let what was begun in the background come to its end."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))


async def reported_ms(redis: FakeAsyncRedis, pacer: Pacer) -> list[int]:
    """By how many ms the slots are moved by what the pacer reports now."""
    before = (await state(redis))["ring"]
    await pacer.report()
    return [round(after - at) for at, after in zip(before, (await state(redis))["ring"], strict=True)]


async def used_to_round_trips(pacer: Pacer) -> Slot:
    """A slot, and a pacer that knows round trips of 10 ms."""
    slot = await taken(pacer)
    pacer.used(slot, slot.opened, slot.opened + 0.01)
    await pacer.report()
    return slot


@pytest.mark.parametrize(
    ("seconds", "moved_ms"),
    [
        ((0.0, 0.01, 0.0), 0),
        ((0.005, 0.01, 0.0), 0),
        ((0.006, 0.01, 0.0), 6),
        ((0.2, 0.01, 0.0), 200),
        ((0.0, 0.05, 0.0), 40),
        ((0.0, 0.01, 0.03), 30),
        ((0.2, 0.05, 0.03), 270),
        ((0.2, 0.001, 0.0), 200),
        ((-0.1, 0.01, 0.0), 0),
    ],
)
async def test_a_slot_was_used_when_its_request_may_have_arrived_at_the_latest(
    redis: FakeAsyncRedis, clock: Clock, seconds: tuple[float, float, float], moved_ms: int
) -> None:
    late_s, trip_s, unsure_s = seconds
    pacer = Pacer(redis, "key", LIMIT, clock=clock)
    slot = await used_to_round_trips(pacer)
    sent = slot.opened + late_s
    pacer.used(replace(slot, unsure=unsure_s), sent, sent + trip_s)
    clock.now += 1
    assert await reported_ms(redis, pacer) == [moved_ms]
    assert await reported_ms(redis, pacer) == [0], "it is reported once"


async def test_the_first_round_trip_of_all_may_have_been_late_by_all_of_it(redis: FakeAsyncRedis, clock: Clock) -> None:
    pacer = Pacer(redis, "key", LIMIT, clock=clock)
    slot = await taken(pacer)
    pacer.used(slot, slot.opened, slot.opened + 0.3)
    clock.now += 1
    assert await reported_ms(redis, pacer) == [300]


async def test_of_several_uses_of_a_slot_the_latest_counts(redis: FakeAsyncRedis, clock: Clock) -> None:
    pacer = Pacer(redis, "key", LIMIT, clock=clock)
    slot = await used_to_round_trips(pacer)
    for late_s in (0.1, 0.3, 0.2):
        pacer.used(slot, slot.opened + late_s, slot.opened + late_s + 0.01)
    clock.now += 1
    assert await reported_ms(redis, pacer) == [300]


async def test_a_clock_set_back_makes_no_use_later_than_now(redis: FakeAsyncRedis, clock: Clock) -> None:
    pacer = Pacer(redis, "key", LIMIT, clock=clock)
    slot = await used_to_round_trips(pacer)
    pacer.used(slot, slot.opened + 0.1, slot.opened + 0.11)
    clock.now -= 3600
    await pacer.report()
    assert (await state(redis))["ring"] == [clock.now * 1000]


@pytest.mark.parametrize("heard", [True, False])
async def test_lateness_whose_report_failed_is_reported_again_and_counts_once(
    redis: FakeAsyncRedis, clock: Clock, monkeypatch: pytest.MonkeyPatch, *, heard: bool
) -> None:
    pacer = Pacer(redis, "key", LIMIT, clock=clock)
    slot = await used_to_round_trips(pacer)
    opened = (await state(redis))["ring"][-1]
    pacer.used(slot, slot.opened + 0.05, slot.opened + 0.06)
    clock.now += 1
    call = pacer._call

    async def fails(*args: Any) -> Any:
        if heard:
            await call(*args)
        raise ConnectionError("its answer was lost")

    with monkeypatch.context() as broken:
        broken.setattr(pacer, "_call", fails)
        with pytest.raises(ConnectionError):
            await pacer.report()
    pacer.used(slot, slot.opened + 0.03, slot.opened + 0.04)
    await pacer.report()
    assert (await state(redis))["ring"][-1] - opened == 50


async def test_a_slot_that_was_late_when_it_was_given_is_reported_before_the_answer(
    redis: FakeAsyncRedis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loops may be slow, and others of the team go by what they know until then."""
    pacer, call = Pacer(redis, "key", LIMIT, clock=clock), Pacer._call

    async def slow(self: Pacer, *args: Any) -> Any:
        answer = await call(self, *args)
        clock.now += 0.04
        return answer

    with monkeypatch.context() as slowed:
        slowed.setattr(Pacer, "_call", slow)
        await taken(pacer)
    assert await reported_ms(redis, pacer) == [40]


async def test_a_request_that_loops_refused_does_not_count_as_used(redis: FakeAsyncRedis) -> None:
    pacer = Pacer(redis, "key", LIMIT, clock=Clock())
    slot = await used_to_round_trips(pacer)
    pacer.used(slot, slot.opened, slot.opened + 0.01, remaining=0, refused=True)
    await pacer.report()
    assert (await state(redis))["refused"] == [slot.number]


@pytest.mark.parametrize(
    ("limit", "remaining", "others"),
    [(10, 9, 0), (10, 4, 5), (10, None, 0), (10, 11, 0), (640, 630, 0), (640, 430, 20)],
)
async def test_what_loops_counts_beyond_what_was_sent_here_was_sent_by_others(
    redis: FakeAsyncRedis, limit: int, remaining: int | None, others: int
) -> None:
    pacer = Pacer(redis, "key", limit, clock=Clock())
    slot = await used_to_round_trips(pacer)
    pacer.used(slot, slot.opened, slot.opened + 0.01, remaining=remaining)
    await pacer.report()
    assert (await state(redis))["others"] == 0, "that can wait for the next slot"
    while (await taken(pacer)).number == slot.number:
        pass
    assert (await state(redis))["others"] == others
    await ended()


@pytest.mark.parametrize(
    ("retry_after", "hold_ms"), [(None, 200), (0.0, 0), (1.5, 1500), (LONGEST_HOLD_S, 3_600_000), (1e9, 3_600_000)]
)
async def test_after_a_429_nobody_sends_for_as_long_as_loops_says(
    redis: FakeAsyncRedis, retry_after: float | None, hold_ms: int
) -> None:
    await Pacer(redis, "key", LIMIT).slow(retry_after)
    known = await state(redis)
    assert round(known["block"] - known["at"]) == hold_ms
    assert known["factor"] == pytest.approx(1 - 2 / LIMIT)


async def test_after_a_429_without_a_time_nobody_sends_for_two_slots(redis: FakeAsyncRedis) -> None:
    await Pacer(redis, "key", 1).slow()
    known = await state(redis)
    assert round(known["block"] - known["at"]) == 2000


@pytest.mark.parametrize(
    ("limit", "per_slot"), [(1, 1), (10, 1), (64, 1), (65, 2), (128, 2), (129, 3), (640, 10), (1000, 16)]
)
async def test_above_64_requests_a_second_a_slot_stands_for_several(
    redis: FakeAsyncRedis, limit: int, per_slot: int
) -> None:
    pacer = Pacer(redis, "key", limit, clock=Clock())
    slots = Counter([(await taken(pacer)).number for _ in range(per_slot + 1)])
    assert slots == {1: per_slot, 2: 1}
    await ended()


@pytest.mark.parametrize(("limit", "kept_s"), [(65, 1.012 / 32), (640, 0.1)])
async def test_what_is_left_of_a_slot_is_used_for_a_while(redis: FakeAsyncRedis, limit: int, kept_s: float) -> None:
    clock = Clock()
    pacer = Pacer(redis, "key", limit, clock=clock)
    slot = await taken(pacer)
    clock.now = slot.opened + kept_s
    assert (await taken(pacer)).number == slot.number
    pacer = Pacer(redis, "key", limit, clock=clock)
    slot = await taken(pacer)
    clock.now = slot.opened + kept_s + 0.00001
    assert (await taken(pacer)).number == slot.number + 1


async def test_what_is_left_of_a_slot_is_given_at_once(redis: FakeAsyncRedis) -> None:
    pacer = Pacer(redis, "key", 65, clock=Clock())
    slot = await taken(pacer)
    with pytest.raises(StopIteration) as given:
        pacer.slot().send(None)
    assert given.value.value == slot


@pytest.mark.parametrize(("limit", "per_slot", "ahead_after"), [(1024, 16, 12), (640, 10, 8), (65, 2, 2)])
async def test_the_next_slot_is_taken_once_three_quarters_of_a_large_one_are_used(
    redis: FakeAsyncRedis, limit: int, per_slot: int, ahead_after: int
) -> None:
    pacer = Pacer(redis, "key", limit, clock=Clock())
    for used in range(1, per_slot):
        await taken(pacer)
        await ended()
        assert (await state(redis))["seq"] == (1 if used < ahead_after else 2)


@pytest.mark.parametrize(
    ("for_live", "overdue", "first"), [(8, False, "live"), (9, False, "bulk"), (1, True, "live"), (2, True, "bulk")]
)
async def test_bulk_has_its_turn_after_so_many_slots_for_live(
    redis: FakeAsyncRedis, for_live: int, first: str, *, overdue: bool
) -> None:
    pacer, order = Pacer(redis, "key", 64, clock=Clock()), list[str]()
    await taken(pacer)
    await redis.set(rate_key("key"), json.dumps(await state(redis) | {"streak": for_live}))

    async def ask(lane: str) -> None:
        if overdue and lane == "bulk":
            await pacer.slot(live=lambda: False, overdue=True)
        else:
            await pacer.slot(live=lambda: lane == "live")
        order.append(lane)

    await asyncio.gather(ask("live"), ask("bulk"))
    assert order[0] == first


async def test_bulk_alone_gets_every_slot_and_what_is_left_of_one(redis: FakeAsyncRedis) -> None:
    pacer = Pacer(redis, "key", 65, clock=Clock())
    slots = [await pacer.slot(live=lambda: False) for _ in range(3)]
    assert [slot and slot.number for slot in slots] == [1, 1, 2]
    assert await pacer.slot(wanted=lambda: False) is None
    assert (await taken(pacer)).number == 2, "what nobody wanted is still there"


async def test_who_no_longer_wants_a_slot_gets_none_and_the_others_their_turn(redis: FakeAsyncRedis) -> None:
    pacer = Pacer(redis, "key", 64, clock=Clock())
    await taken(pacer)
    slots = await asyncio.gather(pacer.slot(), pacer.slot(wanted=lambda: False), pacer.slot(), pacer.slot())
    assert [slot and slot.number for slot in slots] == [2, None, 3, 4]


@given(st.lists(st.floats(0, 10), max_size=30).map(lambda few: few * 40), st.floats(0, 10))
def test_a_round_trip_is_always_compared_with_the_shortest_of_late(trips: list[float], last: float) -> None:
    known = _RoundTrips()
    for trip in trips:
        known.beyond_shortest(trip)
    late = trips[-500:]
    assert known.beyond_shortest(last) == (max(0.0, last - min(late)) if late else last)


def test_a_short_round_trip_is_forgotten_after_five_hundred_others() -> None:
    known = _RoundTrips()
    known.beyond_shortest(1.0)
    assert [known.beyond_shortest(3.0) for _ in range(500)] == [2.0] * 500
    assert known.beyond_shortest(4.0) == 1.0
