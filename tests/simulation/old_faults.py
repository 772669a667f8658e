"""Faults that Segue once had, put back one at a time to show that the simulation finds them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from segue_worker.delivery.backlog import Backlog
from segue_worker.delivery.context import RunContext
from segue_worker.delivery.delivery import Delivery
from segue_worker.delivery.lease import Lease
from segue_worker.outbox import Claimed
from segue_worker.outbox.outgoing import Outgoing
from segue_worker.outbox.redis_time import RedisTime
from tests.simulation import actors


def _surviving_heartbeat() -> Any:
    """A heartbeat trusted its cancellation, which a library may swallow, and renewed the run's key for ever."""

    async def keep(self: Lease, _seconds: float) -> None:
        while True:
            await asyncio.sleep(self._seconds / 5)
            await self._renew()

    return patch.object(Lease, "keep", keep)


def _apart_key() -> Any:
    """That a merge was refused and taken apart was known to nobody else; its event went again under the plain key."""

    def take_apart(_self: Backlog, request: Outgoing) -> list[Outgoing]:
        return list(request.parts)

    return patch.object(Backlog, "take_apart", take_apart)


def _claims_by_contact() -> Any:
    """What a delivery keeps belonged to the contact: a late end of one claim ended the next, and lost its events."""
    before, delivered = Delivery.__init__, Delivery.deliver

    def begin(self: Any, claimed: Claimed, run: RunContext, **options: Any) -> None:
        under_way = set(run.in_flight)
        before(self, claimed, run, **options)
        self.elsewhere = under_way.intersection(self.message_ids)

    async def deliver(self: Any, seen: set[str] | None) -> None:
        self._twins = []
        await delivered(self, (await self._seen_after_twins() if seen is None else seen) | self.elsewhere)

    def end(self: Any) -> None:
        for message_id in self.message_ids:
            self._run.in_flight.pop(message_id, None)
        for hold in list(self._run.lease._holds):
            if hold.claimed.contact == self._claimed.contact:
                hold.lasts(0.0)
                self._run.lease.let_go(hold)

    return patch.multiple(Delivery, __init__=begin, deliver=deliver, end=end)


def _forget_race() -> Any:
    """Forgetting returned at once; a request of theirs that waited for its slot left afterwards."""
    return patch.object(actors, "sleep", lambda _seconds: None)


def _clock_forward() -> Any:
    """A clock that was set forward made claims lapse whose requests were under way."""
    return patch.object(RedisTime, "expected", lambda _self: "")


OLD_FAULTS: Final[dict[str, Callable[[], Any]]] = {
    "surviving-heartbeat": _surviving_heartbeat,
    "apart-key": _apart_key,
    "claims-by-contact": _claims_by_contact,
    "forget-race": _forget_race,
    "clock-forward": _clock_forward,
}


@contextmanager
def put_back(name: str | None) -> Iterator[None]:
    """Put a fault back for a while; none where there is no name."""
    if name is None:
        yield
        return
    with OLD_FAULTS[name]():
        yield
