"""The shared limiter: at most so many requests of a Loops team in any one second, over all workers and machines.

Measured rule (docs/design.md#pacing): slots spread over a window 1.2 % wider than a second use 98.7 % of the limit
without a 429, for sliding and for fixed windows. Lateness is reported back, because what Loops counts is when a
request arrives, not when it was meant to leave.

Others of the team are left their share: `x-ratelimit-remaining`, less what was sent from here, says what that is.
Measured with another sender taking a random part of the limit, and only 429s to go by: 83 % of what it left over, with
two 429s a second; so: 91 % beside even requests and 95 % of a drained limit, with one 429 in ten seconds.
"""

import asyncio
import math
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from redis.asyncio import Redis

from segue_producer.keys import rate_key
from segue_producer.lua import CLOCK, WHEN_FULL, read_script
from segue_worker.pacing.team import limiter_key

PACE_SCRIPT: Final = read_script("segue_worker/pacing/pace", CLOCK, WHEN_FULL)
WINDOW_MS: Final = 1012.0
"""One second, and 1.2 % for the jitter between leaving here and arriving there."""
RECOVERY_PER_S: Final = 0.2
SLOWER: Final = 2
"""Slots a second given up for a 429: in proportion to what one refused request says of a limit."""
MAX_SLOTS: Final = 64
"""Above this many requests a second, a slot stands for several, so that the shared state stays small."""

BULK_SHARE: Final = 10
"""Bulk keeps one of so many slots where live requests would take all."""
OVERDUE_SHARE: Final = 3
"""The same where bulk has waited for longer than a day."""

LONGEST_HOLD_S: Final = 3600.0
"""A longer `Retry-After` counts as this: after an hour one request asks again, whatever Loops wrote."""

