"""The counters of each minute as series to plot."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from segue_worker.metrics.histogram import Histogram

_PERCENTS: Final = {"delivery": (50, 95, 99), "request": (50, 95)}
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


def plot_series(minutes: Sequence[Mapping[str, int]], last: int, span: Range, limit: int | None) -> dict[str, Any]:
    """Add minutes up into points. Pure.

    Args:
        minutes: counters of each, the last one `last`.
        last: unix minute, still under way.
        span: how long, and how many minutes make a point.
        limit: requests in any one second, or None where it is not known.

    Returns:
        `times` (unix seconds of each point's beginning) and series of the same length; outcomes, retries and 429s per
        minute, requests per second, percentiles in seconds (None where nothing was counted).
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
        **_percentiles("delivery", [Histogram.read("wait", point) for point in points]),
        **_percentiles("request", [Histogram.read("took", point) for point in points]),
        "limit": limit,
    }


def _percentiles(name: str, histograms: Sequence[Histogram]) -> dict[str, list[float | None]]:
    return {
        f"{name}_p{percent}_s": [_seconds(each.percentile(percent / 100)) for each in histograms]
        for percent in _PERCENTS[name]
    }


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else round(ms / 1000, 4)
