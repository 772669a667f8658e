"""What Redis holds beside the JSON itself."""

import asyncio
from itertools import islice
from typing import Final

from redis.asyncio import Redis as AsyncRedis
from tests.integration.stack import KEYS, Stack

from benchmarks.measuring import new_stack
from benchmarks.results import Row
from benchmarks.traces import Event, updates
from segue_producer.events import prepare
from segue_worker.outbox import Next, Outbox, Settlement
from segue_worker.outbox.outbox import digest

_DAY_MS: Final = 86_400_000
_DIGESTS_AT_ONCE: Final = 100


def _used(stack: Stack) -> int:
    stack.redis.memory_purge()
    return int(stack.redis.info("memory")["used_memory"])


def _added(stack: Stack, events: list[Event]) -> float:
    """Bytes an event costs beside its JSON."""
    before = _used(stack)
    stack.producer.enqueue(events)
    return (_used(stack) - before - sum(len(prepare(event).json) for event in events)) / len(events)


async def remember(url: str, count: int) -> None:
    """Settle one contact's events again and again, so that many messageIds are remembered."""
    async with AsyncRedis.from_url(url) as client:
        outbox = Outbox(client, "loops", owner="bench", window_ms=_DAY_MS, lease_ms=_DAY_MS)
        (claimed,) = await outbox.claim(1)
        ids = (digest(f"message-{number}") for number in range(count))
        for step in range(count // _DIGESTS_AT_ONCE):
            settlement = Settlement(next=Next.KEEP, digests=list(islice(ids, _DIGESTS_AT_ONCE)))
            await outbox.settle(claimed, settlement, step=step)


def rows(*, contacts: int = 20_000, ids: int = 500_000) -> list[Row]:
    """A waiting contact, a further event of it, a remembered messageId."""
    with new_stack(redis_options=("--appendonly", "no")) as stack:
        stack.producer.track("warm-up", "E")
        first = _added(stack, list(updates(contacts)))
        further = _added(stack, list(updates(contacts, 10)))
        # Valkey would go on freeing while what follows is measured.
        stack.redis.execute_command("FLUSHALL", "SYNC")
        stack.producer.track("warm-up", "E")
        before = _used(stack)
        asyncio.run(remember(stack.server.url, ids))
        remembered = (_used(stack) - before) / ids
        assert stack.redis.exists(KEYS.away)  # noqa: S101 - the claim was real
        # jemalloc rounds the whole list of a contact up to the next of its sizes, of which there are four between a power
        # of two and the next: a tenth is lost on average, and of these lists an eighth. Others keep what they are asked for.
        allocator = stack.redis.info("memory")["mem_allocator"]
    sizes = {"contacts": f"{contacts:,}", "allocator": allocator}
    return [
        Row("Redis per waiting contact", "its JSON", [first], "B", 400, "lower", sizes),
        Row("Redis per further event", "its JSON", [further], "B", 20, "lower", sizes),
        Row("Redis per remembered messageId", "", [remembered], "B", 24, "lower", {"ids": f"{ids:,}"}),
    ]
