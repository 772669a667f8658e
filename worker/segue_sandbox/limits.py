"""The team's rate limit (docs/loops.md#rate-limit), and the highest number of requests in any second. Pure: times are arguments."""

from collections import deque
from math import floor
from typing import NamedTuple

from segue_sandbox.switches import Switches

WINDOW_S = 1.0


class PeakWindow:
    """How many moments lie in the window (t - 1 s, t], and the highest such number there ever was.

    Every one-second interval that holds k moments ends no later than such a window that holds k, so the peak is exact.
    """

    def __init__(self) -> None:
        self._moments: deque[float] = deque()
        self.peak = 0

    def count(self, now: float) -> int:
        """Moments in the window that ends now."""
        while self._moments and self._moments[0] <= now - WINDOW_S:
            self._moments.popleft()
        return len(self._moments)

    def add(self, now: float) -> None:
        """Record a moment; times must not step back."""
        self._moments.append(now)
        self.peak = max(self.peak, self.count(now))


class Admission(NamedTuple):
    """The limiter's decision on one request: whether it may pass, and the values of the two headers."""

    allowed: bool
    limit: int
    remaining: int


class RateLimiter:
    """One team's limiter, fed with every request in order of arrival."""

    def __init__(self) -> None:
        self._used = PeakWindow()
        self._fixed_second = 0
        self._fixed_used = 0
        self._latest = 0.0
        self.received = PeakWindow()
        self.accepted = PeakWindow()
        self.accepted_total = 0
        self.first_accepted: float | None = None
        self.last_accepted: float | None = None

    def admit(self, at: float, switches: Switches) -> Admission:
        """Decide about a request that arrived `at` (unix seconds), and count it.

        A request whose body took long to read may come out of order; it counts as of the latest arrival.
        """
        now = self._latest = max(at, self._latest)
        quota = max(switches.rate_limit - switches.drain, 0)
        used = self._count(now, switches)
        self.received.add(now)
        allowed = used < quota
        if allowed:
            self._note_accepted(now)
        if allowed or switches.rejected_use_quota:
            self._use(now)
            used += 1
        return Admission(allowed, switches.rate_limit, max(quota - used, 0) if allowed else 0)

    def used_share(self, limit: int) -> float | None:
        """Accepted requests over what the limit allowed between the first and the last; None below two requests."""
        if self.first_accepted is None or self.last_accepted is None or self.accepted_total < 2:  # noqa: PLR2004  a span needs two
            return None
        span = self.last_accepted - self.first_accepted + WINDOW_S / limit
        return self.accepted_total / (limit * span)

    def _count(self, now: float, switches: Switches) -> int:
        if floor(now) != self._fixed_second:
            self._fixed_second, self._fixed_used = floor(now), 0
        return self._used.count(now) if switches.window == "sliding" else self._fixed_used

    def _use(self, now: float) -> None:
        self._used.add(now)
        self._fixed_used += 1

    def _note_accepted(self, now: float) -> None:
        self.accepted.add(now)
        self.accepted_total += 1
        self.last_accepted = now
        if self.first_accepted is None:
            self.first_accepted = now
