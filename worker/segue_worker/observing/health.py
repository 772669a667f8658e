"""Whether events are being delivered, for the health checks of containers. It looks at progress, not at processes."""

from collections.abc import Iterable

from redis import Redis

from segue_producer.keys import DESTINATIONS
from segue_worker.config import Config
from segue_worker.observing.counts import read_counts
from segue_worker.observing.destinations import known_beside, orphan_text
from segue_worker.observing.status import Status, read_statuses
from segue_worker.outbox.redis_time import time_ms


def stalled(destination: str, status: Status, max_age_s: float, *, workers: int) -> str | None:
    """Why a destination is not healthy, or None where it is.

    Args:
        destination: its name.
        status: what it is doing.
        max_age_s: for how long it may be stalled (`Status.stalled_s`).
        workers: how many are alive.
    """
    if status.stalled_s <= max_age_s:
        return None
    last = (
        "nothing has ever been settled"
        if status.settled_s_ago is None
        else f"events were last settled {status.settled_s_ago:.0f} s ago"
    )
    cause = "look at the workers' logs, and restart them" if workers else "no worker is alive; start one"
    return (
        f"destination {destination!r}: an event has waited for {status.idle_s:.0f} s (at most {max_age_s:.0f} s) and "
        f"{last}; {cause}"
    )


def paused_text(destination: str, status: Status) -> str | None:
    """A message that the destination is paused, and why; None where it is not."""
    if status.paused is None:
        return None
    return f"destination {destination!r} is paused: {status.paused.reason}; to resume it: segue resume {destination}"


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


def unhealthy(redis: Redis, config: Config, max_age_ms: int, *, strict: bool = False) -> list[str]:
    """What is not healthy: no worker is alive, a destination is stalled or damaged, or one that nobody serves holds events.

    With `strict`, also paused destinations. Dead letters alone make an orphaned destination none that is unhealthy.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    known = known_beside(redis, config)
    workers = len(known.workers.about)
    names = [each.name for each in config.destinations if each.enabled and each.name not in known.damaged]
    statuses = read_statuses(redis, names)
    orphans = read_statuses(redis, sorted(known.orphaned - known.damaged.keys()))
    reasons = ["no worker is alive; start one: celery -A segue_worker worker"] if not workers else []
    for name, status in statuses.items():
        reasons += filter(None, [stalled(name, status, max_age_ms / 1000, workers=workers)])
        reasons += filter(None, [paused_text(name, status)]) if strict else []
    reasons += known.damaged.values()
    reasons += [orphan_text(name) for name, status in orphans.items() if status.pending or status.parked]
    return reasons


def missing_sweep(redis: Redis, max_age_ms: int) -> list[str]:
    """Why the sweep is not healthy: one reason, or none.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    announced = read_counts(redis.hgetall(DESTINATIONS)).values()
    reason = unswept(announced, time_ms(redis.time()), max_age_ms)
    return [reason] if reason else []


def swept_s_ago(redis: Redis) -> float | None:
    """Seconds since the last sweep, or None where there never was one. Raises redis.RedisError."""
    announced = read_counts(redis.hgetall(DESTINATIONS)).values()
    return max(0, time_ms(redis.time()) - max(announced)) / 1000 if announced else None
