"""The heartbeat of a run."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from segue_worker.delivery.lease import Lease
from segue_worker.outbox import Claimed, Outbox

from .conftest import KEYS, Bench

BEAT_S = 0.01
"""Of a lease of five heartbeats."""


class Heartbeats:
    """An outbox that only renews; `swallowing` catches its cancellation, as a library may."""

    def __init__(self, *, swallowing: bool = False) -> None:
        self.count = 0
        self.beating = asyncio.Event()
        self._swallowing = swallowing

    async def renew(self, claims: Sequence[Claimed]) -> tuple[bool, set[int], set[int]]:
        del claims
        self.count += 1
        self.beating.set()
        if self._swallowing:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0)
        return True, set(), set()


async def test_a_heartbeat_whose_cancellation_is_swallowed_ends_all_the_same() -> None:
    outbox: Any = Heartbeats(swallowing=True)
    lease = Lease(outbox, 5 * BEAT_S)
    keeping = asyncio.create_task(lease.keep(3600))
    async with asyncio.timeout(10):
        await outbox.beating.wait()
        lease.end()
        keeping.cancel()
        await asyncio.wait([keeping])
        counted = outbox.count
    await asyncio.sleep(3 * BEAT_S)
    assert outbox.count == counted


async def test_a_heartbeat_ends_by_itself_when_the_run_ought_to_be_over() -> None:
    outbox: Any = Heartbeats()
    async with asyncio.timeout(10):
        await Lease(outbox, 5 * BEAT_S).keep(10 * BEAT_S)


async def test_a_request_is_broken_off_when_its_hold_runs_out_though_no_heartbeat_notices() -> None:
    outbox: Any = Heartbeats()
    lease = Lease(outbox, 1.05)
    claimed = Claimed(b"u1", None, [], "token", 0)
    hold = lease.hold(claimed, asyncio.get_running_loop().time())
    with pytest.raises(TimeoutError):
        async with hold.guard():
            await asyncio.sleep(60)
    assert not hold.good()


async def test_what_was_extended_is_not_broken_off_before() -> None:
    outbox: Any = Heartbeats()
    loop = asyncio.get_running_loop()
    hold = Lease(outbox, 1.01).hold(Claimed(b"u1", None, [], "token", 0), loop.time())
    async with hold.guard():
        hold.lasts(loop.time() + 3600)
        await asyncio.sleep(0.05)
    assert hold.good()


async def test_a_heartbeat_that_is_late_does_not_bring_an_ended_run_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would keep the run's place for six seconds, and the destination without a run."""
    renew = Outbox.renew
    beating = asyncio.Event()

    async def late(self: Outbox, claims: Sequence[Claimed]) -> tuple[bool, set[int], set[int]]:
        beating.set()
        await asyncio.sleep(0.05)
        return await renew(self, claims)

    monkeypatch.setattr(Outbox, "renew", late)
    monkeypatch.setattr("segue_worker.delivery.lease._BEATS_PER_LEASE", 600)
    await bench.enqueue({"type": "track", "event": "E", "properties": {"email": "u1@example.com"}})
    await bench.run()
    async with asyncio.timeout(10):
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait([task])
    assert await bench.redis.exists(KEYS.run) == 0
