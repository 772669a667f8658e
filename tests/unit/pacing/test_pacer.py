"""The pacer of one process: slots that stand for several requests."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from redis.exceptions import RedisError

from segue_producer.keys import rate_key
from segue_worker.pacing import Pacer
from segue_worker.pacing.pacer import PACE_SCRIPT
from tests.unit.pacing.conftest import Clock, Virtually

PER_SLOT = 16
RATE = 64 * PER_SLOT


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(version=(6, 2))


@pytest.fixture
async def redis(server: FakeServer) -> AsyncIterator[FakeAsyncRedis]:
    async with FakeAsyncRedis(server=server) as client:
        yield client


async def take(pacer: Pacer, count: int) -> list[int]:
    slots = await asyncio.gather(*(pacer.slot() for _ in range(count)))
    return [slot.number for slot in slots if slot is not None]


async def settled() -> None:
    """Let what was begun come to its end."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not asyncio.current_task()))


async def test_each_slot_is_used_as_often_as_it_stands_for_requests(redis: FakeAsyncRedis) -> None:
    pacer = Pacer(redis, "key", RATE, clock=Clock())
    numbers = await take(pacer, 3 * PER_SLOT)
    assert Counter(numbers) == {1: PER_SLOT, 2: PER_SLOT, 3: PER_SLOT}
    assert numbers == sorted(numbers)
    await settled()


async def test_the_next_slot_is_taken_ahead_and_thrown_away_once_it_is_old(redis: FakeAsyncRedis) -> None:
    clock = Clock()
    pacer = Pacer(redis, "key", RATE, clock=clock)
    assert await take(pacer, PER_SLOT - 1) == [1] * (PER_SLOT - 1)
    await settled()
    clock.now += 60
    assert await take(pacer, 1) == [3]
    await settled()


