"""The queue age of each minute. It cannot be computed afterwards, so the sweep records it for the plots."""

import logging
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from segue_producer.keys import STATS_KEPT_S, Keys
from segue_producer.lua import CLOCK, LANES, WHEN_FULL, read_script
from segue_worker.observing.status import PARKED_LOOKED_AT, WAITS_SINCE
from segue_worker.outbox.counters import OLDEST, OLDEST_BULK

log = logging.getLogger(__name__)
_SCRIPT: Final = read_script("segue_worker/observing/queue_age", CLOCK, WHEN_FULL, LANES, WAITS_SINCE)


async def record_queue_age(redis: "Redis", destinations: Sequence[str], now_ms: int) -> None:
    """Record how long the longest waiting contact of each destination and lane has waited, in one round trip.

    The figure is that of `status.read_statuses`. If one of a destination's keys is damaged, an error is logged.

    Args:
        redis: client that answers bytes.
        destinations: names.
        now_ms: unix ms.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    script = redis.register_script(_SCRIPT)
    async with redis.pipeline(transaction=False) as pipe:
        for name in destinations:
            keys = Keys(name)
            await script(
                keys=[keys.due, keys.parked, f"{keys.stats}{now_ms // 60_000}", keys.lease, keys.bulk, keys.live],
                args=[now_ms, PARKED_LOOKED_AT, STATS_KEPT_S, OLDEST, OLDEST_BULK],
                client=pipe,
            )
        ages = await pipe.execute(raise_on_error=False)
    for name, age in zip(destinations, ages, strict=True):
        if isinstance(age, Exception):
            log.error("the queue age of %s could not be recorded: %s", name, age)
