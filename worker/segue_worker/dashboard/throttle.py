"""Slows down whoever tries to guess the token."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from segue_worker.dashboard.proxy import client_of

WINDOW_S: Final = 60.0
FAILURES_OF_AN_ADDRESS: Final = 5
FAILURES_IN_ALL: Final = 50


class Throttle:
    """Counts failed attempts to sign in, over a minute: 5 for each client, 50 in all.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: deque[tuple[float, str]] = deque()
        self._lock = threading.Lock()

    def wait_s(self, address: str) -> float:
        """For how many seconds the address may not try; 0 where it may."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            client = client_of(address)
            own = [at for at, whose in self._failures if whose == client]
            waits = [0.0]
            if len(own) >= FAILURES_OF_AN_ADDRESS:
                waits.append(own[-FAILURES_OF_AN_ADDRESS] + WINDOW_S - now)
            if len(self._failures) >= FAILURES_IN_ALL:
                waits.append(self._failures[-FAILURES_IN_ALL][0] + WINDOW_S - now)
            return max(waits)

    def failed(self, address: str) -> None:
        """Count a failure."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            self._failures.append((now, client_of(address)))

    def _forget(self, now: float) -> None:
        while self._failures and self._failures[0][0] <= now - WINDOW_S:
            self._failures.popleft()
