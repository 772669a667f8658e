"""What is damaged of one contact, or of one key, is recorded in no half, and counts nothing wrong."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis
from redis.exceptions import ResponseError

from segue_producer.keys import Keys
from segue_worker.errors import DamagedError
from segue_worker.outbox import Claimed, Next, Outbox, Settlement
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.outbox import digest
from segue_worker.outbox.settlement import arguments

from .conftest import Clock

Enqueue = Callable[..., Awaitable[bool]]
OutboxOf = Callable[[str], Outbox]
KEYS = Keys("loops")
LETTER = DeadLetter("refused", "", "u1", (), (), (), at=1)


def settlement(message_id: str, dead: Sequence[DeadLetter] = ()) -> Settlement:
    return Settlement(
        taken=1,
        next=Next.RELEASE,
        digests=[digest(message_id)],
        counters={"delivered": 1},
        dead=dead,
        record=b"record",
        measures={"mapped": 1},
        explanations={"0": b"because"},
    )


async def claims_of(enqueue: Enqueue, run: Outbox) -> list[Claimed]:
    await enqueue(("u1", "a"), ("u2", "b"))
    return await run.claim(2)


async def everything(redis: FakeAsyncRedis) -> dict[Any, Any]:
    return {key: await redis.dump(key) for key in await redis.keys()}


@pytest.mark.parametrize(
    "name", ["due", "away", "parked", "dead", "dead_at", "log", "because", "windows", "lease"], ids=str
)
async def test_a_settlement_that_needs_a_damaged_key_records_nothing(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, name: str
) -> None:
    run = outbox_of("run")
    u1, _ = await claims_of(enqueue, run)
    await redis.delete(getattr(KEYS, name))
    await redis.set(getattr(KEYS, name), "damaged")
    before = await everything(redis)
    with pytest.raises((DamagedError, ResponseError), match="WRONGTYPE"):
        await run.settle(u1, settlement("a", [LETTER]), step=0)
    assert await everything(redis) == before


@pytest.mark.parametrize("name", ["pending", "totals", "measures"])
async def test_a_damaged_count_keeps_nothing_from_being_recorded(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, name: str
) -> None:
    run = outbox_of("run")
    u1, _ = await claims_of(enqueue, run)
    await redis.delete(getattr(KEYS, name))
    await redis.rpush(getattr(KEYS, name), "damaged")
    assert await run.settle(u1, settlement("a"), step=0) == 0
    assert await redis.exists(KEYS.outbox + "u1") == 0
    assert await run.seen([digest("a")]) == [True]


async def test_of_settlements_that_come_together_the_damaged_one_is_refused(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis
) -> None:
    run = outbox_of("run")
    u1, u2 = await claims_of(enqueue, run)
    await redis.set(KEYS.dead, "damaged")
    args = [
        [claimed.contact, f"{claimed.token}:0", f"{claimed.token}:1", *arguments(what, {})]
        for claimed, what in ((u1, settlement("a", [LETTER])), (u2, settlement("b")))
    ]
    refused, left = await run._settle_all(args)
    assert isinstance(refused, bytes)
    assert left == 0
    assert await redis.get(KEYS.pending) == b"1"
    assert await redis.hget(KEYS.totals, "delivered") == b"1"
    assert await run.seen([digest("a"), digest("b")]) == [False, True]
    # Repeated, it is still neither half done nor done twice.
    refused, left = await run._settle_all(args)
    assert (type(refused), left) == (bytes, -1)
    assert await redis.get(KEYS.pending) == b"1"


@pytest.mark.parametrize(
    "wrong", [Settlement(taken=2), Settlement(replaced={1: b"entry"}), Settlement(taken=1, replaced={0: b"entry"})]
)
async def test_a_settlement_that_does_not_fit_the_outbox_changes_nothing(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, wrong: Settlement
) -> None:
    run = outbox_of("run")
    u1, _ = await claims_of(enqueue, run)
    before = await everything(redis)
    with pytest.raises(DamagedError, match="to be"):
        await run.settle(u1, wrong, step=0)
    assert await everything(redis) == before


@pytest.mark.parametrize("damaged", [KEYS.outbox + "u2", KEYS.due, KEYS.away])
async def test_an_append_that_fails_takes_nothing_of_its_batch(
    enqueue: Enqueue, redis: FakeAsyncRedis, damaged: str
) -> None:
    await enqueue(("u1", "before"))
    await redis.delete(damaged)
    await redis.set(damaged, "damaged")
    before = await everything(redis)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await enqueue(("u1", "a"), ("u3", "b"), ("u1", "c"), ("u2", "d"), ("u4", "e"))
    assert await everything(redis) == before


async def test_damaged_counts_keep_no_event_out(enqueue: Enqueue, redis: FakeAsyncRedis, clock: Clock) -> None:
    await redis.set(KEYS.pending, "no number")
    await redis.set(KEYS.measures, "no hash")
    await redis.set(f"{KEYS.stats}{clock.ms // 60_000}", "no hash")
    assert await enqueue(("u1", "a"), ("u2", "b"))
    assert await redis.get(KEYS.pending) == b"2"
    assert await redis.zcard(KEYS.due) == 2
