"""The sweep's record of how long the oldest have waited."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer
from pydantic import SecretStr

from segue_producer.keys import STATS_KEPT_S, Keys
from segue_worker.config import Destination
from segue_worker.config.model import DeadLetterLimits, RetryLimits
from segue_worker.observing.queue_age import record_queue_age
from segue_worker.observing.status import read_statuses
from segue_worker.outbox.counters import OLDEST
from segue_worker.outbox.outgoing import Outgoing, Parked
from segue_worker.outbox.pause import Pause
from segue_worker.process.sweep import RECOUNTED_AFTER_MS, RECOUNTED_CONTACTS, sweep

KEYS = Keys("loops")
NOW_MS = 1_700_000_000_000
STATS = f"{KEYS.stats}{NOW_MS // 60_000}"


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(version=(6, 2))


@pytest.fixture
async def redis(server: FakeServer) -> AsyncIterator[FakeAsyncRedis]:
    async with FakeAsyncRedis(server=server) as client:
        yield client


def destination(name: str, *, enabled: bool = True) -> Destination:
    return Destination(
        name=name,
        api_key=SecretStr("sandbox-key"),
        base_url="http://sandbox/api/v1",
        enabled=enabled,
        rate_limit=10,
        coalesce="updates",
        values="repair",
        retry=RetryLimits(max_age=timedelta(hours=24)),
        dedupe_window=timedelta(hours=24),
        max_pending=1000,
        parallel_runs=1,
        timeout=timedelta(seconds=10),
        dead_letter=DeadLetterLimits(keep=timedelta(days=30), max=1000),
        mappings=(),
    )


async def oldest(redis: FakeAsyncRedis, key: bytes | str) -> int | None:
    found = await redis.hget(key, OLDEST)
    return None if found is None else int(found)


async def test_a_sweep_records_every_destination_of_the_configuration(redis: FakeAsyncRedis) -> None:
    seconds, _ = await redis.time()
    await redis.zadd(KEYS.due, {"u1": (seconds - 100) * 1000})
    assert await sweep(redis, [destination("loops"), destination("idle"), destination("off", enabled=False)]) == [
        "loops"
    ]
    found = {name: await redis.keys(f"{Keys(name).stats}*") for name in ("loops", "idle", "off")}
    ages = {name: await oldest(redis, keys[0]) for name, keys in found.items()}
    assert ages["loops"] is not None
    assert 100_000 <= ages["loops"] < 110_000
    assert (ages["idle"], ages["off"]) == (0, 0)
    assert 0 < await redis.ttl(found["idle"][0]) <= STATS_KEPT_S


async def test_the_largest_of_a_minute_is_kept(redis: FakeAsyncRedis) -> None:
    for waited_s, kept_s in ((100, 100), (5000, 5000), (100, 5000)):
        await redis.zadd(KEYS.due, {"u1": NOW_MS - waited_s * 1000})
        await record_queue_age(redis, ["loops"], NOW_MS)
        assert await oldest(redis, STATS) == kept_s * 1000


async def test_it_is_what_the_status_says(redis: FakeAsyncRedis, server: FakeServer) -> None:
    request = Outgoing("POST", "/events/send", b"{}", "key", ())
    await redis.zadd(KEYS.due, {"u1": NOW_MS - 1000})
    await redis.zadd(KEYS.away, {"u2": NOW_MS + 5000})
    await redis.hset(KEYS.parked, "u2", Parked(2, NOW_MS - 60_000, NOW_MS + 5000, "503", request).to_json())
    await record_queue_age(redis, ["loops"], NOW_MS)
    with FakeRedis(server=server) as reader:
        said = read_statuses(reader, ["loops"], now_ms=NOW_MS)["loops"].oldest_pending_s
    assert (await oldest(redis, STATS), said) == (60_000, 60.0)


@pytest.mark.parametrize("damaged", [KEYS.parked, KEYS.paused, KEYS.dead_at, KEYS.settings, STATS])
async def test_a_damaged_key_of_one_destination_ends_no_hint_of_another(
    redis: FakeAsyncRedis, caplog: pytest.LogCaptureFixture, damaged: str
) -> None:
    await redis.sadd(damaged, "no such thing is kept here")
    await redis.zadd(Keys("other").due, {"u1": NOW_MS})
    seconds, _ = await redis.time()
    await redis.sadd(f"{KEYS.stats}{seconds // 60}", "nor here")
    assert await sweep(redis, [destination("loops"), destination("other")]) == ["other"]
    assert "loops" in caplog.text or "destinations" in caplog.text
    assert await redis.keys(f"{Keys('other').stats}*")


async def test_the_number_of_waiting_events_is_put_right_once_in_a_while(
    redis: FakeAsyncRedis, caplog: pytest.LogCaptureFixture
) -> None:
    await redis.rpush(KEYS.outbox + "u1", "a", "b")
    await redis.rpush(KEYS.outbox + "u2", "c")
    await redis.set(KEYS.outbox + "u3", "no list")
    await redis.zadd(KEYS.due, {"u1": NOW_MS, "u3": NOW_MS})
    await redis.zadd(KEYS.away, {"u2": NOW_MS})
    for wrong in ("1000000", "-7", "no number", None):
        await redis.delete(KEYS.counted)
        await (redis.delete(KEYS.pending) if wrong is None else redis.set(KEYS.pending, wrong))
        await sweep(redis, [destination("loops")])
        assert await redis.get(KEYS.pending) == b"3"
    assert "the number of waiting events of loops was 1000000, and is corrected to 3" in caplog.text
    await redis.set(KEYS.pending, "4")
    await sweep(redis, [destination("loops")])
    assert await redis.get(KEYS.pending) == b"4"
    assert 0 < await redis.pttl(KEYS.counted) <= RECOUNTED_AFTER_MS


async def test_more_contacts_than_can_be_counted_quickly_are_not_counted(redis: FakeAsyncRedis) -> None:
    await redis.zadd(KEYS.due, {f"u{number}": NOW_MS for number in range(RECOUNTED_CONTACTS + 1)})
    await redis.set(KEYS.pending, "12")
    await sweep(redis, [destination("loops")])
    assert await redis.get(KEYS.pending) == b"12"
    await redis.zrem(KEYS.due, "u1")
    await sweep(redis, [destination("loops")])
    assert await redis.get(KEYS.pending) == b"0"


async def test_the_hint_of_a_destination_does_not_wait_for_its_chores(redis: FakeAsyncRedis) -> None:
    await redis.sadd(KEYS.parked, "no such thing is kept here")
    await redis.zadd(KEYS.due, {"u1": NOW_MS})
    assert await sweep(redis, [destination("loops")]) == ["loops"]


@pytest.mark.parametrize(("since_s", "until_s", "wanted"), [(-60, 60, []), (-60, -1, ["loops"]), (60, 120, ["loops"])])
async def test_a_pause_whose_time_is_over_or_has_not_begun_wants_a_run_that_ends_it(
    redis: FakeAsyncRedis, since_s: int, until_s: int, wanted: list[str]
) -> None:
    seconds, _ = await redis.time()
    pause = Pause("by hand", (seconds + since_s) * 1000, None, until=(seconds + until_s) * 1000)
    await redis.set(KEYS.paused, pause.to_json())
    await redis.zadd(KEYS.due, {"u1": seconds * 1000})
    assert await sweep(redis, [destination("loops")]) == wanted
