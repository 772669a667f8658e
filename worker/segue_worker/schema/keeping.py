"""Keeps in Redis what was sent and what Loops knows, for one destination in one process; never in the way of a delivery."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from redis.asyncio import Redis

from segue_producer.keys import Keys
from segue_worker.logs import facts
from segue_worker.schema.compare import compare, faults
from segue_worker.schema.known import Asking, Known, learn
from segue_worker.schema.sent import FULL, KEYS_MOST, SentKey, SentKeys, key_of, sent_from

ASKED_EVERY_MS: Final = 3_600_000
AGAIN_MS: Final = 300_000
"""After Loops did not answer, or whoever asked was killed."""
FIRST_AFTER_S: Final = 15.0
"""So long after its first delivery a process asks nothing: what waits comes first, and a try-out sees its own requests alone."""
LOOK_S: Final = 30.0
EVENTS_MOST: Final = 200
"""Events that are asked for, the latest of them: each costs a request."""

log = logging.getLogger(__name__)


class SchemaKeeping:
    """Keeps the schema of one destination.

    Args:
        redis: client that answers bytes.
        destination: its name.
        asker: asks its team.
        now_ms: unix ms.
    """

    def __init__(self, redis: "Redis", destination: str, asker: Asking, *, now_ms: Callable[[], int]) -> None:
        self.sent = SentKeys()
        self._redis = redis
        self._destination = destination
        self._keys = Keys(destination)
        self._asker = asker
        self._now_ms = now_ms
        self._first_at = asyncio.get_running_loop().time() + FIRST_AFTER_S
        self._look_at = 0.0
        self._ask_at = 0.0
        self._added = False

    async def write(self, *, at_once: bool = False) -> list[str]:
        """Write what was sent, where it is time; returns what is new. Raises redis.RedisError."""
        added = await self.sent.write(self._redis, self._destination, self._now_ms(), at_once=at_once)
        if FULL in added:
            said = "more than %d names of properties, lists and events were sent to %s; further ones are not noted"
            log.warning(said, KEYS_MOST, self._destination, extra=facts(destination=self._destination))
        return added

    async def keep(self) -> None:
        """Write, and ask Loops where something is new, or an hour is over and no other process does. Raises redis.RedisError."""
        self._added = bool(await self.write()) or self._added
        now = asyncio.get_running_loop().time()
        if now < self._first_at or (now < self._look_at and not self._added):
            return
        added, self._added = self._added, False
        self._look_at = now + LOOK_S
        due = await self._redis.set(self._keys.asked, 1, nx=True, px=AGAIN_MS)
        if due or (added and now >= self._ask_at):
            await self._ask(everything=bool(due))
        else:
            self.sent.hear(Known.from_json(await self._redis.get(self._keys.known)))

    async def _ask(self, *, everything: bool) -> None:
        sent: Any = await self._redis.get(self._keys.sent)
        keys = sent_from(sent)
        known = still_sent(keys, Known.from_json(await self._redis.get(self._keys.known)))
        known = await learn(self._asker, known, self._now_ms(), events=to_ask(keys, known, everything=everything))
        self.sent.hear(known)
        if known.problem:
            self._ask_at = asyncio.get_running_loop().time() + AGAIN_MS / 1000
            log.info("Loops was not asked for what it knows at %s: %s", self._destination, known.problem)
        else:
            await self._redis.pexpire(self._keys.asked, ASKED_EVERY_MS)
            rows = faults(compare(keys, known))
            for row in rows:
                if row.key not in known.told:
                    log.warning("%s: %s", self._destination, row.told, extra=facts(destination=self._destination))
            known = replace(known, told=[row.key for row in rows])
        await self._redis.set(self._keys.known, known.to_json())


def still_sent(sent: dict[str, SentKey], known: Known) -> Known:
    """What is known without events that are no longer sent: names that come and go would fill Redis."""
    return replace(known, events={name: each for name, each in known.events.items() if key_of("event", name) in sent})


def to_ask(sent: dict[str, SentKey], known: Known, *, everything: bool) -> list[str]:
    """Names of the events to ask Loops for: the latest, or else those of which not all is known."""
    rows = compare(sent, known)
    open_ = {row.event or row.name for row in rows if row.kind == "event" and row.status != "ok"}
    names = [row for row in rows if row.kind == "event" and not row.event and "…" not in row.name]
    latest = sorted((row for row in names if everything or row.name in open_), key=lambda row: -row.last_sent)
    return [row.name for row in latest[:EVENTS_MOST]]
