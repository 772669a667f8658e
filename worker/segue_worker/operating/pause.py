"""Pausing and resuming a destination by hand."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from redis import Redis

from segue_producer.keys import RESUMED_S, Keys
from segue_producer.lua import WHEN_FULL, read_script
from segue_producer.writing import write
from segue_worker.config import duration_text, parse_duration
from segue_worker.outbox.pause import Pause, PauseKind, begin
from segue_worker.outbox.redis_time import time_ms

LONGEST: Final = timedelta(days=365)
_RESUME: Final = read_script("segue_worker/operating/resume", WHEN_FULL)


def read_span(text: str) -> timedelta:
    """Read for how long a destination is to be paused; raises ValueError with what to write instead."""
    span = parse_duration(text)
    if not timedelta(seconds=1) <= span <= LONGEST:
        raise ValueError(
            f"a pause lasts between 1s and {duration_text(LONGEST)}; without a time it lasts until it is resumed"
        )
    return span


def pause(
    redis: "Redis", destination: str, reason: str, now_ms: int = 0, *, for_ms: int | None = None
) -> tuple[Pause, bool]:
    """Pause a destination until a person resumes it, or for a while. If Segue had paused it, no probe resumes it any more.

    Args:
        redis: client that answers bytes.
        destination: its name.
        reason: shown to people.
        now_ms: unix ms, or 0 for the server's clock.
        for_ms: after how many ms it ends by itself; None for never.

    Returns:
        the pause, and whether it was paused already. In that case the time since which it has been paused stays.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    key = Keys(destination).paused
    earlier = redis.get(key)
    now_ms = now_ms or time_ms(redis.time())
    since = (Pause.from_json(earlier).since if earlier else 0) or now_ms
    paused = replace(begin(PauseKind.HAND, reason, since), until=now_ms + for_ms if for_ms else None)
    # Redis ends it: so it is over for all workers at once, also for those of an older version, and where none lives.
    write(redis, "SET", key, paused.to_json(), *(["PX", for_ms] if for_ms else []))
    return paused, bool(earlier)


def resume(redis: "Redis", destination: str) -> bool:
    """Resume a destination, whoever paused it. For `RESUMED_S` it is not paused again because requests are refused.

    Args:
        redis: client that answers bytes.
        destination: its name.

    Returns:
        whether it was paused.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    keys = Keys(destination)
    return bool(redis.register_script(_RESUME)(keys=[keys.paused, keys.resumed], args=[RESUMED_S]))
