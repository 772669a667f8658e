"""Turns the counters of each minute into the series that are plotted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from segue_worker.outbox.counters import OLDEST
from segue_worker.outbox.histogram import LIMITED, Histogram

PERCENTS: Final = {"delivery": (50, 95, 99), "request": (50, 95)}
MINUTE_MS: Final = 60_000
_SHORTEST: Final = 1 / 6
"""The shortest part of a minute, in minutes, that a rate is computed from; less would be too rough."""
PER_MINUTE: Final = ("delivered", "filtered", "duplicates", "dead", "retries", "rate_limited")
"""Counters plotted as they are."""


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


def plot_series(minutes: Sequence[Mapping[str, int]], now_ms: int, span: Range, limit: int | None) -> dict[str, Any]:
    """Add minutes up into points. Pure.

    Args:
        minutes: counters of each; the last one is under way.
        now_ms: unix ms.
        span: how many minutes make a point.
        limit: requests in any one second, or None where it is not known.

    Returns:
        `times` (unix seconds of each point's beginning) and series of the same length; outcomes, retries and 429s per
        minute, requests per second; in seconds (None where nothing was recorded) percentiles, queue age, and where the
        time of an average delivery went: `waiting_s` in the outbox, `limit_s` for the limit, `loops_s` at Loops.
    """
    last, passed_ms = divmod(now_ms, MINUTE_MS)
    first = last - len(minutes) + 1
    points = [Counter[str]() for _ in range(0, len(minutes), span.step)]
    for place, counts in enumerate(minutes):
        points[place // span.step].update(counts)
    lengths = [float(span.step)] * len(points)
    # The current minute counts only for the part that has passed, or every plot would drop at its end.
    lengths[-1] = len(minutes) - span.step * (len(points) - 1) - 1 + max(passed_ms / MINUTE_MS, _SHORTEST)
    counted = list(zip(points, lengths, strict=True))
    return {
        "times": [(first + place * span.step) * 60 for place in range(len(points))],
        **{name: [round(point[name] / length, 3) for point, length in counted] for name in PER_MINUTE},
        "requests_per_s": [round(point["requests"] / length / 60, 3) for point, length in counted],
        **_percentiles("delivery", [Histogram.read("wait", point) for point in points]),
        **_percentiles("request", [Histogram.read("took", point) for point in points]),
        "queue_age_s": [_oldest_s(minutes[at : at + span.step]) for at in range(0, len(minutes), span.step)],
        **_split(points),
        "limit": limit,
    }


def _split(points: Sequence[Mapping[str, int]]) -> dict[str, list[float | None]]:
    """The averages. The sums of a delivery's parts are those of requests, of which a merged one is of several events."""
    series: dict[str, list[float | None]] = {"waiting_s": [], "limit_s": [], "loops_s": []}
    for point in points:
        wait, took = Histogram.read("wait", point), Histogram.read("took", point)
        if not (wait.total and wait.sum_ms and took.total):
            # Before the sums were counted by the minute there were none.
            parts: tuple[float | None, ...] = (None, None, None)
        else:
            limit, loops = point.get(LIMITED, 0) / took.total, took.sum_ms / took.total
            parts = max(0.0, wait.sum_ms / wait.total - limit - loops), limit, loops
        for name, ms in zip(series, parts, strict=True):
            series[name].append(_seconds(ms))
    return series


def _percentiles(name: str, histograms: Sequence[Histogram]) -> dict[str, list[float | None]]:
    return {
        f"{name}_p{percent}_s": [_seconds(each.percentile(percent / 100)) for each in histograms]
        for percent in PERCENTS[name]
    }


def _oldest_s(minutes: Sequence[Mapping[str, int]]) -> float | None:
    return max((counts[OLDEST] / 1000 for counts in minutes if OLDEST in counts), default=None)


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else round(ms / 1000, 4)
