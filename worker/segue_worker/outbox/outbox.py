"""One destination's outbox, over the Lua scripts beside this module. Each method is one atomic step in Redis."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from segue_producer.keys import EXPLANATIONS, EXPLANATIONS_KEPT_S, LOG_ENTRIES, STATS_KEPT_S, Keys
from segue_producer.lua import CLOCK, LANES, WHEN_FULL, read_script
from segue_producer.writing import write
from segue_worker.errors import DamagedError
from segue_worker.outbox.batching import Batched
from segue_worker.outbox.pause import Pause
from segue_worker.outbox.plan import Plan
from segue_worker.outbox.redis_time import RedisTime
from segue_worker.outbox.settlement import Settlement, arguments

EVENTS_PER_CLAIM: Final = 100
"""Events taken of one contact at a time: enough for any merge worth having, and a bound on memory."""
PLAN_KEPT_S: Final = 30 * 24 * 3600
"""How long a plan is kept after the last run by it, in seconds: longer than anything that a run has begun is retried."""
BYTES_PER_CLAIM: Final = 4 * 1024 * 1024
_LASTING: Final = ("WRONGTYPE", "attempt to", "not an integer", "not a valid float")
"""What Redis says of a key that holds something else than it should."""

AWAY: Final = "segue_worker/outbox/away"
"""Lua that brings contacts back which were claimed or parked, to be put before a script, behind `LANES`."""
_ALIVE: Final = "segue_worker/outbox/alive"
WINDOWS: Final = "segue_worker/outbox/windows"
"""Lua that knows where the digests of settled messageIds are, to be put before a script."""
CONFIRMED: Final = "segue_worker/outbox/confirmed"
"""Lua that knows what Loops has confirmed of contacts, to be put before a script."""
_SHARED: Final = {
    "start": (CLOCK, WHEN_FULL, _ALIVE),
    "claim": (CLOCK, WHEN_FULL, LANES, AWAY, CONFIRMED),
    "renew": (CLOCK, WHEN_FULL, LANES, AWAY, _ALIVE),
    "settle": (CLOCK, WHEN_FULL, LANES, WINDOWS, CONFIRMED),
    "seen": (CLOCK, WINDOWS),
    "remembers": (CLOCK, CONFIRMED),
    "finish": (CLOCK, WHEN_FULL),
    "replace_pause": (),
}
LOOK_SCRIPT: Final = read_script("segue_worker/outbox/look", CLOCK, WHEN_FULL, LANES, AWAY, _ALIVE)
RECOUNT_SCRIPT: Final = read_script("segue_worker/outbox/recount", WHEN_FULL, LANES)
_TEXTS: Final = {name: read_script(f"segue_worker/outbox/{name}", *shared) for name, shared in _SHARED.items()}


_NOTHING_CONFIRMED: Final[Mapping[bytes, bytes]] = MappingProxyType({})


class Claimed(NamedTuple):
    """A contact claimed for this owner.

    Attributes:
        contact: as it stands in keys.
        parked: what is remembered of its parked request, or None.
        entries: its oldest events as they lie in the outbox.
        token: of the claim, for `settle`.
        interrupted: how many earlier claims of it were interrupted since something was last recorded of it: no settle
            ended them, and the last request of each may have been sent without being recorded.
        since: unix ms since which it had been waiting.
        live: how many of its oldest events are live; the rest goes at the pace of bulk.
        confirmed: digest of the last update that Loops confirmed, if that was not too long ago; `-` where it was, or "".
        damage: why its outbox cannot be read, or "".
        begun_by: token of the owner of the first of those claims, or "".
    """

    contact: bytes
    parked: bytes | None
    entries: list[bytes]
    token: str
    interrupted: int
    since: int = 0
    live: int = 0
    confirmed: bytes = b""
    damage: str = ""
    begun_by: str = ""


def is_passing(error: BaseException) -> bool:
    """Whether an error says that Redis is away or cannot now, so that the same step may succeed later.

    What a script says of the keys it was given does not pass.
    """
    if isinstance(error, ResponseError):
        return not any(sign in str(error) for sign in _LASTING)
    return isinstance(error, RedisError | OSError)


def digest(message_id: str) -> bytes:
    """The 16-byte digest by which a messageId, given within its source (`entries.identity`), is remembered."""
    return hashlib.blake2b(message_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Outbox:
    """The outbox of one destination, for one owner.

    Args:
        redis: client that answers bytes.
        destination: its name.
        owner: token of the run that claims and settles.
        window_ms: dedupe window in ms; what was remembered while it was another is not forgotten.
        lease_ms: how long a claim holds without a heartbeat.
        unchanged_ms: for how long an update that Loops confirmed is not sent again; 0: it is.
        clock_ms: unix ms, or 0 for the server's clock; tests move it.
        redis_time: what is known of the server's clock; best shared by all outboxes of a process.

    Every method raises redis.RedisError where Redis does not answer.
    """

    def __init__(  # noqa: PLR0913 - what the scripts need, once
        self,
        redis: "Redis",
        destination: str,
        *,
        owner: str,
        window_ms: int,
        lease_ms: int,
        unchanged_ms: int = 0,
        clock_ms: Callable[[], int] = lambda: 0,
        redis_time: RedisTime | None = None,
    ) -> None:
        self._redis = redis
        self.keys = Keys(destination)
        self._owner = owner
        self._window_ms = window_ms
        self._lease_ms = lease_ms
        self._unchanged_ms = unchanged_ms
        self._clock_ms = clock_ms
        self._run_key = self.keys.run
        self._claims = 0
        self._redis_time = redis_time or RedisTime(kept_s=lease_ms / 1000)
        self._scripts = {name: redis.register_script(text) for name, text in _TEXTS.items()}
        self._settle = Batched(self._settle_all)

    async def start(self, parallel_runs: int) -> bool:
        """Begin a run, unless as many as allowed are alive. Returns whether it began."""
        runs = [self.keys.run_number(number) for number in range(parallel_runs)]
        number, now_ms = await self._scripts["start"](
            keys=[self.keys.hinted, *runs], args=[self._clock_ms(), self._owner, self._lease_ms]
        )
        self._note_time(now_ms)
        if number < 0:
            return False
        self._run_key = runs[number]
        return True

    async def claim(self, live: int, bulk: int = 0) -> list[Claimed]:
        """Claim due contacts, so many of each lane at most, longest waiting first; none while the destination is paused."""
        keys = self.keys
        # Of its own, so that a settlement that is repeated late, when this run has claimed the contact again, is not
        # taken for one of the new claim.
        self._claims += 1
        token = f"{self._owner}:{self._claims}"
        now_ms, *found = await self._scripts["claim"](
            keys=[
                *(keys.due, keys.lease, keys.parked, keys.paused, self._stats_key(), keys.totals),
                *(keys.away, keys.clock, keys.bulk, keys.live),
            ],
            args=[
                *(self._clock_ms(), token, self._lease_ms, live),
                *(EVENTS_PER_CLAIM, BYTES_PER_CLAIM, keys.outbox, STATS_KEPT_S, bulk),
                *(keys.confirmed, self._unchanged_ms, self._redis_time.expected()),
            ],
        )
        self._note_time(now_ms)
        return [
            Claimed(
                *(contact, parked or None, entries, token, interrupted, since, live, confirmed),
                *(damage.decode("utf-8", "replace"), begun_by.decode("utf-8", "replace")),
            )
            for contact, parked, interrupted, begun_by, since, live, confirmed, damage, entries in found
        ]

    async def keep_plan(self, plan: Plan) -> None:
        """Keep a plan, so that what is begun by it can be finished by a run that has another."""
        await write(self._redis, "SET", self.keys.plan + plan.version, plan.to_json(), "EX", PLAN_KEPT_S)

    async def plan(self, version: str) -> Plan | None:
        """A plan that was kept, or None."""
        raw = await self._redis.get(self.keys.plan + version)
        return None if raw is None else Plan.from_json(raw)

    def now_ms(self) -> int:
        """Unix ms by Redis's clock, as its last answer told and this machine counted since; no call of its own.

        All workers compare times that others have written; their own clocks need not agree.
        """
        return self._clock_ms() or self._redis_time.now_ms()

    def _note_time(self, now_ms: int) -> None:
        if not self._clock_ms():
            self._redis_time.note(int(now_ms))

    async def seen(self, digests: Sequence[bytes]) -> list[bool]:
        """Which of the messageIds were settled within the dedupe window."""
        if not digests:
            return []
        flags = await self._scripts["seen"](
            keys=[self.keys.windows], args=[self._clock_ms(), self.keys.seen, self._window_ms, *digests]
        )
        return [bool(flag) for flag in flags]

    async def remembers_any(self, contacts: Sequence[bytes]) -> bool:
        """Whether of any of the contacts it is remembered what Loops confirmed, or that it may have been changed."""
        answer = await self._scripts["remembers"](
            keys=[self.keys.confirmed + "any"],
            args=[self._clock_ms(), self.keys.confirmed, self._unchanged_ms, *contacts],
        )
        return bool(answer)

    async def renew(self, claims: Sequence[Claimed]) -> tuple[bool, set[int], set[int]]:
        """Heartbeat.

        Returns:
            whether the run is still this owner's; the places of the claims that hold no longer; and those of the others
            whose events are all live by now.
        """
        args: list[Any] = [self._clock_ms(), self._owner, self._lease_ms, self._redis_time.expected()]
        for claimed in claims:
            args += (claimed.contact, claimed.token)
        keys = self.keys
        now_ms, alive, lost, live = await self._scripts["renew"](
            keys=[self._run_key, keys.away, keys.lease, keys.due, keys.bulk, keys.live, keys.clock], args=args
        )
        self._note_time(now_ms)
        return bool(alive), set(lost), set(live)

    async def settle(
        self,
        claimed: Claimed,
        settlement: Settlement,
        *,
        step: int,
        confirms: Mapping[bytes, bytes] = _NOTHING_CONFIRMED,
    ) -> int | None:
        """Record a settlement.

        Args:
            claimed: the contact, as `claim` gave it to this owner.
            settlement: what to record.
            step: how many settlements of this claim came before; the same step twice is recorded once, so that a
                call whose answer was lost may be repeated.
            confirms: contact → digest of the update that Loops confirmed last, or `FORGET` where what was confirmed counts no
                longer.

        Returns:
            how many events are left, or None where the claim is gone.

        Raises:
            DamagedError: a key does not hold what it should; nothing was recorded.
        """
        holds, will_hold = f"{claimed.token}:{step}", f"{claimed.token}:{step + 1}"
        # Written here and not where many go together: what cannot be written is the fault of this one.
        left = await self._settle([claimed.contact, holds, will_hold, *arguments(settlement, confirms)])
        if isinstance(left, bytes):
            raise DamagedError(left.decode("utf-8", "replace"))
        return None if left < 0 else left

    async def _settle_all(self, settlements: Sequence[Sequence[Any]]) -> list[int | bytes]:
        keys = self.keys
        args: list[Any] = [
            *(self._clock_ms(), keys.outbox, keys.seen, self._window_ms),
            *(STATS_KEPT_S, LOG_ENTRIES, EXPLANATIONS_KEPT_S, EXPLANATIONS, keys.damaged),
            *(keys.confirmed, self._unchanged_ms, len(settlements)),
            *chain.from_iterable(settlements),
        ]
        left: list[int | bytes] = await self._scripts["settle"](
            keys=[
                *(keys.due, keys.lease, keys.parked, keys.pending, keys.dead, keys.dead_at),
                *(self._stats_key(), keys.totals, keys.measures, keys.log, keys.because, keys.away, keys.settled),
                *(keys.windows, keys.bulk, keys.live, keys.pending_bulk),
            ],
            args=args,
        )
        return left

    def _stats_key(self) -> str:
        """Key of the counters of this minute."""
        return f"{self.keys.stats}{self.now_ms() // 60_000}"

    async def finish(self, *, leave: bool) -> str:
        """End the run: `"ended"`; `"hint"`, ended with work due; or `"go on"`, which `leave` rules out."""
        keys = self.keys
        answer = await self._scripts["finish"](
            keys=[self._run_key, keys.due, keys.paused, keys.hinted, keys.away, keys.bulk],
            args=[self._clock_ms(), self._owner, int(leave)],
        )
        return ("ended", "hint", "go on")[answer]

    async def pause(self, pause: Pause) -> bool:
        """Pause the destination, unless it is paused already. Returns whether it was this that paused it."""
        return bool(await write(self._redis, "SET", self.keys.paused, pause.to_json(), "NX"))

    async def was_resumed(self) -> bool:
        """Whether somebody ended a pause within the last minutes (`Keys.resumed`)."""
        return bool(await self._redis.exists(self.keys.resumed))

    async def paused(self) -> Pause | None:
        """The pause in force, if any."""
        raw = await self._redis.get(self.keys.paused)
        return None if raw is None else Pause.from_json(raw)

    async def replace_pause(self, known: Pause, new: Pause | None) -> bool:
        """Put `new`, or no pause, in the place of the pause in force, if that still is `known`. Returns whether it was."""
        answer = await self._scripts["replace_pause"](
            keys=[self.keys.paused], args=[known.to_json(), b"" if new is None else new.to_json()]
        )
        return bool(answer)

    async def is_refused(self, access: str) -> bool:
        """Whether Loops has refused this access, a digest of key and address, since the destination is paused."""
        raw: Any = await self._redis.hget(self.keys.settings, "refused")
        return access.encode() in (raw or b"").split()

    async def note_refused(self, access: str, *, first: bool = False) -> None:
        """Note that Loops refuses this access; `first` where a pause begins with it."""
        raw: Any = b"" if first else await self._redis.hget(self.keys.settings, "refused")
        refused = b" ".join([*(raw or b"").split(), access.encode()])
        await write(self._redis, "HSET", self.keys.settings, "refused", refused)
