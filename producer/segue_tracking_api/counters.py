"""The counters of the Tracking API.

They are fields of `segue:tracking-api:totals` and `segue:tracking-api:stats:<minute>` (`segue_producer.keys`):

    requests                            requests that carried events and were answered 200
    accepted                            events that went into the outbox of at least one destination
    rejected                            events that violate the spec or a limit, and became dead letters
    discarded                           those of them that did not, because public write keys may fill only so many a minute
    dropped_page, _screen, _group, _alias   calls for which Loops has no action
    refused:<code>                      requests with events that were answered with an error, by its code

They are collected in the process and written once a second, so that requests need not wait for them. A process that is
killed loses the counts of its last second, but no events.
"""

import asyncio
import logging
import time
from collections import Counter
from typing import Final

from redis import asyncio as redis
from redis import exceptions

from segue_producer.keys import STATS_KEPT_S, TRACKING_STATS, TRACKING_TOTALS
from segue_tracking_api.intake import Intake

log = logging.getLogger(__name__)

FLUSHED_EVERY_S: Final = 1.0


class Counters:
    """Collects counts in memory, which `run` writes to Redis.

    Args:
        client: client of the Redis that holds the outbox.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client
        self._counts: Counter[str] = Counter()
        self._rejected = 0
        self._first_reason = ""

    def took(self, intake: Intake) -> None:
        """Count a request whose events are stored in Redis."""
        self._counts["discarded"] += intake.discarded
        rejected = len(intake.rejected) + intake.unlisted
        self._counts["requests"] += 1
        self._counts["accepted"] += len(intake.accepted)
        for call, count in intake.dropped.items():
            self._counts[f"dropped_{call}"] += count
        if rejected:
            self._counts["rejected"] += rejected
            self._rejected += rejected
            self._first_reason = self._first_reason or intake.rejected[0].refused.detail

    def refused(self, code: str) -> None:
        """Count a request that was answered with an error."""
        self._counts[f"refused:{code}"] += 1

    async def run(self) -> None:
        """Write the counts once a second, until this is cancelled."""
        while True:
            await asyncio.sleep(FLUSHED_EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write the counts. If Redis does not answer, they are kept for the next time."""
        self._log_rejected()
        counts, self._counts = self._counts, Counter()
        counts = +counts
        if not counts:
            return
        minute = f"{TRACKING_STATS}{int(time.time()) // 60}"
        try:
            pipe = self._redis.pipeline(transaction=False)
            for name, count in counts.items():
                pipe.hincrby(TRACKING_TOTALS, name, count)
                pipe.hincrby(minute, name, count)
            pipe.expire(minute, STATS_KEPT_S)
            await pipe.execute()
        except (exceptions.RedisError, OSError) as error:
            log.debug("counts wait for Redis: %s", type(error).__name__)
            self._counts.update(counts)

    def _log_rejected(self) -> None:
        """Log at most one line a second. A reason names fields, and never quotes what they hold."""
        if self._rejected:
            log.warning("Rejected events: %d. The first one because: %s", self._rejected, ascii(self._first_reason))
            self._rejected, self._first_reason = 0, ""