async def test_a_failure_ahead_is_told_to_the_one_who_needs_the_slot(redis: FakeAsyncRedis, server: FakeServer) -> None:
    pacer = Pacer(redis, "key", RATE, clock=Clock())
    await take(pacer, PER_SLOT // 2)
    server.connected = False
    await take(pacer, PER_SLOT // 2)
    with pytest.raises(RedisError):
        await pacer.slot()
    server.connected = True
    assert await take(pacer, 1) == [2]


async def test_after_a_429_no_slot_is_used_that_was_taken_ahead(redis: FakeAsyncRedis) -> None:
    pacer = Pacer(redis, "key", RATE, clock=Clock())
    await take(pacer, PER_SLOT)
    await settled()
    await pacer.slow(0)
    assert await take(pacer, 1) == [3]


async def test_a_small_limit_takes_no_slot_before_it_is_wanted(redis: FakeAsyncRedis) -> None:
    pacer = Pacer(redis, "key", 10, clock=Clock())
    assert await take(pacer, 1) == [1]
    assert await pacer.slot(wanted=lambda: False) is None
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_waits_behind_a_long_hold_is_let_go_when_it_is_no_longer_wanted(redis: FakeAsyncRedis) -> None:
    pacer = Pacer(redis, "key", 10)
    assert await pacer.slot() is not None
    await pacer.slow(999_999_999)
    leaving = asyncio.Event()
    waiting = [asyncio.create_task(pacer.slot(wanted=lambda: not leaving.is_set())) for _ in range(5)]
    await asyncio.wait(waiting, timeout=0.1)
    assert not any(task.done() for task in waiting)
    leaving.set()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waiting) == [None] * 5


async def test_another_process_and_a_new_one_keep_the_hold(redis: FakeAsyncRedis) -> None:
    await Pacer(redis, "key", 10).slow(600)
    asked = iter([True, True, False])
    assert await Pacer(redis, "key", 10).slot(wanted=lambda: next(asked)) is None


async def test_an_answer_of_redis_that_took_long_counts_as_lateness(server: FakeServer, clock: Clock) -> None:
    """The wait runs from when Redis answered: read late, the slot opens later here than Redis has it."""
    trips_ms = iter((1, 1, 40, 1))

    class Distant(FakeAsyncRedis):
        async def execute_command(self, *args: Any, **options: Any) -> Any:
            answer = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
            clock.now += next(trips_ms) / 1000
            return answer

    async with Distant(server=server) as distant, FakeAsyncRedis(server=server) as redis:
        await redis.script_load(PACE_SCRIPT)
        pacer = Pacer(distant, "key", 10, clock=clock)
        for _ in range(3):
            slot = await pacer.slot()
            assert slot is not None
            clock.now = slot.opened
            pacer.used(slot, clock.now, clock.now + 0.01)
        opened = await ring(redis)
        await pacer.slot()
        reported = await ring(redis)
    assert [round(later - before) for before, later in zip(opened, reported, strict=False)] == [0, 0, 40]


async def ring(redis: FakeAsyncRedis) -> list[float]:
    """When the slots were used, in milliseconds of Redis's clock."""
    state = json.loads(await redis.get(rate_key("key")) or "")
    return [float(at) for at in state["ring"]]


async def test_what_was_used_late_is_told_to_the_others_before_they_take_a_slot(
    redis: FakeAsyncRedis, clock: Clock
) -> None:
    """The last slot of a run is used late, and another process goes on: no second may hold one too many."""
    one, other = Pacer(redis, "key", 5, clock=clock), Pacer(redis, "key", 5, clock=clock)
    slot = await one.slot()
    assert slot is not None
    one.used(slot, slot.opened + 0.2, slot.opened + 0.21)
    clock.now += 1
    before = json.loads(await redis.get(rate_key("key")) or b"{}")["ring"][-1]
    await one.report()
    after = json.loads(await redis.get(rate_key("key")) or b"{}")["ring"][-1]
    assert 195 <= after - before <= 215
    await other.report()
    assert json.loads(await redis.get(rate_key("key")) or b"{}")["ring"][-1] == after, "nothing to report"


class Asking:
    """Everybody who asks a pacer again and again, as deliveries do, and in which order they get slots."""

    def __init__(self, most: int) -> None:
        self.given: list[str] = []
        self.enough = asyncio.Event()
        self._most = most

    async def ask(self, pacer: Pacer, name: str, *, live: bool, overdue: bool = False) -> None:
        while await pacer.slot(live=lambda: live, overdue=overdue):
            self.given.append(name)
            if len(self.given) >= self._most:
                self.enough.set()


async def given(most: int, *askers: tuple[str, bool, bool]) -> list[str]:
    """The lanes of the first slots that many askers get.

    Each is the name of a process with a pacer of its own, whether it is live, and whether overdue.
    """
    async with FakeAsyncRedis(version=(6, 2)) as redis:
        pacers = {process: Pacer(redis, "key", 50) for process, _, _ in askers}
        asking = Asking(most)
        tasks = [
            asyncio.create_task(asking.ask(pacers[process], "live" if live else "bulk", live=live, overdue=overdue))
            for process, live, overdue in askers
        ]
        async with asyncio.timeout(30):
            await asking.enough.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return asking.given[:most]


def test_live_requests_get_the_slots_and_bulk_every_tenth(virtually: Virtually) -> None:
    lanes = virtually(given(110, *[("one", False, False)] * 3, *[("one", True, False)] * 3))
    assert lanes[10:].count("bulk") == 10


def test_bulk_that_is_a_day_old_gets_a_third(virtually: Virtually) -> None:
    lanes = virtually(given(60, ("one", False, True), ("one", True, False), ("one", True, False)))
    assert lanes[10:40].count("bulk") == 10


def test_bulk_in_another_process_leaves_the_slots_to_live_requests_too(virtually: Virtually) -> None:
    lanes = virtually(given(80, *[("bulk", False, False)] * 3, *[("live", True, False)] * 3))
    assert 4 <= lanes[10:].count("bulk") <= 14


def test_a_request_that_becomes_live_while_it_waits_goes_first(virtually: Virtually) -> None:
    order, live, began = list[int](), False, asyncio.Event()

    async def ask(pacer: Pacer, number: int) -> None:
        await pacer.slot(live=lambda: live and number == 4)
        order.append(number)
        began.set()

    async def ask_all() -> None:
        nonlocal live
        async with FakeAsyncRedis(version=(6, 2)) as redis, asyncio.timeout(20):
            pacer = Pacer(redis, "key", 10)
            tasks = [asyncio.create_task(ask(pacer, number)) for number in range(5)]
            await began.wait()
            live = True
            await asyncio.gather(*tasks)

    virtually(ask_all())
    assert order == [0, 4, 1, 2, 3]


async def test_who_goes_first_goes_before_all_who_came_earlier(redis: FakeAsyncRedis) -> None:
    pacer = Pacer(redis, "key", 10)
    given: list[str] = []

    async def ask(name: str, *, live: bool = True, first: bool = False) -> None:
        await pacer.slot(live=lambda: live, first=first)
        given.append(name)

    asking = [asyncio.create_task(ask(name, live=name == "live")) for name in ("bulk", "live", "live")]
    await asyncio.sleep(0)
    asking.append(asyncio.create_task(ask("first", live=False, first=True)))
    async with asyncio.timeout(10):
        await asyncio.gather(*asking)
    assert given == ["first", "live", "live", "bulk"]
