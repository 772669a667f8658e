"""The holds that a run has on the contacts it has claimed, kept by heartbeat.

A hold belongs to one claim. A contact may be claimed again by the same run while the delivery of its earlier claim still
waits for the answer to its last settlement; whatever the earlier one then ends is its own.

Whoever loses a hold must not send: another run may already have claimed the contact. So a request that is under way
when the hold runs out is broken off, and what Redis says later is believed only through the owner check of `settle`.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from redis.exceptions import RedisError

from segue_worker.outbox import Claimed, Outbox

LEASE_S: Final = 6.0
"""A killed run's contacts are due again after this long."""
_BEATS_PER_LEASE = 5
_MARGIN_S = 1.0

log = logging.getLogger(__name__)


class Hold:
    """The hold of one claim on its contact.

    Args:
        claimed: the claim.
        until: time of the event loop until which it holds, unless a heartbeat extends it.

    Attributes:
        ended: set when the claim's delivery has ended.
        live: whether all its events are live by now.
    """

    __slots__ = ("_guard", "_loop", "_until", "claimed", "ended", "live")

    def __init__(self, claimed: Claimed, until: float) -> None:
        self.claimed = claimed
        self.ended = asyncio.Event()
        self.live = claimed.live >= len(claimed.entries)
        self._loop = asyncio.get_running_loop()
        self._until = until
        self._guard: asyncio.Timeout | None = None

    def good(self) -> bool:
        """Whether a request for the contact may be sent now."""
        return self._loop.time() < self._until

    def guard(self) -> asyncio.Timeout:
        """Break off what is inside with TimeoutError when the hold runs out or is lost. One at a time."""
        self._guard = asyncio.timeout_at(self._until)
        return self._guard

    def lasts(self, until: float) -> None:
        """Let it hold until another time of the event loop; the present one where it is lost."""
        self._until = until
        if self._guard is not None:
            # Once it has ended, or run out, there is nothing to move.
            with suppress(RuntimeError):
                self._guard.reschedule(until)


class Lease:
    """Renews the claims of one run until it is told to stop.

    Args:
        outbox: whose claims they are.
        seconds: how long a claim holds without a heartbeat.
    """

    def __init__(self, outbox: Outbox, seconds: float = LEASE_S) -> None:
        self._outbox = outbox
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._holds: dict[Hold, None] = {}
        self._ended = False
        self.renewing = asyncio.Lock()
        """Held during a heartbeat, and by whoever ends the run: none of this run's may come after its end."""
        self.run_lost = False
        """Whether the destination's run belongs to somebody else by now."""

    def hold(self, claimed: Claimed, since: float) -> Hold:
        """Begin to renew a claim that was asked for at the time `since` of the event loop."""
        hold = Hold(claimed, since + self._seconds - _MARGIN_S)
        self._holds[hold] = None
        return hold

    def let_go(self, hold: Hold) -> None:
        """Stop renewing a claim, because its delivery has ended."""
        self._holds.pop(hold, None)
        hold.ended.set()

    def end(self) -> None:
        """Let the heartbeat end, also where a library swallows its cancellation."""
        self._ended = True

    async def keep(self, seconds: float) -> None:
        """Renew until cancelled or ended, but for so many seconds at most."""
        until = self._loop.time() + seconds
        while not self._ended and self._loop.time() < until:
            await asyncio.sleep(self._seconds / _BEATS_PER_LEASE)
            async with self.renewing:
                if not self._ended:
                    await self._renew()

    async def _renew(self) -> None:
        began = self._loop.time()
        holds = list(self._holds)
        try:
            # A heartbeat that hangs must not keep the next one from being tried.
            async with asyncio.timeout(self._seconds / _BEATS_PER_LEASE):
                alive, lost, live = await self._outbox.renew([hold.claimed for hold in holds])
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("heartbeat failed: %s", type(error).__name__)
            return
        self.run_lost = self.run_lost or not alive
        for place, hold in enumerate(holds):
            hold.live = hold.live or place in live
            hold.lasts(self._loop.time() if place in lost else began + self._seconds - _MARGIN_S)
