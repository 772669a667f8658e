"""After a person is forgotten no request for them leaves, however far its delivery was."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer

from segue_sandbox.core import Sandbox
from segue_sandbox.switches import Switches
from segue_worker.operating.forget import Forgotten, forget_here
from segue_worker.outbox import Next, Settlement
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.pacing import Pacer

from .conftest import KEYS, Bench

TRACK = {"type": "track", "event": "E", "properties": {"email": "u1@example.com"}}
OTHER = {"type": "track", "event": "Other", "userId": "u2", "properties": {"email": "u2@example.com"}}


@pytest.fixture
def server() -> FakeServer:
    return FakeServer(version=(6, 2))


@pytest.fixture
async def bench(server: FakeServer) -> AsyncIterator[Bench]:
    async with FakeAsyncRedis(server=server) as redis:
        yield Bench(redis, Sandbox(Switches(rate_limit=10_000)))


async def forget(server: FakeServer, identity: str, waited: list[float]) -> Forgotten:
    def forget_and_wait() -> Forgotten:
        with FakeRedis(server=server) as redis:
            return forget_here(redis, "loops", identity, wait=waited.append)

    return await asyncio.to_thread(forget_and_wait)


async def test_a_request_that_waits_for_its_slot_does_not_leave(
    bench: Bench, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed, go_on = asyncio.Event(), asyncio.Event()
    original = Pacer.slot

    async def slot(self: Pacer, **options: Any) -> Any:
        found = await original(self, **options)
        claimed.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(Pacer, "slot", slot)
    await bench.enqueue(TRACK, OTHER)
    running = asyncio.create_task(bench.run())
    async with asyncio.timeout(30):
        await claimed.wait()
        waited: list[float] = []
        assert (await forget(server, "U1@example.com", waited)).events == 1
        (seconds,) = waited
        assert 0 < seconds <= 6
        # What it waits for: by then the heartbeat has told the delivery, or the claim has lapsed.
        await asyncio.sleep(seconds)
        go_on.set()
        await running
    assert [body["eventName"] for body in bench.bodies] == ["Other"]
    assert await bench.counters() == {"delivered": 1, "forgotten": 1, "requests": 1}
    assert await bench.pending() == 0
    bench.now_ms += 8000
    await bench.run()
    assert await bench.redis.exists(KEYS.due, KEYS.away, KEYS.lease, KEYS.parked) == 0


async def test_what_comes_after_waits_until_the_old_claim_has_lapsed(bench: Bench, server: FakeServer) -> None:
    """Else two requests of the contact might be under way at once."""
    await bench.enqueue(TRACK)
    (claimed,) = await bench.outbox("another").claim(1)
    await forget(server, "u1", [])
    await bench.enqueue({**TRACK, "event": "After"})
    await bench.run()
    assert bench.bodies == []
    assert (await bench.outbox("another").renew([claimed]))[:2] == (True, {0})
    bench.now_ms += 8000
    await bench.run()
    assert [body["eventName"] for body in bench.bodies] == ["After"]
    assert await bench.counters() == {"delivered": 1, "forgotten": 1, "requests": 1}
    assert await bench.redis.exists(KEYS.due, KEYS.away, KEYS.lease, KEYS.parked) == 0


async def test_nobody_waits_for_who_is_not_being_delivered(bench: Bench, server: FakeServer) -> None:
    await bench.enqueue(TRACK, OTHER)
    waited: list[float] = []
    assert (await forget(server, "u1", waited)).events == 1
    assert waited == []
    await bench.run()
    assert [body["eventName"] for body in bench.bodies] == ["Other"]


async def test_nothing_is_recorded_of_a_delivery_that_was_under_way(bench: Bench, server: FakeServer) -> None:
    await bench.enqueue(TRACK)
    holder = bench.outbox("another")
    (claimed,) = await holder.claim(1)
    waited: list[float] = []
    assert (await forget(server, "u1", waited)).events == 1
    assert len(waited) == 1
    letter = DeadLetter("refused", "", "u1", (), (), (), at=1)
    settlement = Settlement(taken=1, next=Next.RELEASE, dead=[letter], record=b"record", counters={"dead": 1})
    assert await holder.settle(claimed, settlement, step=0) is None
    assert await bench.redis.exists(KEYS.log, KEYS.dead) == 0
    assert (await holder.renew([claimed]))[:2] == (True, {0})
