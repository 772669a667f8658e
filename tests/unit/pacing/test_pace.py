"""The limiter's rule, with a clock that only this test moves."""

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from fakeredis import FakeAsyncRedis
from hypothesis import given
from hypothesis import strategies as st

from segue_worker.pacing.pacer import BULK_SHARE, PACE_SCRIPT, RECOVERY_PER_S, SLOWER, WINDOW_MS

START_MS = 1_700_000_000_000
JITTER_MS = 1.0


class Limiter:
    """The script, for a team with `slots` slots in a second."""

    def __init__(self, redis: FakeAsyncRedis, slots: int) -> None:
        self._script = redis.register_script(PACE_SCRIPT)
        self._slots = slots
        self._opened: dict[int, float] = {}

    async def take(
        self,
        now_ms: float,
        late: Sequence[tuple[int, float]] = (),
        said: dict[int, str] | None = None,
    ) -> tuple[int, float]:
        """Number of the slot, and the time at which it opens.

        `late` is by how many ms slots were used late, `said` what Loops said of them.
        """
        at, known = {number: self._opened[number] + ms for number, ms in late}, said or {}
        parts = [part for number in {**at, **known} for part in (number, at.get(number, 0), known.get(number, ""))]
        number, wait_us, _, opens_us = await self._call(now_ms, "take", "live", BULK_SHARE, *parts)
        self._opened[number] = opens_us / 1000
        return number, now_ms + wait_us / 1000

    async def slow(self, now_ms: float, hold_ms: float) -> None:
        await self._call(now_ms, "slow", hold_ms, SLOWER)

    async def _call(self, now_ms: float, *args: str | float) -> list[int]:
        answer: list[int] = await self._script(
            keys=["segue:rate:test"], args=[now_ms, self._slots, WINDOW_MS, RECOVERY_PER_S, *args]
        )
        return answer


@pytest.fixture
async def redis() -> AsyncIterator[FakeAsyncRedis]:
    async with FakeAsyncRedis(version=(6, 2)) as client:
        yield client


def most_in_a_second(times: Sequence[float]) -> int:
    return max(sum(1 for other in times if time <= other < time + 1000) for time in times)


async def used_slots(limiter: Limiter, count: int) -> list[float]:
    now, times = float(START_MS), []
    for _ in range(count):
        _, now = await limiter.take(now)
        times.append(now)
    return times


async def test_an_idle_team_sends_at_once(redis: FakeAsyncRedis) -> None:
    assert await Limiter(redis, 10).take(START_MS) == (1, START_MS)


@pytest.mark.parametrize("slots", [1, 2, 10, 64])
async def test_a_busy_team_uses_its_limit_and_never_more(redis: FakeAsyncRedis, slots: int) -> None:
    times = await used_slots(Limiter(redis, slots), 6 * slots)
    assert most_in_a_second(times) == slots
    seconds = (times[-1] - times[slots - 1]) / 1000
    assert (len(times) - slots) / seconds >= 0.97 * slots


@given(
    waits=st.lists(st.floats(0, 400), min_size=15, max_size=40),
    lates=st.lists(st.floats(0, 300), min_size=40, max_size=40),
)
async def test_no_second_ever_holds_more_than_the_limit_however_late_slots_are_used(
    waits: list[float], lates: list[float]
) -> None:
    async with FakeAsyncRedis(version=(6, 2)) as redis:
        await redis.flushall()
        limiter = Limiter(redis, 5)
        now = float(START_MS)
        used: list[float] = []
        report: list[tuple[int, float]] = []
        for wait, late in zip(waits, lates, strict=False):
            number, opened = await limiter.take(now, report)
            used.append(opened + late)
            report = [(number, late)]
            now = max(now + wait, opened + late)
        assert most_in_a_second([time + JITTER_MS for time in used]) <= 5


async def test_a_late_slot_moves_the_one_that_waits_for_it_and_hardly_others(redis: FakeAsyncRedis) -> None:
    limiter = Limiter(redis, 10)
    evenly = [START_MS + number * WINDOW_MS / 10 for number in range(10)]
    for now in evenly:
        await limiter.take(now)
    now = evenly[-1]
    opened = []
    for turn in range(20):
        _, now = await limiter.take(now, [(5, 40.0)] if turn == 0 else [])
        opened.append(now)
    moved = [round(actual - planned - WINDOW_MS) for actual, planned in zip(opened, evenly, strict=False)]
    assert moved == [0, 0, 0, 0, 40, 20, 0, 0, 0, 0]


