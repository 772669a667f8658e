"""Which connections owe the server a request: how many of an address, and how much of their bodies is in memory.

A request takes a place only when it has arrived. What arrives slowly, or not at all, takes nothing from others: where there is
too much of it, that which has been arriving for the longest is cut.
"""

from typing import Protocol

from segue_tracking_api.limits import Limits


class Arriving(Protocol):
    """A connection whose request has begun to arrive, or is to."""

    address: str
    held_bytes: int

    def cut(self) -> None:
        """Give it up: answer that it took too long, and close it. It calls `end`."""


class Arrivals:
    """The requests that are arriving at one server.

    Args:
        limits: of the process.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # In the order in which they began.
        self._all: dict[Arriving, None] = {}
        self._of: dict[str, dict[Arriving, None]] = {}
        self._bytes = 0

    def begin(self, arriving: Arriving) -> None:
        """Note that a request is to arrive on a connection."""
        self._all[arriving] = None
        others = self._of.setdefault(arriving.address, {})
        others[arriving] = None
        if len(others) > self._limits.arriving_per_address:
            next(iter(others)).cut()

    def hold(self, arriving: Arriving, count: int) -> None:
        """Note that more bytes of it are in memory."""
        arriving.held_bytes += count
        self._bytes += count
        if self._bytes > self._limits.arriving_bytes and (oldest := next(iter(self._all), None)) is not None:
            oldest.cut()

    def end(self, arriving: Arriving) -> None:
        """Note that it has arrived, or never will."""
        if arriving in self._all:
            del self._all[arriving]
            others = self._of[arriving.address]
            del others[arriving]
            if not others:
                del self._of[arriving.address]
        self._bytes -= arriving.held_bytes
        arriving.held_bytes = 0
