"""What a delivery keeps in its run's shared state belongs to its claim."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from segue_sandbox.faults import InjectedFault
from segue_worker.operating.forget import _SCRIPT as FORGET
from segue_worker.outbox import Claimed, Next, Outbox, Settlement

from .conftest import KEYS, Bench

Settle = Callable[..., Awaitable[int | None]]
IDENTIFY = {"type": "identify", "traits": {"email": "u1@example.com"}}
TRACK = {"type": "track", "event": "E", "properties": {"email": "u1@example.com"}}
PATIENCE_S = 10.0


def wrap_settle(
    monkeypatch: pytest.MonkeyPatch, wrapper: Callable[[Settle, Settlement, Claimed], Awaitable[Any]]
) -> None:
    original = Outbox.settle

    async def settle(self: Outbox, claimed: Claimed, settlement: Settlement, **options: Any) -> int | None:
        answer: int | None = await wrapper(lambda: original(self, claimed, settlement, **options), settlement, claimed)
        return answer

    monkeypatch.setattr(Outbox, "settle", settle)


async def test_a_contact_claimed_again_before_its_settlement_is_heard_loses_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first delivery ends while the second, of the same contact in the same run, has its request under way."""
    held_back: list[bool] = []
    first_may_end = asyncio.Event()

    async def hold_back(settle: Settle, settlement: Settlement, claimed: Claimed) -> int | None:
        del claimed
        if settlement.next is Next.RELEASE and not held_back:
            held_back.append(True)
            left = await settle()
            # Redis has settled and released; a new event makes the contact due, and the run claims it again.
            await bench.enqueue({**TRACK, "event": "Second"})
            await first_may_end.wait()
            return left
        return await settle()

    wrap_settle(monkeypatch, hold_back)
    original_seen = Outbox.seen

    async def seen(self: Outbox, digests: Any) -> list[bool]:
        """The second delivery has its hold by now; it begins only when the first has ended."""
        flags = await original_seen(self, digests)
        if held_back:
            first_may_end.set()
            for _ in range(20):
                await asyncio.sleep(0)
        return flags

    monkeypatch.setattr(Outbox, "seen", seen)
    await bench.enqueue({**TRACK, "event": "First"})
    async with asyncio.timeout(PATIENCE_S):
        await bench.run()
    await bench.run()
    assert [body["eventName"] for body in bench.bodies] == ["First", "Second"]
    assert await bench.counters() == {"delivered": 2, "requests": 2}
    assert await bench.pending() == 0


async def test_a_twin_under_way_for_another_contact_is_a_duplicate_once_it_is_settled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.enqueue({**TRACK, "messageId": "m", "userId": "u2"}, {**TRACK, "event": "Own", "userId": "u2"})
    waited: list[bool] = []

    async def slowly(settle: Settle, settlement: Settlement, claimed: Claimed) -> int | None:
        del settlement
        if claimed.contact == b"u1":
            await asyncio.sleep(0.02)
            waited.append(not any(body["eventName"] == "Own" for body in bench.bodies))
        return await settle()

    wrap_settle(monkeypatch, slowly)
    await bench.run()
    assert waited == [True]
    assert [body["eventName"] for body in bench.bodies] == ["E", "Own"]
    assert await bench.counters() == {"delivered": 2, "duplicates": 1, "requests": 2}


async def test_a_twin_that_is_forgotten_while_under_way_makes_no_duplicate_of_the_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.enqueue({**TRACK, "messageId": "m", "userId": "u2"})

    async def forgotten(settle: Settle, settlement: Settlement, claimed: Claimed) -> int | None:
        del settlement
        if claimed.contact == b"u1":
            keys = [KEYS.outbox + "u1", KEYS.due, KEYS.lease, KEYS.parked, KEYS.pending, KEYS.totals, KEYS.away]
            await bench.redis.register_script(FORGET)(
                keys=[*keys, KEYS.damaged + "u1", KEYS.bulk, KEYS.live, KEYS.pending_bulk],
                args=[bench.now_ms, "u1", KEYS.confirmed, 6000],
            )
        return await settle()

    wrap_settle(monkeypatch, forgotten)
    await bench.run()
    assert [body["userId"] for body in bench.bodies] == ["u1", "u2"]
    assert await bench.counters() == {"delivered": 1, "forgotten": 1, "requests": 1}


async def test_a_twin_that_is_not_sent_makes_no_duplicate_of_the_other(bench: Bench) -> None:
    """The first is refused for the key, which pauses; when that is mended, one of the two takes effect."""
    bench.sandbox.faults.add(InjectedFault(status=401, count=1))
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.enqueue({**TRACK, "messageId": "m", "userId": "u2"})
    await bench.run()
    assert (await bench.counters()).get("duplicates", 0) == 0
    assert await bench.pending() == 2
    await bench.redis.delete(KEYS.paused)
    bench.now_ms += 3_600_000
    await bench.run()
    assert len(bench.sandbox.events) == 1
    assert (await bench.counters())["delivered"] + (await bench.counters()).get("duplicates", 0) == 2
    assert await bench.pending() == 0


async def test_a_folded_event_that_was_sent_before_is_recorded_before_its_updates_go(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody resends it under the same key with another body, whenever this process is killed."""
    bench.settings = {"coalesce": "updates_into_events"}
    update = {"type": "identify", "traits": {"email": "u1@example.com", "plan": "pro"}}
    await bench.enqueue({**TRACK, "messageId": "m"})
    await bench.run()
    # A run sent the event, and what it recorded is gone, as when it is killed.
    await bench.redis.flushall()
    await bench.enqueue(update, {"type": "identify", "traits": {"plan": "team"}}, {**TRACK, "messageId": "m"})
    killed: list[bool] = []

    async def kill_after_the_first(settle: Settle, settlement: Settlement, claimed: Claimed) -> int | None:
        del settlement, claimed
        if killed:
            raise asyncio.CancelledError
        killed.append(True)
        return await settle()

    with monkeypatch.context() as patch:
        wrap_settle(patch, kill_after_the_first)
        await bench.run()
    bench.now_ms += 60_000
    await bench.run()
    assert [request["path"] for request in bench.requests].count("/events/send") == 2
    # Together, so that the contact is never taken back to an older value.
    assert [body["plan"] for body in bench.bodies[1:]] == ["team", "team", "team"]
    assert (await bench.counters())["delivered"] == 3
    assert await bench.pending() == 0


async def test_after_a_kill_a_merge_is_sent_again_as_it_was_and_a_later_refusal_takes_nothing_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = [{"type": "identify", "traits": {"email": "u1@example.com", "plan": plan}} for plan in ("a", "b", "c")]
    await bench.enqueue(*plans)

    async def kill(settle: Settle, settlement: Settlement, claimed: Claimed) -> int | None:
        del settle, settlement, claimed
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        wrap_settle(patch, kill)
        await bench.run()
    bench.sandbox.faults.add(InjectedFault(status=400, body_matches="poison"))
    await bench.enqueue({"type": "identify", "traits": {"email": "u1@example.com", "plan": "poison"}})
    bench.now_ms += 60_000
    await bench.run()
    await bench.run()
    assert [body["plan"] for body in bench.bodies] == ["c", "c", "poison"]
    assert await bench.counters() == {"delivered": 3, "dead": 1, "merged": 2, "requests": 2, "interrupted": 1}
