"""How fast each destination delivers, over the current minute and the one before."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from redis import Redis

from segue_producer.keys import Keys
from segue_worker.observing.counts import read_counts
from segue_worker.observing.metrics.minutes import Latency


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a destination is.

    Attributes:
        requests_per_s: requests sent per second.
        rate_limit: requests it may be sent in any one second, or None where no worker has said.
        latency: percentiles.
    """

    requests_per_s: float
    rate_limit: int | None
    latency: Latency

    def to_dict(self) -> dict[str, Any]:
        """What `segue status --json` says of it; durations in ms, None where nothing was counted."""
        latency = {f"{name}_ms": ms for name, ms in asdict(self.latency).items()}
        return {"requests_per_s": round(self.requests_per_s, 3), "rate_limit": self.rate_limit, **latency}


def read_speeds(redis: "Redis", destinations: Sequence[str]) -> dict[str, Speed]:
    """The speed of each destination, in one round trip.

    Args:
        redis: client that answers bytes.
        destinations: names.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    minute, seconds = divmod(time.time(), 60)
    with redis.pipeline(transaction=False) as pipe:
        for name in destinations:
            keys = Keys(name)
            pipe.hgetall(f"{keys.stats}{int(minute) - 1}")
            pipe.hgetall(f"{keys.stats}{int(minute)}")
            pipe.hget(keys.settings, "rate_limit")
        # A minute that is damaged is one without counters.
        answers = iter(pipe.execute(raise_on_error=False))
    return {name: _speed(next(answers), next(answers), next(answers), 60 + seconds) for name in destinations}


def _speed(before: Any, now: Any, rate_limit: Any, seconds: float) -> Speed:
    minutes = [read_counts(before), read_counts(now)]
    requests = sum(counts.get("requests", 0) for counts in minutes)
    return Speed(requests / seconds, int(rate_limit) if isinstance(rate_limit, bytes) else None, Latency.of(minutes))
