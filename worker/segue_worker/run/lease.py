"""The hold a run has on its contacts, kept by heartbeat.

Whoever loses the hold must not send: another run may already have claimed the contact. So a request that is under way
when the hold runs out is broken off, and what Redis says later is believed only through the owner check of `settle`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from redis.exceptions import RedisError

from segue_worker.outbox import Outbox

LEASE_S: Final = 6.0
"""A killed run's contacts are due again after this long."""
_BEATS_PER_LEASE = 5
_MARGIN_S = 1.0

log = logging.getLogger(__name__)


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
        self._until = self._loop.time() + seconds - _MARGIN_S
        self._contacts: dict[bytes, set[asyncio.Timeout]] = {}
        self.run_lost = False
        """Whether the destination's run belongs to somebody else by now."""

    def hold(self, contact: bytes) -> None:
        """Begin to renew a contact that was just claimed."""
        self._contacts[contact] = set()

    def let_go(self, contact: bytes) -> None:
        """Stop renewing a contact."""
        self._contacts.pop(contact, None)

    def holds(self, contact: bytes) -> bool:
        """Whether a request for the contact may be sent now."""
        return contact in self._contacts and self._loop.time() < self._until

    @asynccontextmanager
    async def guard(self, contact: bytes) -> AsyncIterator[None]:
        """Break off what is inside with TimeoutError when the hold on the contact is lost."""
        guards = self._contacts.get(contact, set())
        async with asyncio.timeout(None) as timeout:
            guards.add(timeout)
            try:
                yield
            finally:
                guards.discard(timeout)

    async def keep(self) -> None:
        """Renew until cancelled."""
        while True:
            await asyncio.sleep(self._seconds / _BEATS_PER_LEASE)
            began = self._loop.time()
            try:
                # A heartbeat that hangs must not keep the rest of this from noticing.
                async with asyncio.timeout(self._seconds / _BEATS_PER_LEASE):
                    alive, lost = await self._outbox.renew(list(self._contacts))
            except (RedisError, OSError, TimeoutError) as error:
                log.debug("heartbeat failed: %s", type(error).__name__)
                if self._loop.time() >= self._until:
                    self._break_off(list(self._contacts))
                continue
            self._until = began + self._seconds - _MARGIN_S
            self.run_lost = self.run_lost or not alive
            self._break_off(lost)

    def _break_off(self, contacts: list[bytes]) -> None:
        for contact in contacts:
            for timeout in self._contacts.get(contact, ()):
                if not timeout.expired():
                    timeout.reschedule(self._loop.time())
