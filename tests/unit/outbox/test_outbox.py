"""The Lua scripts, step by step."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from segue_producer import OutboxFull
from segue_producer.keys import Keys
from segue_worker.outbox import Claimed, Next, Outbox, Settlement
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.outbox.entry import read_entry
from segue_worker.outbox.outbox import digest
from segue_worker.outbox.pause import Pause
from segue_worker.outbox.redis_time import RedisTime

from .conftest import DAY_MS, LEASE_MS, Clock

Enqueue = Callable[..., Awaitable[bool]]
OutboxOf = Callable[[str], Outbox]
KEYS = Keys("loops")
DONE = Settlement(taken=1, next=Next.RELEASE)


def ids(entries: Sequence[bytes | str]) -> list[str]:
    return [read_entry(entry).message_id for entry in entries if isinstance(entry, bytes)]


async def test_events_of_a_contact_are_claimed_in_enqueue_order(enqueue: Enqueue, outbox_of: OutboxOf) -> None:
    await enqueue(("u1", "a"), ("u2", "b"), ("u1", "c"))
    await enqueue(("u1", "d"))
    claimed = {item.contact: ids(item.entries) for item in await outbox_of("run").claim(10)}
    assert claimed == {b"u1": ["a", "c", "d"], b"u2": ["b"]}


async def test_a_claimed_contact_is_nobody_elses_until_its_lease_ends(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    await enqueue(("u1", "a"))
    assert await outbox_of("first").claim(10)
    clock.ms += LEASE_MS - 1
    assert await outbox_of("second").claim(10) == []
    clock.ms += 1
    assert [item.contact for item in await outbox_of("second").claim(10)] == [b"u1"]


async def test_a_heartbeat_keeps_the_claim(enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock) -> None:
    first = outbox_of("first")
    await first.start(1)
    await enqueue(("u1", "a"))
    claims = await first.claim(10)
    clock.ms += LEASE_MS - 1
    assert (await first.renew(claims))[:2] == (True, set())
    clock.ms += LEASE_MS - 1
    assert await outbox_of("second").claim(10) == []


async def test_a_heartbeat_tells_which_claims_were_lost(enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock) -> None:
    first = outbox_of("first")
    await first.start(1)
    await enqueue(("u1", "a"), ("u2", "b"))
    (lost,) = await first.claim(1)
    (kept,) = await first.claim(1)
    clock.ms += LEASE_MS
    await first.renew([kept])
    await outbox_of("second").claim(10)
    assert (await first.renew([kept, lost]))[:2] == (True, {1})


async def test_a_heartbeat_of_an_earlier_claim_of_the_same_run_is_told_that_it_is_lost(
    enqueue: Enqueue, outbox_of: OutboxOf
) -> None:
    await enqueue(("u1", "a"), ("u1", "b"))
    run = outbox_of("run")
    (first,) = await run.claim(1)
    await run.settle(first, DONE, step=0)
    (second,) = await run.claim(1)
    assert (await run.renew([first, second]))[:2] == (True, {0})


async def test_a_stale_owner_changes_nothing(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock, redis: FakeAsyncRedis
) -> None:
    await enqueue(("u1", "a"))
    stale = outbox_of("stale")
    (u1,) = await stale.claim(1)
    clock.ms += LEASE_MS
    await outbox_of("next").claim(1)
    assert await stale.settle(u1, DONE._replace(digests=[digest("a")], counters={"delivered": 1}), step=0) is None
    assert await redis.llen(KEYS.outbox + "u1") == 1
    assert await redis.get(KEYS.pending) == b"1"
    assert await redis.hget(KEYS.totals, "delivered") is None
    assert await stale.seen([digest("a")]) == [False]


async def test_a_settlement_that_is_repeated_is_recorded_once(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis
) -> None:
    await enqueue(("u1", "a"), ("u1", "b"), ("u1", "c"))
    run = outbox_of("run")
    (u1,) = await run.claim(1)
    settlement = Settlement(taken=1, digests=[digest("a")], counters={"delivered": 1})
    assert await run.settle(u1, settlement, step=0) == 2
    assert await run.settle(u1, settlement, step=0) == 2
    assert ids(await redis.lrange(KEYS.outbox + "u1", 0, -1)) == ["b", "c"]
    assert await redis.hget(KEYS.totals, "delivered") == b"1"
    assert await run.settle(u1, settlement, step=1) == 1


async def test_a_settlement_repeated_after_the_next_claim_of_the_same_run_changes_nothing(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis
) -> None:
    """Its answer was lost, and the run found the contact due again before it tried anew."""
    await enqueue(("u1", "a"), ("u1", "b"))
    run = outbox_of("run")
    (first,) = await run.claim(1)
    assert await run.settle(first, DONE, step=0) == 1
    (second,) = await run.claim(1)
    assert await run.settle(first, DONE, step=0) is None
    assert ids(await redis.lrange(KEYS.outbox + "u1", 0, -1)) == ["b"]
    assert await run.settle(second, DONE, step=0) == 0


async def test_a_claim_that_no_settle_ended_is_counted_as_interrupted_and_told_of_until_something_is_recorded(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, clock: Clock
) -> None:
    await enqueue(("u1", "a"), ("u1", "b"))
    for owner, told in (("killed", 0), ("killed too", 1), ("third", 2)):
        third = outbox_of(owner)
        (u1,) = await third.claim(1)
        assert u1.interrupted == told
        clock.ms += LEASE_MS
    assert await third.settle(u1, Settlement(taken=1), step=1) is None
    assert await third.settle(u1, Settlement(taken=1), step=0) == 1
    assert await third.settle(u1, Settlement(taken=1), step=0) == 1, "a repeat"
    assert (await third.renew([u1]))[:2] == (True, set())
    clock.ms += LEASE_MS
    (u1,) = await outbox_of("fourth").claim(1)
    assert u1.interrupted == 1
    stats = f"{KEYS.stats}{clock.ms // 60_000}"
    assert await redis.hget(KEYS.totals, "interrupted") == await redis.hget(stats, "interrupted") == b"3"
    assert await redis.ttl(stats) > 0


async def test_only_the_contacts_of_an_interrupted_claim_are_told_of(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    await enqueue(("u1", "a"))
    await outbox_of("killed").claim(1)
    await enqueue(("u2", "b"))
    clock.ms += LEASE_MS
    claimed = await outbox_of("next").claim(2)
    assert {item.contact: item.interrupted for item in claimed} == {b"u1": 1, b"u2": 0}


@pytest.mark.parametrize("then", [Next.RELEASE, Next.PARK])
async def test_a_claim_that_ended_is_not_interrupted(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, clock: Clock, then: Next
) -> None:
    await enqueue(("u1", "a"), ("u1", "b"), ("u1", "c"))
    run = outbox_of("run")
    (u1,) = await run.claim(1)
    await run.settle(u1, Settlement(taken=1), step=0)
    await run.settle(u1, Settlement(taken=1, next=then, park_for_ms=5000, parked=b"request"), step=1)
    clock.ms += LEASE_MS
    (u1,) = await run.claim(1)
    assert u1.interrupted == 0
    assert await redis.hget(KEYS.totals, "interrupted") is None


async def test_settlements_that_come_together_are_judged_each_by_itself(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, clock: Clock
) -> None:
    contacts = [b"u1", b"u2", b"u3", b"u4"]
    await enqueue(*((contact.decode(), f"{contact.decode()}-{turn}") for contact in contacts for turn in range(2)))
    run = outbox_of("run")
    claims = await run.claim(4)
    assert [claimed.contact for claimed in claims] == contacts

    def settlement(contact: bytes) -> Settlement:
        message_id = f"{contact.decode()}-0"
        return Settlement(
            taken=1,
            digests=[digest(message_id), digest(f"also {message_id}")],
            counters={"delivered": 1, "requests": 2},
            measures={"took:5": 3, "mapped": 1},
            explanations={message_id: b"{}"},
            record=message_id.encode(),
        )

    assert await run.settle(claims[1], settlement(b"u2"), step=0) == 1
    clock.ms += LEASE_MS
    await run.renew([claims[0], claims[1], claims[3]])
    await outbox_of("other").claim(4)
    lefts = await asyncio.gather(*(run.settle(claimed, settlement(claimed.contact), step=0) for claimed in claims))
    assert lefts == [1, 1, None, 1]
    assert await redis.get(KEYS.pending) == b"5"
    assert await redis.hgetall(KEYS.totals) == {b"delivered": b"3", b"requests": b"6", b"interrupted": b"1"}
    measures = await redis.hgetall(KEYS.measures)
    assert (measures[b"took:5"], measures[b"mapped"]) == (b"9", b"3")
    stats = await redis.hgetall(f"{KEYS.stats}{clock.ms // 60_000}")
    assert (stats[b"delivered"], stats[b"took:5"], stats.get(b"mapped")) == (b"3", b"9", None)
    log: Any = await redis.xrange(KEYS.log)
    assert [fields[b"e"] for _, fields in log] == [b"u2-0", b"u1-0", b"u4-0"]
    assert set(await redis.hkeys(KEYS.because)) == {b"u2-0", b"u1-0", b"u4-0"}
    asked = [f"{also}{contact.decode()}-0" for contact in contacts for also in ("", "also ")]
    assert await run.seen([digest(message_id) for message_id in asked]) == [
        True,
        True,
        True,
        True,
        False,
        False,
        True,
        True,
    ]


async def test_release_makes_the_rest_due_and_forgets_an_empty_contact(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, clock: Clock
) -> None:
    await enqueue(("u1", "a"), ("u1", "b"))
    run = outbox_of("run")
    (u1,) = await run.claim(1)
    assert await run.settle(u1, DONE, step=0) == 1
    assert await redis.zscore(KEYS.due, "u1") == clock.ms
    (u1,) = await run.claim(1)
    assert await run.settle(u1, DONE, step=0) == 0
    assert await redis.zcard(KEYS.due) == 0
    assert await redis.hlen(KEYS.lease) == 0
    assert await redis.get(KEYS.pending) == b"0"


async def test_a_parked_contact_waits_with_its_later_events_and_keeps_its_request(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    await enqueue(("u1", "a"))
    run = outbox_of("run")
    (u1,) = await run.claim(1)
    await run.settle(u1, Settlement(next=Next.PARK, park_for_ms=5000, parked=b"request"), step=0)
    await enqueue(("u1", "b"))
    clock.ms += 4999
    assert await run.claim(1) == []
    clock.ms += 1
    (item,) = await run.claim(1)
    assert (item.parked, ids(item.entries)) == (b"request", ["a", "b"])


async def test_partly_delivered_events_are_replaced_where_they_stand(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis
) -> None:
    await enqueue(("u1", "a"), ("u1", "b"), ("u1", "c"))
    run = outbox_of("run")
    (u1,) = await run.claim(1)
    await run.settle(u1, Settlement(taken=1, replaced={0: b"rest of b"}), step=0)
    await run.settle(u1, Settlement(replaced={1: b"rest of c"}), step=1)
    assert await redis.lrange(KEYS.outbox + "u1", 0, -1) == [b"rest of b", b"rest of c"]


async def test_after_an_interrupted_claim_only_its_events_are_claimed_until_one_ends(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    await enqueue(("u1", "a"), ("u1", "b"), ("u1", "c"))
    killed = outbox_of("killed")
    (u1,) = await killed.claim(1)
    await killed.settle(u1, Settlement(taken=1), step=0)
    await enqueue(("u1", "d"))
    for owner in ("next", "and the next"):
        clock.ms += LEASE_MS
        run = outbox_of(owner)
        (u1,) = await run.claim(1)
        assert ids(u1.entries) == ["b", "c"]
    await run.settle(u1, DONE, step=0)
    (u1,) = await run.claim(1)
    assert ids(u1.entries) == ["c", "d"]


async def test_settled_message_ids_are_remembered_for_at_least_a_window_and_then_forgotten(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    await enqueue(("u1", "a"))
    run = outbox_of("run")
    (u1,) = await run.claim(1)
    # 300 neighbours share the packed strings with it.
    others = [digest(f"other {number}") for number in range(300)]
    await run.settle(u1, DONE._replace(digests=[digest("a"), *others]), step=0)
    assert await run.seen([digest("a"), digest("b"), others[7]]) == [True, False, True]
    clock.ms += DAY_MS
    assert await run.seen([digest("a")]) == [True]
    clock.ms += DAY_MS
    assert await run.seen([digest("a")]) == [False]


async def test_dead_letters_are_kept_with_their_time(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, clock: Clock
) -> None:
    await enqueue(("u1", "a"))
    run = outbox_of("run")
    (u1,) = await run.claim(1)
    letter = DeadLetter("refused", "detail", "u1", ("m",), ("a",), ("{}",), at=clock.ms, request={"body": "{}"})
    await run.settle(u1, DONE._replace(dead=[letter]), step=0)
    kept = await redis.hget(KEYS.dead, letter.id)
    assert kept is not None
    assert DeadLetter.from_json(kept) == letter
    assert await redis.zscore(KEYS.dead_at, letter.id) == clock.ms


async def test_a_hint_is_wanted_only_while_no_run_is_alive(enqueue: Enqueue, outbox_of: OutboxOf) -> None:
    assert await enqueue(("u1", "a"))
    assert not await enqueue(("u2", "b")), "a burst of appends sends one hint"
    run = outbox_of("run")
    assert await run.start(1)
    assert not await enqueue(("u3", "c"))
    for claimed in await run.claim(10):
        await run.settle(claimed, DONE, step=0)
    assert await run.finish(leave=False) == "ended"
    assert await enqueue(("u4", "d"))


async def test_a_run_ends_only_when_nothing_is_due(enqueue: Enqueue, outbox_of: OutboxOf) -> None:
    run = outbox_of("run")
    await run.start(1)
    await enqueue(("u1", "a"))
    assert await run.finish(leave=False) == "go on"
    assert await run.finish(leave=True) == "hint"
    assert await outbox_of("next").start(1)


async def test_as_many_runs_as_allowed_live_at_once(outbox_of: OutboxOf) -> None:
    assert [await outbox_of(str(number)).start(2) for number in range(3)] == [True, True, False]


async def test_starting_twice_is_starting_once(outbox_of: OutboxOf) -> None:
    run = outbox_of("run")
    assert await run.start(1)
    assert await run.start(1)
    assert not await outbox_of("other").start(1)


async def test_a_paused_destination_gives_nothing_and_wants_no_hint(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    run = outbox_of("run")
    pause = Pause("by hand", clock.ms, None)
    await run.pause(pause)
    assert not await enqueue(("u1", "a"))
    assert await run.claim(1) == []
    assert await run.paused() == pause
    assert not await run.pause(replace(pause, reason="another"))
    assert not await run.replace_pause(replace(pause, reason="another"), None)
    assert await run.replace_pause(pause, None)
    assert len(await run.claim(1)) == 1


async def test_a_full_outbox_takes_nothing_of_a_batch(enqueue: Enqueue, redis: FakeAsyncRedis) -> None:
    await redis.hset(KEYS.settings, "max_pending", 2)
    await enqueue(("u1", "a"))
    with pytest.raises(OutboxFull, match="events pending: 1, at most 2"):
        await enqueue(("u1", "b"), ("u2", "c"))
    assert await redis.get(KEYS.pending) == b"1"
    assert await redis.llen(KEYS.outbox + "u1") == 1


async def test_a_contact_keeps_its_place_through_claims_that_lapse_are_returned_or_end_parked(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    began = clock.ms
    await enqueue(("first", "a"))
    clock.ms += 1000
    await enqueue(("second", "b"))
    clock.ms += 1000
    run = outbox_of("run")
    (first,) = await run.claim(1)
    assert (first.contact, first.since) == (b"first", began)
    await run.settle(first, Settlement(next=Next.RETURN), step=0)
    (first,) = await run.claim(1)
    assert (first.contact, first.since) == (b"first", began)
    clock.ms += LEASE_MS
    (first,) = await run.claim(1)
    assert (first.contact, first.since) == (b"first", began), "its claim had lapsed"
    parked = b'{"since":%d}' % first.since
    await run.settle(first, Settlement(next=Next.PARK, park_for_ms=3000, parked=parked), step=0)
    await enqueue(("first", "c"))
    clock.ms += 3000
    (first,) = await run.claim(1)
    assert (first.contact, first.since) == (b"first", began), "its pause was over"
    await run.settle(first, Settlement(taken=1, next=Next.RELEASE), step=0)
    assert [item.contact for item in await run.claim(2)] == [b"second", b"first"], "it had its turn"


async def test_a_clock_that_is_set_back_holds_up_nobody_for_more_than_a_lease(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    await enqueue(("claimed", "a"), ("parked", "b"), ("waits", "c"))
    killed = outbox_of("killed")
    await killed.start(1)
    claims = {item.contact: item for item in await killed.claim(2)}
    await killed.settle(claims[b"parked"], Settlement(next=Next.PARK, park_for_ms=4000, parked=b"{}"), step=0)
    clock.ms -= 3_600_000
    run = outbox_of("run")
    assert await run.start(1), "the killed run's string lives on by the server's clock"
    assert [item.contact for item in await run.claim(10)] == [b"waits"]
    clock.ms += 4000
    assert [item.contact for item in await run.claim(10)] == [b"parked"]
    clock.ms += LEASE_MS - 4000
    assert b"claimed" in [item.contact for item in await run.claim(10)]


async def test_who_waits_after_a_pause_or_a_claim_is_claimed_though_the_clock_is_set_back(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    await enqueue(("claimed", "a"), ("parked", "b"))
    killed = outbox_of("killed")
    claims = {item.contact: item for item in await killed.claim(2)}
    parked = b'{"since":%d}' % clock.ms
    await killed.settle(claims[b"parked"], Settlement(next=Next.PARK, park_for_ms=LEASE_MS, parked=parked), step=0)
    clock.ms += LEASE_MS
    await outbox_of("looks").claim(0)
    clock.ms -= 3_600_000
    assert {item.contact for item in await outbox_of("run").claim(10)} == {b"claimed", b"parked"}


async def test_what_an_older_version_left_behind_is_claimed_when_its_time_comes(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, clock: Clock
) -> None:
    """Claimed and parked contacts stood among those that wait, by the time at which they would wait again."""
    await enqueue(("claimed", "a"), ("parked", "b"), ("waits", "c"))
    await redis.zadd(KEYS.due, {"claimed": clock.ms + 5000, "parked": clock.ms + 3000})
    await redis.hset(KEYS.lease, "claimed", "owner:1:0")
    await redis.hset(KEYS.parked, "parked", "{}")
    run = outbox_of("run")
    assert [item.contact for item in await run.claim(10)] == [b"waits"]
    clock.ms += 3000
    assert [item.contact for item in await run.claim(10)] == [b"parked"]
    clock.ms += 2000
    (claimed,) = await run.claim(1)
    assert (claimed.contact, claimed.interrupted) == (b"claimed", 1)


async def test_a_contact_given_back_unsent_after_an_interrupted_claim_is_still_claimed_as_it_was(
    enqueue: Enqueue, outbox_of: OutboxOf, redis: FakeAsyncRedis, clock: Clock
) -> None:
    await enqueue(("u1", "a"))
    await outbox_of("killed").claim(1)
    await enqueue(("u1", "b"))
    clock.ms += LEASE_MS
    for _ in range(3):
        run = outbox_of("leaves")
        (u1,) = await run.claim(1)
        assert (u1.interrupted, ids(u1.entries), u1.begun_by) == (1, ["a"], "killed")
        assert await run.settle(u1, Settlement(next=Next.RETURN), step=0) == 2
    assert await redis.hget(KEYS.totals, "interrupted") == b"1"
    (u1,) = await run.claim(1)
    assert await run.settle(u1, Settlement(taken=1, next=Next.RETURN), step=0) == 1
    (u1,) = await run.claim(1)
    assert (u1.interrupted, ids(u1.entries)) == (0, ["b"])


async def test_a_contact_with_ever_new_events_does_not_stay_before_all_others(
    enqueue: Enqueue, outbox_of: OutboxOf, clock: Clock
) -> None:
    await enqueue(("busy", "0"))
    clock.ms += 1000
    await enqueue(("quiet", "q"))
    first: list[bytes] = []
    for turn in range(1, 4):
        clock.ms += 1000
        await enqueue(("busy", str(turn)))
        run = outbox_of(f"run {turn}")
        (claimed,) = await run.claim(1)
        first.append(claimed.contact)
        if claimed.contact == b"busy":
            oldest = read_entry(claimed.entries[1]).enqueued
            await run.settle(claimed, Settlement(taken=1, next=Next.RETURN, oldest_ms=oldest), step=0)
        else:
            await run.settle(claimed, DONE, step=0)
    assert first == [b"busy", b"quiet", b"busy"]


async def test_a_claim_holds_where_the_clock_is_set_forward_and_lapses_after_another_lease(
    enqueue: Enqueue, redis: FakeAsyncRedis, clock: Clock
) -> None:
    await enqueue(("u1", "a"))
    passed = 0.0
    known = RedisTime(kept_s=LEASE_MS / 1000, monotonic=lambda: passed)
    known.note(clock.ms)

    def outbox() -> Outbox:
        return Outbox(redis, "loops", owner="o", window_ms=DAY_MS, lease_ms=LEASE_MS, clock_ms=clock, redis_time=known)

    assert await outbox().claim(1)
    clock.ms += 3_600_000
    assert await outbox().claim(1) == []
    known.note(clock.ms)
    for seconds in (LEASE_MS // 1000 - 1, 2):
        passed += seconds
        clock.ms += seconds * 1000
        assert len(await outbox().claim(1)) == (seconds == 2)


async def test_a_claim_from_after_a_step_of_the_clock_holds_where_it_is_set_forward_once_more(
    enqueue: Enqueue, redis: FakeAsyncRedis, clock: Clock
) -> None:
    await enqueue(("u1", "a"), ("u2", "b"))
    known = RedisTime(kept_s=LEASE_MS / 1000, monotonic=lambda: 0.0)
    known.note(clock.ms)
    outbox = Outbox(redis, "loops", owner="o", window_ms=DAY_MS, lease_ms=LEASE_MS, clock_ms=clock, redis_time=known)
    claims: list[Claimed] = []
    for _ in range(2):
        clock.ms += 3_600_000
        known.note(clock.ms)
        claims += await outbox.claim(1)
        # A look that finds nothing must not take what was claimed behind the step for older.
        assert await outbox.claim(0) == []
        await outbox.renew(claims)
    assert [claimed.contact for claimed in claims] == [b"u1", b"u2"]
    await outbox.claim(0)
    clock.ms += 3_600_000
    assert await outbox.claim(2) == []


async def test_nobody_waits_longer_where_the_time_has_passed_in_truth(
    enqueue: Enqueue, redis: FakeAsyncRedis, clock: Clock
) -> None:
    await enqueue(("u1", "a"))
    passed = 0.0
    known = RedisTime(kept_s=LEASE_MS / 1000, monotonic=lambda: passed)
    known.note(clock.ms)
    outbox = Outbox(redis, "loops", owner="o", window_ms=DAY_MS, lease_ms=LEASE_MS, clock_ms=clock, redis_time=known)
    assert await outbox.claim(1)
    passed += 3600
    clock.ms += 3_600_000
    assert await outbox.claim(1)
