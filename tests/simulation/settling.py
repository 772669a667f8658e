"""Liveness: once faults have ended, whatever is due moves within a bound; what must wait for hours does so in a night."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from segue_producer.keys import Keys
from segue_worker.outbox.pause import Pause, PauseKind

if TYPE_CHECKING:
    from tests.simulation.world import World

BOUND_S: Final = 25.0
"""Within so long whatever is due moves, once faults have ended: a claim of six seconds, Redis's and Loops's timeouts."""
LONGEST_PROBE_S: Final = 300.0
LONGEST_BACKOFF_S: Final = 900.0
LONGEST_RETRY_AFTER_S: Final = 3600.0
NIGHTS: Final = 8
NIGHTS_PER_ATTACK: Final = 24
"""What something in between refuses is tried four times, alone and in each merge that it is found in by halves."""


async def settle_down(world: "World") -> None:
    """Wait until all is delivered. What must wait for hours does so while the workers sleep."""
    nights = NIGHTS + NIGHTS_PER_ATTACK * _attacks(world)
    for _ in range(nights):
        if await _drained(world):
            await _forgotten_are_back(world)
            return
        if world.violations:
            return
        await _night(world)
    world.violate("stalled", f"still waiting after {nights} nights: {_waiting(world)}")


def _attacks(world: "World") -> int:
    """How many requests of one contact are refused by something in between, at most."""
    of_each = Counter(event.contact for event in world.plan.events.values() if event.kind == "attack")
    return max(of_each.values(), default=0)


async def _drained(world: "World") -> bool:
    """Whether nothing is left; false where all that is left may wait for longer."""
    began = world.loop.time()
    enqueueing = {sender.task for sender in world.senders if not sender.task.done() and sender.process.alive}
    taken = len(world.truth.acknowledged)
    if enqueueing and (await asyncio.wait(enqueueing, timeout=BOUND_S + 35))[1]:
        # A small `max_pending` is filled by what is parked, and producers get on as that ends.
        if len(world.truth.acknowledged) > taken or any(_may_wait(world, *each) for each in _waiting(world)):
            return False
        world.violate("stalled", f"producers cannot enqueue, {BOUND_S + 35:.0f} s after faults have ended")
        return False
    while waiting := _waiting(world):
        for name in world.names:
            if (pause := _pause(world, name)) and pause.kind in {PauseKind.HAND, PauseKind.BREAKER}:
                world.person.do(world.person.resume, name)
        overdue = [text for name, contact in waiting if (text := _overdue(world, name, contact, began))]
        if overdue:
            world.violate("stalled", "; ".join(overdue[:5]))
            return False
        if world.loop.time() > began + BOUND_S and all(_may_wait(world, *each) for each in waiting):
            return False
        await asyncio.sleep(1.0)
    return True


async def _forgotten_are_back(world: "World") -> None:
    """Wait until contacts that were forgotten while they were claimed are away no more."""
    aways = [Keys(name).away.encode() for name in world.names]
    for _ in range(int(BOUND_S)):
        if not any(world.server.data.get(away) for away in aways):
            return
        await asyncio.sleep(1.0)


def _waiting(world: "World") -> list[tuple[str, str]]:
    return [(name, contact) for name in world.names for contact in world.outboxes(name)]


def _may_wait(world: "World", name: str, contact: str) -> bool:
    """Whether there is a reason for a wait: the contact is parked, or its destination paused, or asked to wait."""
    if world.teams[name].blocked_until > world.loop.time():
        return True
    keys, data = Keys(name), world.server.data
    return keys.paused.encode() in data or contact.encode() in data.get(keys.parked.encode(), ())


def _overdue(world: "World", name: str, contact: str, began: float) -> str:
    """Why a contact should have moved by now, or ""."""
    owed = _owed_at(world, name, contact, began)
    now = world.loop.time()
    if now <= owed:
        return ""
    keys, data = Keys(name), world.server.data
    times = [(key, data.get(key.encode(), {}).get(contact.encode())) for key in (keys.due, keys.bulk, keys.away)]
    ahead = ", ".join(
        f"{key.rpartition(':')[2]} in {at / 1000 - world.unix() - world.redis_clock_s:.1f} s" for key, at in times if at
    )
    lease = data.get(keys.lease.encode(), {}).get(contact.encode(), b"").decode()
    paused = data.get(keys.paused.encode(), b"").decode()
    run = data.get(keys.run.encode(), b"").decode()
    return (
        f"{name} {contact} ({world.outboxes(name).get(contact)} events) has not moved for {now - owed:.0f} s too long: "
        f"{ahead}, lease {lease!r}, run {run!r}, paused {paused!r}"
    )


def _owed_at(world: "World", name: str, contact: str, began: float) -> float:
    """When a contact must have moved at the latest."""
    rate = world.config.destination(name).rate_limit
    queue = sum(world.outboxes(name).values()) * 3 / rate
    last = world.last_sending.get((name, contact))
    began = max(began, world.teams[name].blocked_until)
    base = max(began, last.ended or last.left if last else 0.0) + BOUND_S + queue
    if not _may_wait(world, name, contact):
        return base
    return base + _longest_wait(world, name, contact)


def _pause(world: "World", name: str) -> Pause | None:
    raw = world.server.data.get(Keys(name).paused.encode())
    return None if raw is None else Pause.from_json(raw)


def _longest_wait(world: "World", name: str, contact: str) -> float:
    if _pause(world, name):
        return LONGEST_PROBE_S
    last = world.last_sending.get((name, contact))
    if last is None:
        return 0.0
    team = world.teams[name]
    backoff = min(LONGEST_BACKOFF_S, 2.0 ** min(team.repeats[contact, last.same], 20))
    return max(backoff, min(team.longest_asked, LONGEST_RETRY_AFTER_S))


async def _night(world: "World") -> None:
    """All workers stop, time passes, and they start again."""
    for worker in world.workers:
        worker.wanted = False
        if worker.process.alive:
            worker.stop()
    until = world.loop.time() + 60
    while any(worker.process.alive for worker in world.workers):
        if world.loop.time() > until:
            return
        await asyncio.sleep(0.1)
    now = world.loop.time()
    waiting = [_owed_at(world, name, contact, now) for name, contact in _waiting(world)]
    owed = max(waiting, default=now + BOUND_S) - BOUND_S
    world.tell(f"*** a night of {owed - now:.0f} s")
    await asyncio.sleep(max(0.0, owed - now))
    for worker in world.workers:
        worker.wanted = True
        worker.start()
