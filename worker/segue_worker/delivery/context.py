"""What the deliveries of one run share."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from segue_worker.config import Destination
from segue_worker.delivery.lease import Hold, Lease
from segue_worker.delivery.watch import Watch
from segue_worker.logs import facts
from segue_worker.loops import LoopsClient
from segue_worker.outbox import Outbox
from segue_worker.outbox.pause import PauseKind, begin
from segue_worker.pacing import Pacer

log = logging.getLogger(__name__)


def unix_ms() -> int:
    """The current time."""
    return int(time.time() * 1000)


@dataclass(slots=True)
class RunContext:
    """What the deliveries of one run share.

    Attributes:
        destination: where it delivers to.
        outbox: where its events lie.
        pacer: hands out its send slots.
        client: speaks to Loops.
        lease: its hold on the contacts.
        watch: notices when the destination as a whole is in trouble.
        stopping: whether the process is being shut down.
        now_ms: unix ms.
        jitter: a number from 0 to 1, different each time.
        in_flight: messageId of each event being delivered now → the hold of the latest claim that has it.
        counts: what the run has settled, by counter.
        leaving: set when nothing new may be sent: the run's time is over, it lost its place, or it paused.
    """

    destination: Destination
    outbox: Outbox
    pacer: Pacer
    client: LoopsClient
    lease: Lease
    watch: Watch
    stopping: Callable[[], bool]
    now_ms: Callable[[], int] = unix_ms
    jitter: Callable[[], float] = random.random
    in_flight: dict[str, Hold] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    def may_send(self) -> bool:
        """Whether a further request may leave in this run."""
        return not self.leaving.is_set()

    async def pause(self, kind: PauseKind, reason: str) -> None:
        """Hold the destination, unless it is held already, and end this run.

        Raises:
            redis.RedisError: Redis does not answer; the next failure will ask again.
        """
        self.leaving.set()
        if await self.outbox.pause(begin(kind, reason, self.now_ms())):
            name = self.destination.name
            log.error("destination %s is paused (%s)", name, kind, extra=facts(destination=name, pause=str(kind)))
