"""Reads the counters of each minute, which workers and producers write."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from redis import Redis

from segue_producer.keys import Keys
from segue_worker.observing.counts import read_counts
from segue_worker.outbox.histogram import Histogram

_AT_ONCE: Final = 1000


def read_minutes(redis: "Redis", destination: str, first: int, last: int) -> list[dict[str, int]]:
    """The counters of each minute.

    Args:
        redis: client that answers bytes.
        destination: its name.
        first: unix minute.
        last: unix minute, included.

    Returns:
        name → count of each minute; {} where nothing was counted. Durations are in them as `Histogram.read` reads them.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    prefix = Keys(destination).stats
    found: list[dict[str, int]] = []
    for start in range(first, last + 1, _AT_ONCE):
        with redis.pipeline(transaction=False) as pipe:
            for minute in range(start, min(start + _AT_ONCE, last + 1)):
                pipe.hgetall(f"{prefix}{minute}")
            # A minute that is damaged is one without counters.
            found += [read_counts(raw) for raw in pipe.execute(raise_on_error=False)]
    return found


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles over some minutes, in ms; None where nothing was counted.

    Attributes:
        delivery_p50: from enqueueing to delivery, the median.
        delivery_p95: the same, the 95th percentile.
        request_p50: of a request, the median.
        request_p95: the same, the 95th percentile.
    """

    delivery_p50: float | None
    delivery_p95: float | None
    request_p50: float | None
    request_p95: float | None

    @classmethod
    def of(cls, minutes: Iterable[Mapping[str, int]]) -> Self:
        """The percentiles of what some minutes counted together."""
        together: Counter[str] = Counter()
        for counts in minutes:
            together.update(counts)
        wait, took = Histogram.read("wait", together), Histogram.read("took", together)
        return cls(wait.percentile(0.5), wait.percentile(0.95), took.percentile(0.5), took.percentile(0.95))