async def test_after_a_429_everyone_waits_and_goes_on_slower_and_recovers(redis: FakeAsyncRedis) -> None:
    limiter = Limiter(redis, 10)
    now = (await used_slots(limiter, 20))[-1]
    await limiter.slow(now, 500)
    _, opened = await limiter.take(now)
    assert opened >= now + 500
    times = [opened]
    for _ in range(60):
        times.append((await limiter.take(times[-1]))[1])
    even = WINDOW_MS / 10
    assert times[1] - times[0] > 0.8 * even * 1.05
    assert times[-1] - times[-11] == pytest.approx(WINDOW_MS, rel=0.001)


async def test_answers_to_requests_already_under_way_slow_only_once(redis: FakeAsyncRedis) -> None:
    limiter = Limiter(redis, 10)
    now = (await used_slots(limiter, 10))[-1]
    for _ in range(5):
        await limiter.slow(now, 200)
    state = await redis.get("segue:rate:test")
    assert state is not None
    assert json.loads(state)["factor"] == pytest.approx(1 - SLOWER / 10)


async def test_what_others_of_the_team_use_is_left_to_them_and_taken_back_when_they_stop(
    redis: FakeAsyncRedis,
) -> None:
    limiter, others = Limiter(redis, 10), 4
    now, times = float(START_MS), list[float]()
    said: dict[int, str] = {}
    for turn in range(60):
        number, now = await limiter.take(now, said=said)
        times.append(now)
        sent_here = sum(1 for time in times if time > now - 1000)
        said = {number: str(sent_here + (others if turn < 40 else 0))}
    assert most_in_a_second(times[20:40]) == 6
    assert most_in_a_second(times[50:]) >= 9
    assert most_in_a_second(times) <= 10


async def test_without_others_nothing_is_given_away(redis: FakeAsyncRedis) -> None:
    limiter = Limiter(redis, 10)
    now, times = float(START_MS), list[float]()
    said: dict[int, str] = {}
    for _ in range(60):
        number, now = await limiter.take(now, said=said)
        times.append(now)
        said = {number: str(sum(1 for time in times if time > now - 1000))}
    assert times[-1] - times[-11] == pytest.approx(WINDOW_MS, rel=0.001)


async def test_a_refused_request_counts_as_nobodys(redis: FakeAsyncRedis) -> None:
    limiter = Limiter(redis, 10)
    now = float(START_MS)
    for _ in range(6):
        number, now = await limiter.take(now)
    await limiter.take(now, said={number: "refused"})
    state = await redis.get("segue:rate:test")
    assert state is not None
    # Ten are used; five of them were sent from here.
    assert json.loads(state)["others"] == 5


async def test_a_long_hold_takes_no_slot_and_outlives_those_who_asked_for_it(redis: FakeAsyncRedis) -> None:
    limiter = Limiter(redis, 10)
    await limiter.take(START_MS)
    await limiter.slow(START_MS, 3_600_000)
    assert await redis.pttl("segue:rate:test") > 3_600_000
    assert await limiter.take(START_MS + 1000) == (-1, START_MS + 3_600_000)
    number, opens = await limiter.take(START_MS + 3_599_000)
    assert (number, opens) == (2, START_MS + 3_600_000)


async def test_a_clock_set_back_delays_nobody_and_keeps_the_limit(redis: FakeAsyncRedis) -> None:
    limiter = Limiter(redis, 10)
    times = await used_slots(limiter, 15)
    back = 3_600_000
    now = times[-1] - back
    later = []
    for _ in range(15):
        _, now = await limiter.take(now)
        later.append(now + back)
    assert later[-1] - times[-1] < 2000
    assert most_in_a_second([*times, *later]) <= 10


async def test_a_hold_is_as_long_though_the_clock_is_set_back(redis: FakeAsyncRedis) -> None:
    limiter = Limiter(redis, 10)
    await limiter.take(START_MS)
    await limiter.slow(START_MS, 60_000)
    assert (await limiter.take(START_MS + 20_000 - 3_600_000))[0] == -1
    number, _ = await limiter.take(START_MS + 60_000 - 3_600_000 + 20_000)
    assert number == 2


@pytest.mark.parametrize(
    "damaged", [b"no JSON", b"", b"[]", b"null", b"7", b'{"ring":[1]}', b'{"ring":["x"],"seq":1,"factor":1,"at":1}']
)
async def test_a_state_that_was_damaged_is_begun_anew(redis: FakeAsyncRedis, damaged: bytes) -> None:
    await redis.set("segue:rate:test", damaged)
    limiter = Limiter(redis, 5)
    opened = [(await limiter.take(START_MS))[1] for _ in range(6)]
    assert most_in_a_second(opened) <= 5


async def test_what_is_no_state_at_all_is_replaced(redis: FakeAsyncRedis) -> None:
    await redis.rpush("segue:rate:test", "a list")
    assert await Limiter(redis, 5).take(START_MS) == (1, START_MS)
