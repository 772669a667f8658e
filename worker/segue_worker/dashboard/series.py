"""The counters of each minute as series to plot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis import Redis

from segue_producer.keys import Keys

_AT_ONCE: Final = 1000
OUTCOMES: Final = ("delivered", "filtered", "duplicates", "dead")


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time that ends now.

    Attributes:
        name: in addresses.
        title: for people.
        minutes: how long it is.
        step: minutes in one point.
        every_s: how often its plots are drawn anew.
    """

    name: str
    title: str
    minutes: int
    step: int
    every_s: int


RANGES: Final = {
    each.name: each
    for each in (
        Range("1h", "Last hour", 60, 1, 2),
        Range("24h", "Last 24 hours", 24 * 60, 10, 20),
        Range("7d", "Last 7 days", 7 * 24 * 60, 60, 120),
    )
}


def read_minutes(redis: "Redis", destination: str, first: int, last: int) -> list[dict[str, int]]:
    """The counters of each minute from `first` to `last` (unix minutes), both included; {} where nothing was counted.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    prefix = Keys(destination).stats
    found: list[dict[str, int]] = []
    for start in range(first, last + 1, _AT_ONCE):
        with redis.pipeline(transaction=False) as pipe:
            for minute in range(start, min(start + _AT_ONCE, last + 1)):
                pipe.hgetall(f"{prefix}{minute}")
            found += [_counts(raw) for raw in pipe.execute()]
    return found


def plot_series(minutes: Sequence[Mapping[str, int]], last: int, span: Range, limit: int | None) -> dict[str, Any]:
    """Add minutes up into points. Pure.

    Args:
        minutes: counters of each, the last one `last`.
        last: unix minute, still under way.
        span: how long, and how many minutes make a point.
        limit: requests in any one second, or None where it is not known.

    Returns:
        `times` (unix seconds of each point's beginning) and series of the same length; outcomes, retries and 429s per
        minute, requests per second.
    """
    first = last - len(minutes) + 1
    points = [Counter[str]() for _ in range(0, len(minutes), span.step)]
    for place, counts in enumerate(minutes):
        points[place // span.step].update(counts)
    names = (*OUTCOMES, "retries", "rate_limited")
    return {
        "times": [(first + place * span.step) * 60 for place in range(len(points))],
        **{name: [round(point[name] / span.step, 3) for point in points] for name in names},
        "requests_per_s": [round(point["requests"] / span.step / 60, 3) for point in points],
        "limit": limit,
    }


def _counts(raw: Mapping[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(count) for name, count in raw.items() if count.lstrip(b"-").isdigit()}