_LANES: Final = {frozenset({True}): "live", frozenset({False}): "bulk", frozenset({True, False}): "both"}
_ASK_AGAIN_S = 0.5
"""How soon somebody who waits for a slot in vain asks again, and notices that it is no longer wanted."""
_MANY = 10
_KEPT_S = 0.1
"""How long what is left of a slot that stands for `_MANY` requests or more may be used; the last use counts as the
slot's. Such limits are there for bursts: a slot thrown away half used would hold up what comes next."""
_FORGIVEN_MS = 5.0
"""Lateness that the 1.2 % already cover."""
_HISTORY = 500


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave to send one request.

    Attributes:
        number: which slot of the team's.
        opened: time of the clock at which it opened, in seconds.
        meant_ms: time of Redis's clock that is meant, in ms.
        unsure: seconds by which it may have opened later than was meant: so long was Redis's answer under way at most.
        bulk_first: whether it is the turn of bulk.
    """

    number: int
    opened: float
    meant_ms: float = 0.0
    unsure: float = 0.0
    bulk_first: bool = False


class _Waiter(NamedTuple):
    """Somebody who waits for a slot; see `Pacer.slot`."""

    wanted: Callable[[], bool]
    live: Callable[[], bool]
    overdue: bool
    first: bool
    slot: asyncio.Future[Slot | None]


@dataclass(slots=True)
class _Use:
    """What is to be reported of a slot: when it was used, if late, and how many slots of its window Loops called used."""

    late_at_ms: float = 0.0
    said: float | Literal["refused", ""] = ""


class _RoundTrips:
    """How much longer than usual a round trip takes; usual is the shortest one of late."""

    def __init__(self) -> None:
        self._trips: deque[float] = deque(maxlen=_HISTORY)
        self._shortest = math.inf

    def beyond_shortest(self, trip: float) -> float:
        """By how many seconds a round trip is longer than the shortest of those before it; remembers it."""
        shortest, trips = self._shortest, self._trips
        forgotten = trips[0] if len(trips) == _HISTORY else math.inf
        trips.append(trip)
        if trip <= shortest:
            self._shortest = trip
        elif forgotten <= shortest:
            self._shortest = min(trips)
        return max(0.0, trip - shortest) if shortest < math.inf else trip


class Pacer:
    """Send slots of one team for one process; slots are taken one after the other, just before they are used.

    Of slots that stand for many requests the next one is taken while the last quarter is used.

    Args:
        redis: where the shared state lives.
        api_key: the team's key; only a digest of it leaves this object.
        rate_limit: requests in any one second.
        destination: whose requests they are; where it is named, its team keeps its limiter when the key is replaced.
        clock: monotonic seconds; the event loop's clock when left out.
    """

    def __init__(
        self,
        redis: "Redis",
        api_key: str,
        rate_limit: int,
        *,
        destination: str = "",
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._script = redis.register_script(PACE_SCRIPT)
        self._redis = redis
        self._api_key = api_key
        self._destination = destination
        self._key = "" if destination else rate_key(api_key)
        self._rate_limit = rate_limit
        self._per_slot = math.ceil(rate_limit / MAX_SLOTS)
        self._slots = max(1, rate_limit // self._per_slot)
        many = self._per_slot >= _MANY
        self._kept_s = _KEPT_S if many else WINDOW_MS / 1000 / self._slots
        # Measured: without it a tenth of two processors stood idle while the next slot was fetched.
        self._ahead_at = self._per_slot // 4 if many else -1
        self._ahead: asyncio.Task[Slot] | None = None
        self._clock = clock or asyncio.get_running_loop().time
        self._waiting: list[_Waiter] = []
        self._giving: asyncio.Task[None] | None = None
        self._slot = Slot(0, 0.0)
        self._left = 0
        self._uses = defaultdict[int, _Use](_Use)
        self._to_loops = _RoundTrips()

    async def slot(
        self,
        *,
        wanted: Callable[[], bool] = lambda: True,
        live: Callable[[], bool] = lambda: True,
        overdue: bool = False,
        first: bool = False,
    ) -> Slot | None:
        """Wait for leave to send one request.

        Who gets a slot is decided when it opens: live requests first, in the order in which they came; but if they would
        take all, bulk keeps a part, over all workers of the team.

        Args:
            wanted: asked when this caller's turn comes and before a slot is taken, so that none is taken in vain.
            live: asked whenever a slot opens: whether the request is live by now, or bulk.
            overdue: whether bulk has waited for so long that it keeps a larger part.
            first: whether it goes before all others of this process.

        Returns:
            the slot, or None where it was no longer wanted.

        Raises:
            redis.RedisError: the shared state cannot be reached; nothing may be sent.
        """
        if not self._waiting and self._has_left():
            return self._take_left() if wanted() else None
        waiter = _Waiter(wanted, live, overdue, first, asyncio.get_running_loop().create_future())
        self._waiting.insert(0 if first else len(self._waiting), waiter)
        if self._giving is None:
            self._giving = asyncio.create_task(self._give())
        return await waiter.slot

    async def _give(self) -> None:
        """Give slots to those who wait, as long as anybody does."""
        try:
            while self._dismiss():
                if not self._has_left():
                    await self._open_next()
                while self._has_left() and (waiter := self._next_waiter()):
                    waiter.slot.set_result(self._take_left())
                if self._per_slot == 1:
                    # The next caller would use it late, and report that too late.
                    self._left = 0
        except Exception as error:  # noqa: BLE001 - whoever waits for a slot must hear of it
            for waiter in self._waiting:
                if not waiter.slot.done():
                    waiter.slot.set_exception(error)
        finally:
            self._giving = None
            for waiter in self._waiting:
                waiter.slot.cancel()
            self._waiting.clear()

    async def _open_next(self) -> None:
        """Take the next slot and wait until it opens; where none opens soon, only wait for a while."""
        ahead, self._ahead = self._ahead, None
        slot = await ahead if ahead else await self._take()
        if self._is_old(slot):
            slot = await self._take()
        wait = slot.opened - self._clock()
        if slot.number < 0:
            await asyncio.sleep(max(0.0, min(wait, _ASK_AGAIN_S)))
            return
        if wait > 0:
            await asyncio.sleep(wait)
        self._slot, self._left = slot, self._per_slot

    def _dismiss(self) -> bool:
        """Let those go who no longer want a slot. Returns whether any are left."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.slot.done():
                if waiter.wanted():
                    self._waiting.append(waiter)
                else:
                    waiter.slot.set_result(None)
        return bool(self._waiting)

    def _next_waiter(self) -> "_Waiter | None":
        """Who gets the slot that has opened, and waits no longer; None where nobody wants it."""
        bulk_first = self._slot.bulk_first and self._left == self._per_slot
        while self._waiting:
            fitting = (waiter for waiter in self._waiting if waiter.first or waiter.live() != bulk_first)
            chosen = next(fitting, self._waiting[0])
            self._waiting.remove(chosen)
            if not chosen.slot.done():
                return chosen
        return None

    async def report(self) -> None:
        """Report what was used late, where no further slot is taken soon: others of the team cannot know it otherwise.

        Raises:
            redis.RedisError: the shared state cannot be reached.
        """
        if any(use.late_at_ms or use.said == "refused" for use in self._uses.values()):
            await self._call_with_uses("report", "", 0)

    async def _call_with_uses(self, *args: Any) -> tuple[int, int, int, int]:
        """Call with a report of the uses. Lateness that may not have been heard of is reported again the next time."""
        uses, self._uses = self._uses, defaultdict(_Use)
        parts = [part for number, use in uses.items() for part in (number, use.late_at_ms, use.said)]
        try:
            return await self._call(*args, *parts)
        except BaseException:
            for number, use in uses.items():
                if use.late_at_ms:
                    self._note_late(number, use.late_at_ms)
            raise

    def _note_late(self, number: int, at_ms: float) -> None:
        use = self._uses[number]
        use.late_at_ms = max(use.late_at_ms, at_ms)

    def _note_used(self, slot: Slot, late: float) -> None:
        """Note that a slot was used so many seconds after it had opened here."""
        late_ms = (late + slot.unsure) * 1000
        if late_ms > _FORGIVEN_MS:
            self._note_late(slot.number, slot.meant_ms + late_ms)

    async def _take(self) -> Slot:
        """Take the team's next slot, and report how those before it were used; its number is -1 where none opens soon."""
        lanes = {waiter.live() for waiter in self._waiting} or {True}
        share = OVERDUE_SHARE if any(waiter.overdue for waiter in self._waiting) else BULK_SHARE
        asked = self._clock()
        number, wait_us, bulk_first, meant_us = await self._call_with_uses("take", _LANES[frozenset(lanes)], share)
        given = self._clock()
        return Slot(number, given + wait_us / 1e6, meant_us / 1000, given - asked, bool(bulk_first))

    def _is_old(self, slot: Slot) -> bool:
        """Whether a slot opened so long ago that what is left of it is not worth its lateness."""
        return self._clock() > slot.opened + self._kept_s

    def _has_left(self) -> bool:
        """Whether the slot at hand stands for further requests."""
        return self._left > 0 and not self._is_old(self._slot)

    def _take_left(self) -> Slot:
        self._left -= 1
        if self._left == self._ahead_at and self._ahead is None:
            self._ahead = asyncio.create_task(self._take())
            # Without this asyncio warns of a failure that nobody awaits.
            self._ahead.add_done_callback(lambda task: task.cancelled() or task.exception())
        # Known before the answer, which may take long.
        self._note_used(self._slot, self._clock() - self._slot.opened)
        return self._slot

    def used(
        self, slot: Slot, sent: float, answered: float, *, remaining: int | None = None, refused: bool = False
    ) -> None:
        """Report how a slot was used, so that what must wait a window for it does, and others get their share.

        The request arrived some time between `sent` and `answered`. Whatever the round trip took beyond the shortest
        one of late may have passed before it arrived, so it counts as lateness: a window then never holds one request
        too many, at the price of a little speed where answers take very unequal times. The round trip to Redis, which
        the slot was given by, counts as a whole: Redis counts the wait from when it answered.

        Args:
            slot: the slot.
            sent: time of the clock when the request left, in seconds.
            answered: time of the clock when its answer, or failure, was there.
            remaining: requests that Loops then said were left in the window, or None.
            refused: whether the answer was a 429.
        """
        self._note_used(slot, sent - slot.opened + self._to_loops.beyond_shortest(answered - sent))
        use = self._uses[slot.number]
        if refused:
            use.said = "refused"
        elif remaining is not None:
            use.said = max(0.0, (self._rate_limit - remaining) / self._per_slot)

    async def slow(self, retry_after: float | None = None) -> None:
        """Slow the whole team down after a 429.

        Args:
            retry_after: seconds for which nobody sends, `LONGEST_HOLD_S` at most; after them it goes on a little slower.
        """
        # Taken before it was known.
        self._ahead = None
        hold = min(retry_after, LONGEST_HOLD_S) if retry_after is not None else 2 / self._slots
        await self._call("slow", round(hold * 1000), SLOWER)

    async def _call(self, *args: Any) -> tuple[int, int, int, int]:
        if not self._key:
            self._key = await limiter_key(self._redis, self._destination, self._api_key)
        number, wait_us, bulk_first, meant_us = await self._script(
            keys=[self._key], args=[0, self._slots, WINDOW_MS, RECOVERY_PER_S, *args]
        )
        return int(number), int(wait_us), int(bulk_first), int(meant_us)
