"""Tells which mappings this worker runs, and keeps by the hour what each has done, so that people can compare.

Nothing is counted for it: the counters of all time are noted once an hour.
"""

from collections.abc import Mapping
from typing import Final

import orjson
from redis.asyncio import Redis

from segue_producer.keys import Keys
from segue_worker.config import Config
from segue_worker.observing.counts import is_wrong_type, read_counts
from segue_worker.observing.running_mappings import HOUR_MS
from segue_worker.outbox.counters import FAILED, FIRED, MAPPED
from segue_worker.outbox.redis_time import time_ms

MAPPINGS_TOLD_S: Final = 600.0
"""How often it is told: a destination's mappings are known for `KEPT_S` after the last worker with them."""
KEPT_S: Final = 30 * 24 * 3600
HOURS: Final = 25
"""So many of the last hours are kept: a day ago always lies in one of them."""


class MappingAnnouncements:
    """Announces this worker's mappings, on its client's event loop.

    Args:
        redis: client that answers bytes.
        config: what this worker runs.
    """

    def __init__(self, redis: "Redis", config: Config) -> None:
        self._redis = redis
        self._config = config
        self._noted = 0

    async def tell(self) -> None:
        """Tell it. Raises redis.RedisError where Redis does not answer."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for each in self._config.destinations:
                definitions = orjson.dumps([mapping.definition for mapping in each.mappings], default=tuple)
                pipe.set(Keys(each.name).mappings + self._config.version, definitions, ex=KEPT_S)
            await pipe.execute()
        now_ms = time_ms(await self._redis.time())
        if now_ms // HOUR_MS != self._noted:
            await self._note_counts(now_ms)
            self._noted = now_ms // HOUR_MS

    async def _note_counts(self, now_ms: int) -> None:
        """Note the counters at the beginning of the hour, unless another worker has; forget those of long ago."""
        names = [each.name for each in self._config.destinations]
        hour = now_ms // HOUR_MS
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hgetall(Keys(name).measures)
                pipe.hkeys(Keys(name).measured)
            # A damaged key keeps no other destination from its notes.
            answers = iter(await pipe.execute(raise_on_error=False))
            for name in names:
                counts = _of_mappings(read_counts(next(answers)))
                hours = next(answers)
                old = [] if is_wrong_type(hours) else [each for each in hours if not _is_of_the_day(each, hour)]
                key = Keys(name).measured
                pipe.hsetnx(key, str(hour), orjson.dumps([now_ms, counts]))
                if old:
                    pipe.hdel(key, *old)
                pipe.expire(key, HOURS * 3600)
            await pipe.execute(raise_on_error=False)


def _is_of_the_day(field: bytes, hour: int) -> bool:
    """Whether a field names one of the last hours."""
    return field.isdigit() and int(field) > hour - HOURS


def _of_mappings(measures: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in measures.items() if name.partition(":")[0] in {MAPPED, FIRED, FAILED}}
