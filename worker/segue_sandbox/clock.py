"""The sandbox's clock: precise enough to check a rate limit, and movable, so that a test can let a day pass."""

import time


class SandboxClock:
    """Unix time that never steps back, from the monotonic high-resolution counter `time.perf_counter`.

    Arrival times and the rate limit use `unix`, which always follows real time. Idempotency keys and events use that
    time plus `offset`, which `move` increases. So moving the clock does not reset the rate limit.
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
