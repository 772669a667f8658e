"""Deletes dead letters: by hand, and those that are too many or too old."""

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from segue_producer.keys import Keys
from segue_producer.lua import CLOCK, read_script
from segue_worker.config import duration_text

AT_ONCE: Final = 500
_DROP: Final = read_script("segue_worker/operating/dead_letters/drop")
_TRIM: Final = read_script("segue_worker/operating/dead_letters/trim", CLOCK)

log = logging.getLogger(__name__)


def drop(redis: "Redis", destination: str, ids: Sequence[str]) -> Iterator[int]:
    """Delete letters.

    Args:
        redis: client that answers bytes.
        destination: its name.
        ids: of the letters; those that no longer exist are passed over.

    Yields:
        for each 500 ids, how many letters were deleted.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    keys = Keys(destination)
    script = redis.register_script(_DROP)
    for start in range(0, len(ids), AT_ONCE):
        yield int(script(keys=[keys.dead, keys.dead_at, keys.totals], args=ids[start : start + AT_ONCE]))


async def trim(redis: "AsyncRedis", destination: str, keep: timedelta, most: int, *, now_ms: int = 0) -> int:
    """Delete the oldest letters beyond the limits, log a warning about it, and count them as `dead_dropped`.

    Args:
        redis: client that answers bytes.
        destination: its name.
        keep: how long a letter is kept.
        most: how many are kept.
        now_ms: unix ms, or 0 for the server's clock.

    Returns:
        how many were deleted.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    keys = Keys(destination)
    script = redis.register_script(_TRIM)
    args = [now_ms, int(keep.total_seconds() * 1000), most, AT_ONCE]
    deleted = 0
    while True:
        count = int(await script(keys=[keys.dead, keys.dead_at, keys.totals], args=args))
        deleted += count
        if count < AT_ONCE:
            break
    if deleted:
        log.warning(
            "deleted the oldest dead letters of %s (%d): at most %d are kept, each for %s",
            *(destination, deleted, most, duration_text(keep)),
        )
    return deleted
