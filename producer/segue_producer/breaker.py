"""While Redis is away, calls fail at once instead of each waiting for it."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from segue_producer.errors import OutboxUnavailable

REST_S: Final = 3.0
"""For how long nobody asks Redis again after a call that waited for it in vain."""
QUICK_S: Final = 0.1
"""A call that failed sooner keeps nobody waiting, so the next one asks again."""


class Breaker:
    """Knows since when Redis is away. After a call that waited in vain only one caller tries, every `REST_S` seconds.

    Args:
        monotonic: seconds, for spans.
        now: the time of day, for messages.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._monotonic = monotonic
        self._now = now
        self._lock = threading.Lock()
        self._since: datetime | None = None
        self._rests_until = 0.0
        self._last = ""

    def enter(self) -> float:
        """Begin a call. Returns what `failed` is to be told.

        Raises:
            OutboxUnavailable: Redis is away, and it is not this caller's turn to try; nothing was sent.
        """
        began = self._monotonic()
        if self._since is not None:
            with self._lock:
                if self._since is not None and began < self._rests_until:
                    wait_s = self._rests_until - began
                    raise OutboxUnavailable(f"{self._told()}; tried again in {wait_s:.1f} s at most", since=self._since)
                # The others fail at once while this caller tries.
                self._rests_until = max(self._rests_until, began + REST_S)
        return began

    def succeeded(self) -> None:
        """Note that Redis answered."""
        self._since = None

    def failed(self, began: float, error: OutboxUnavailable) -> OutboxUnavailable:
        """Note that a call failed because Redis is away. Returns the error to raise, which says since when."""
        ended = self._monotonic()
        with self._lock:
            self._since = self._since or self._now()
            self._last = str(error)
            self._rests_until = ended + REST_S if ended - began > QUICK_S else 0.0
            return OutboxUnavailable(self._told(), uncertain=error.uncertain, since=self._since)

    def _told(self) -> str:
        since = self._since.strftime("%Y-%m-%d %H:%M:%S UTC") if self._since else ""
        return f"{self._last}; away since {since}"
