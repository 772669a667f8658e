"""What Redis holds beside the JSON itself."""

import asyncio
from itertools import islice
from typing import Final

from redis.asyncio import Redis as AsyncRedis

from benchmarks.results import Row
from benchmarks.stage import KEYS, Stage
from benchmarks.traces import Event, updates
from segue_producer.events import prepare
from segue_worker.outbox import Next, Outbox, Settlement
from segue_worker.outbox.outbox import digest

_DAY_MS: Final = 86_400_000
_DIGESTS_AT_ONCE: Final = 100


def _used(stage: Stage) -> int:
    stage.redis.memory_purge()
    return int(stage.redis.info("memory")["used_memory"])


def _added(stage: Stage, events: list[Event]) -> float:
    """Bytes an event costs beside its JSON."""
    before = _used(stage)
    stage.enqueue(events)
    return (_used(stage) - before - sum(len(prepare(event).json) for event in events)) / len(events)


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
    with Stage(redis_options=("--appendonly", "no")) as stage:
        stage.producer.track("warm-up", "E")
        first = _added(stage, list(updates(contacts)))
        further = _added(stage, list(updates(contacts, 10)))
        stage.redis.flushall()
        stage.producer.track("warm-up", "E")
        before = _used(stage)
        asyncio.run(remember(stage.server.url, ids))
        remembered = (_used(stage) - before) / ids
        assert stage.redis.exists(KEYS.due)  # noqa: S101 - the claim was real
    sizes = {"contacts": f"{contacts:,}"}
    return [
        Row("Redis per waiting contact", "its JSON", [first], "B", 400, "lower", sizes),
        Row("Redis per further event", "its JSON", [further], "B", 20, "lower", sizes),
        Row("Redis per remembered messageId", "", [remembered], "B", 24, "lower", {"ids": f"{ids:,}"}),
    ]
