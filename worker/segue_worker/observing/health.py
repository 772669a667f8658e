"""Whether events move: what a container's health check asks. It looks at progress, not at processes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from redis import Redis

from segue_producer.keys import DESTINATIONS, Keys

_MINUTE_MS: Final = 60_000
_BY_PRODUCERS: Final = {b"enqueued"}
"""Counters that producers raise; every other one is raised by a settle."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a destination is.

    Attributes:
        destination: its name.
        paused: whether it is held; then nothing is meant to move.
        oldest_due_ms: unix ms from which the longest waiting contact might have been claimed, or None without any.
        settling: whether anything was settled lately.
    """

    destination: str
    paused: bool
    oldest_due_ms: int | None
    settling: bool


def stalled(progress: Progress, now_ms: int, max_age_ms: int) -> str | None:
    """Why a destination is not healthy, or None where it is.

    Events that wait for the rate limit behind others are no reason: the longest due is claimed first, so as long as
    anything is settled its turn comes.
    """
    if progress.paused or progress.oldest_due_ms is None or progress.settling:
        return None
    age_ms = now_ms - progress.oldest_due_ms
    if age_ms <= max_age_ms:
        return None
    return (
        f"destination {progress.destination!r}: an event has been due for {age_ms / 1000:.0f} s (at most "
        f"{max_age_ms / 1000:.0f} s) and nothing is settled; look at the workers' logs, and restart them"
    )


def unswept(announced_ms: Iterable[int], now_ms: int, max_age_ms: int) -> str | None:
    """Why the sweep is not healthy, or None where it is.

    Args:
        announced_ms: unix ms at which a sweep last announced each destination.
        now_ms: unix ms.
        max_age_ms: how long ago the latest of them may be.
    """
    latest = max(announced_ms, default=None)
    if latest is None:
        return "no sweep has run yet; start beat and a worker"
    if now_ms - latest <= max_age_ms:
        return None
    return (
        f"the last sweep ran {(now_ms - latest) / 1000:.0f} s ago (at most {max_age_ms / 1000:.0f} s); "
        "look at the logs of beat and of the workers, and restart them"
    )


def stalled_destinations(redis: Redis, destinations: Sequence[str], max_age_ms: int) -> list[str]:
    """Why which of the destinations are not healthy.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    now_ms = _server_ms(redis)
    found = [_progress(redis, name, now_ms, max_age_ms) for name in destinations]
    return [reason for progress in found if (reason := stalled(progress, now_ms, max_age_ms))]


def missing_sweep(redis: Redis, max_age_ms: int) -> list[str]:
    """Why the sweep is not healthy: one reason, or none.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    announced = [int(at) for at in redis.hvals(DESTINATIONS)]
    reason = unswept(announced, _server_ms(redis), max_age_ms)
    return [reason] if reason else []


def _progress(redis: Redis, destination: str, now_ms: int, max_age_ms: int) -> Progress:
    keys = Keys(destination)
    with redis.pipeline(transaction=False) as pipe:
        pipe.exists(keys.paused)
        pipe.zrange(keys.due, 0, 0, withscores=True)
        for minute in range((now_ms - max_age_ms) // _MINUTE_MS, now_ms // _MINUTE_MS + 1):
            pipe.hkeys(f"{keys.stats}{minute}")
        paused, oldest, *counters = pipe.execute()
    return Progress(
        destination,
        paused=bool(paused),
        oldest_due_ms=int(oldest[0][1]) if oldest else None,
        settling=any(set(names) - _BY_PRODUCERS for names in counters),
    )


def _server_ms(redis: Redis) -> int:
    seconds, micros = redis.time()
    return int(seconds) * 1000 + int(micros) // 1000
