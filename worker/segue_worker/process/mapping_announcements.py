"""Tells which mappings this worker runs, and keeps by the hour what each has done, so that people can compare.

Nothing is counted for it: the counters of all time are noted once an hour.
"""

from typing import Any, Final

import orjson
from redis.asyncio import Redis

from segue_producer.keys import Keys
from segue_worker.config import Config
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
            answers = iter(await pipe.execute())
            for name in names:
                counts = {field: int(count) for field, count in _of_mappings(next(answers))}
                old = [each for each in next(answers) if int(each) <= hour - HOURS]
                key = Keys(name).measured
                pipe.hsetnx(key, str(hour), orjson.dumps([now_ms, counts]))
                if old:
                    pipe.hdel(key, *old)
                pipe.expire(key, HOURS * 3600)
            await pipe.execute()


def _of_mappings(measures: dict[bytes, Any]) -> list[tuple[str, Any]]:
    named = ((name.decode(), count) for name, count in measures.items())
    return [(name, count) for name, count in named if name.partition(":")[0] in {MAPPED, FIRED, FAILED}]
