"""What the deliveries of one run share."""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from segue_worker.config import Destination
from segue_worker.delivery.lease import Hold, Lease
from segue_worker.delivery.retry import takes_key
from segue_worker.delivery.watch import Watch
from segue_worker.logs import facts
from segue_worker.loops import Answer, LoopsClient, NoAnswerError
from segue_worker.outbox import Outbox
from segue_worker.outbox.pause import PauseKind, begin
from segue_worker.pacing import Pacer
from segue_worker.schema.sent import SentKeys

KEY_GOOD_S: Final = 10.0
"""For how long Loops' word that it takes the key is believed, when single requests are refused; and for how long nobody
asks again where there was no word."""

SendTraced = Callable[[Awaitable[Answer], str, Sequence[str], dict[str, Any]], Awaitable[Answer]]

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
        counts: what was settled, by counter, for the log.
        sent: notes what requests hold.
        send_traced: sends a request within its spans (`segue_worker.delivery.spans`); None where nobody asked for traces.
        leaving: set when nothing new may be sent: the run's time is over, it lost its place, or it paused.
        access: which key at which address (`Destination.access`).
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
    sent: SentKeys = field(default_factory=SentKeys)
    send_traced: SendTraced | None = None
    leaving: asyncio.Event = field(default_factory=asyncio.Event)
    access: str = field(init=False)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _key_refused: bool = False
    _ask_again: float = 0.0

    def __post_init__(self) -> None:
        self.access = self.destination.access

    def may_send(self) -> bool:
        """Whether a further request may leave in this run."""
        return not self.leaving.is_set()

    async def key_is_taken(self) -> bool | None:
        """Whether Loops takes the team's key at this address; asked once in a while, within the limit.

        None where that is not known: Loops is too busy or does not answer, or the run must leave before it can ask.
        """
        clock = asyncio.get_running_loop().time
        # One question answers all who ask meanwhile.
        async with self._asking:
            if self._key_refused or clock() < self.watch.key_taken + KEY_GOOD_S:
                return not self._key_refused
            # Before whatever waits for its turn: what follows for all of it depends on the answer.
            if clock() < self._ask_again or await self.pacer.slot(wanted=self.may_send, first=True) is None:
                return None
            asked = clock()
            try:
                taken = takes_key(await self.client.check_key())
            except NoAnswerError:
                taken = None
            self._key_refused = taken is False
            if taken:
                self.watch.key_taken = asked
            elif taken is None:
                self._ask_again = clock() + KEY_GOOD_S
            return taken

    async def pause(self, kind: PauseKind, reason: str, about: Mapping[str, Any]) -> None:
        """Pause the destination, unless it is paused already, and end this run.

        A pause for refused requests is not begun anew for a while after somebody ended one, so that what was resumed
        may get on.

        Args:
            kind: why.
            reason: for people.
            about: what the log says of the request it follows from.

        Raises:
            redis.RedisError: Redis does not answer; the next failure will ask again.
        """
        if kind is PauseKind.BREAKER and await self.outbox.was_resumed():
            log.warning("%s: %s; not paused again so soon", self.destination.name, reason)
            return
        self.leaving.set()
        if await self.outbox.pause(begin(kind, reason, self.now_ms())):
            if kind is PauseKind.REFUSED:
                await self.outbox.note_refused(self.destination.access, first=True)
            name = self.destination.name
            log.error(
                *("destination %s is paused (%s)", name, kind),
                extra=facts(**{"destination": name, **about, "reason": str(kind), "pause": str(kind)}),
            )
