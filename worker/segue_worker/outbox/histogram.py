"""Durations, counted in fixed classes so that any process may add to them and any may read percentiles. Pure."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

Measure = Literal["wait", "took"]
"""`wait`: from enqueueing to delivery, of an event; `took`: of a request, from sending to its answer or failure."""

BOUNDS_MS: Final = (
    *(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000),
    *(60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000),
)
"""Upper ends of the classes, in ms; the last class has none."""
_MEASURES: Final[tuple[Measure, ...]] = ("wait", "took")
_NAMES: Final = {measure: tuple(f"{measure}:{place}" for place in range(len(BOUNDS_MS) + 1)) for measure in _MEASURES}
_SUMS: Final = {measure: f"sum:{measure}" for measure in _MEASURES}
LIMITED: Final = "sum:limit"
"""Ms that requests waited for their slots, of all that `took` counts."""


def count(measure: Measure, ms: float, into: dict[str, int]) -> None:
    """Count a duration: one more in its class, and its ms in the sum. `into` is what Redis will add up."""
    whole = max(0, round(ms))
    name = _NAMES[measure][bisect_left(BOUNDS_MS, whole)]
    into[name] = into.get(name, 0) + 1
    if whole:
        name = _SUMS[measure]
        into[name] = into.get(name, 0) + whole


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations by class.

    Attributes:
        counts: how many lie in each class of `BOUNDS_MS`, the open one last.
        sum_ms: of all of them together.
    """

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_MS) + 1)
    sum_ms: int = 0

    @classmethod
    def read(cls, measure: Measure, fields: Mapping[str, int]) -> Self:
        """The histogram of a measure from what `count` made, added up."""
        counts = (fields.get(name, 0) for name in _NAMES[measure])
        return cls(tuple(counts), fields.get(_SUMS[measure], 0))

    def __add__(self, other: Self) -> "Histogram":
        counts = (one + two for one, two in zip(self.counts, other.counts, strict=True))
        return Histogram(tuple(counts), self.sum_ms + other.sum_ms)

    @property
    def total(self) -> int:
        """How many durations were counted."""
        return sum(self.counts)

    def percentile(self, share: float) -> float | None:
        """The duration in ms that `share` (0 to 1) of them do not exceed, even spread within a class assumed.

        None where nothing was counted; the open class answers with its lower end.
        """
        wanted = share * self.total
        passed = 0
        for place, number in enumerate(self.counts):
            if number and passed + number >= wanted:
                low = BOUNDS_MS[place - 1] if place else 0
                high = BOUNDS_MS[place] if place < len(BOUNDS_MS) else low
                return low + (high - low) * max(0.0, wanted - passed) / number
            passed += number
        return None
