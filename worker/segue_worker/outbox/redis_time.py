"""Redis's clock, as its answers tell it. Pure, but for a clock that only counts."""

import time
from collections.abc import Callable
from typing import Final

STEP_MS: Final = 3000
"""A larger difference from what was expected is no late answer but a clock that was set; a smaller one does no harm,
because a heartbeat comes in time."""


def time_ms(answer: tuple[int, int]) -> int:
    """Unix ms that Redis's TIME answered, in seconds and microseconds."""
    return answer[0] * 1000 + answer[1] // 1000


class RedisTime:
    """What a process knows of Redis's clock: what it said last, and what has passed here since.

    Args:
        kept_s: for how many seconds the time before a step is told: for longer no claim from before it lasts.
        monotonic: seconds; its start does not matter.
    """

    __slots__ = ("_before", "_kept_s", "_known", "_monotonic", "_stepped", "_told")

    def __init__(self, *, kept_s: float, monotonic: Callable[[], float] | None = None) -> None:
        self._kept_s = kept_s
        self._monotonic = monotonic or time.monotonic
        self._told = (int(time.time() * 1000), self._monotonic())
        self._known = False
        self._before, self._stepped = 0, 0.0

    def now_ms(self) -> int:
        """Unix ms by Redis's clock; by that of this machine until Redis has said anything."""
        told_ms, at = self._told
        return told_ms + int((self._monotonic() - at) * 1000)

    def note(self, now_ms: int) -> None:
        """Note what Redis's clock says."""
        expected, at = self.now_ms(), self._monotonic()
        if self._known and abs(now_ms - expected) > STEP_MS:
            self._before, self._stepped = expected, at
        self._told = (now_ms, at)
        self._known = True

    def expected(self) -> str:
        """What Redis's clock would say, had nobody set it.

        Returns:
            unix ms, counted since its last answer; of late behind a space the time before a step that was noted; empty where
            it has said nothing yet.
        """
        if not self._known:
            return ""
        of_late = self._before and self._monotonic() - self._stepped < self._kept_s
        return f"{self.now_ms()} {self._before}" if of_late else str(self.now_ms())
