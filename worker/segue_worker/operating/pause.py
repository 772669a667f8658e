"""Pausing and resuming a destination by hand."""

from typing import Final

from redis import Redis

from segue_producer.keys import RESUMED_S, Keys
from segue_producer.lua import WHEN_FULL, read_script
from segue_worker.outbox.pause import Pause, PauseKind, begin

_RESUME: Final = read_script("segue_worker/operating/resume", WHEN_FULL)


def pause(redis: "Redis", destination: str, reason: str, now_ms: int) -> bool:
    """Pause a destination until a person resumes it. If Segue had paused it, no probe resumes it any more.

    Args:
        redis: client that answers bytes.
        destination: its name.
        reason: shown to people.
        now_ms: unix ms.

    Returns:
        whether it was paused already. In that case the time since which it has been paused stays.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    key = Keys(destination).paused
    earlier = redis.get(key)
    since = (Pause.from_json(earlier).since if earlier else 0) or now_ms
    redis.set(key, begin(PauseKind.HAND, reason, since).to_json())
    return bool(earlier)


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
