"""The sandbox's clock: precise enough to judge a rate limit, movable to make a day pass."""

import time


class Clock:
    """Unix time that never steps back, from the monotonic high-resolution counter `time.perf_counter`.

    Arrival times and the rate limit use `unix`, which runs with real time whatever happens. Data (idempotency keys,
    events) uses that time plus `offset`, which `move` pushes forward: a moved clock hands nobody fresh quota.
    """

    def __init__(self) -> None:
        self._origin = time.time() - time.perf_counter()
        self.offset = 0.0

    def unix(self, counter: float | None = None) -> float:
        """A reading of the counter, by default the present one, as unix seconds. `move` does not affect it."""
        return self._origin + (time.perf_counter() if counter is None else counter)

    def move(self, seconds: float) -> None:
        """Push the data's time forward by `seconds` (0 or more)."""
        self.offset += seconds


class ManualClock(Clock):
    """A clock that stands still but for `tick`, for tests without waiting. Starts at an arbitrary whole second."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        super().__init__()
        self.time = start

    def unix(self, counter: float | None = None) -> float:
        """The time it was set to, whatever the counter says."""
        del counter
        return self.time

    def tick(self, seconds: float) -> None:
        """Let real time pass: for the rate limit as for data."""
        self.time += seconds
