"""Live contacts go before bulk, in any state; what the model says of single steps is told here as a story."""

from collections.abc import Awaitable, Callable

import pytest
from fakeredis import FakeAsyncRedis

from segue_producer import append
from segue_producer.errors import OutboxFull
from segue_producer.events import prepare
from segue_producer.keys import Keys
from segue_producer.lanes import Lane
from segue_worker.outbox import Claimed, Next, Outbox, Settlement

from .conftest import LEASE_MS, Clock

KEYS = Keys("loops")
OutboxOf = Callable[[str], Outbox]


@pytest.fixture
def add(redis: FakeAsyncRedis, clock: Clock) -> Callable[..., Awaitable[bool]]:
    """Append one track event each of some contacts. Answers whether a hint is wanted."""

    async def add(lane: Lane, *contacts: str) -> bool:
        events = [prepare({"type": "track", "userId": contact, "event": "E"}) for contact in contacts]
        keys, args = append.arguments(KEYS, events, lane=lane, now_ms=clock.ms)
        return append.hint_needed(await redis.register_script(append.APPEND_SCRIPT)(keys=keys, args=args), "loops")

    return add


def names(claims: list[Claimed]) -> list[tuple[str, int]]:
    """Contact and number of live events of each claim."""
    return [(claimed.contact.decode(), claimed.live) for claimed in claims]


async def test_live_contacts_are_claimed_first_and_each_lane_has_its_own_places(
    add: Callable[..., Awaitable[bool]], outbox_of: OutboxOf, clock: Clock
) -> None:
    await add("bulk", "b1", "b2", "b3")
    clock.ms += 1000
    await add("live", "l1")
    assert names(await outbox_of("run").claim(2, 2)) == [("l1", 1), ("b1", 0), ("b2", 0)]


async def test_a_live_event_takes_what_waits_before_it_along_and_what_comes_after_goes_back(
    add: Callable[..., Awaitable[bool]], outbox_of: OutboxOf, redis: FakeAsyncRedis
) -> None:
    run = outbox_of("run")
    await add("bulk", "u1", "u1")
    await redis.delete(KEYS.hinted)
    assert await add("live", "u1"), "nobody may have been told of a contact that waited in bulk"
    await add("bulk", "u1")
    assert (await redis.zcard(KEYS.bulk), await redis.get(KEYS.pending_bulk)) == (0, b"1")
    (claimed,) = await run.claim(1)
    assert (len(claimed.entries), claimed.live) == (4, 3)
    await run.settle(claimed, Settlement(taken=2, next=Next.RELEASE), step=0)
    assert await redis.zscore(KEYS.due, "u1")
    (claimed,) = await run.claim(1)
    assert (len(claimed.entries), claimed.live) == (2, 1)
    await run.settle(claimed, Settlement(taken=1, next=Next.RELEASE), step=0)
    assert await redis.zrange(KEYS.bulk, 0, -1) == [b"u1"]
    assert await redis.exists(KEYS.due, KEYS.live) == 0


async def test_a_claimed_contact_that_becomes_live_is_told_by_the_heartbeat(
    add: Callable[..., Awaitable[bool]], outbox_of: OutboxOf
) -> None:
    run = outbox_of("run")
    await add("bulk", "u1", "u2")
    claims = await run.claim(0, 2)
    assert await run.renew(claims) == (True, set(), set())
    await add("live", "u2")
    assert await run.renew(claims) == (True, set(), {1})


async def test_a_live_event_does_not_shorten_the_pause_of_a_parked_contact(
    add: Callable[..., Awaitable[bool]], outbox_of: OutboxOf, clock: Clock
) -> None:
    run = outbox_of("run")
    await add("bulk", "u1")
    (claimed,) = await run.claim(0, 1)
    await run.settle(claimed, Settlement(next=Next.PARK, park_for_ms=60_000, parked=b'{"since":1}'), step=0)
    await add("live", "u1")
    clock.ms += 59_000
    assert await run.claim(1, 1) == []
    clock.ms += 1000
    assert names(await run.claim(1, 0)) == [("u1", 2)]


async def test_of_a_claim_that_lapsed_the_set_says_the_lane(
    add: Callable[..., Awaitable[bool]], outbox_of: OutboxOf, clock: Clock, redis: FakeAsyncRedis
) -> None:
    run, other = outbox_of("run"), outbox_of("other")
    await add("bulk", "u1", "u1")
    (claimed,) = await run.claim(0, 1)
    clock.ms += LEASE_MS
    await other.claim(1, 0)
    assert await redis.zrange(KEYS.bulk, 0, -1) == [b"u1"]
    assert await run.settle(claimed, Settlement(taken=1, next=Next.RELEASE), step=0) == 1
    assert await redis.zrange(KEYS.bulk, 0, -1) == [b"u1"]
    assert await redis.get(KEYS.pending_bulk) == b"1"


async def test_a_backfill_leaves_room_for_what_is_live(
    add: Callable[..., Awaitable[bool]], redis: FakeAsyncRedis
) -> None:
    await redis.hset(KEYS.settings, "max_pending", 10)
    await add("bulk", *(f"b{number}" for number in range(9)))
    with pytest.raises(OutboxFull, match="at most 9"):
        await add("bulk", "b9")
    await add("live", "l1")
    with pytest.raises(OutboxFull, match="at most 10"):
        await add("live", "l2")
