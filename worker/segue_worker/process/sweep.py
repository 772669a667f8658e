"""The sweep: each second, find the destinations that have work but no run. This alone repairs every crash."""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError

from segue_producer.keys import DESTINATIONS, HELD, SWEPT, SWEPT_MS, Keys
from segue_producer.writing import write, write_fields
from segue_worker.config import Destination
from segue_worker.delivery.fault_points import reach
from segue_worker.delivery.lease import LEASE_S
from segue_worker.observing.counts import read_counts
from segue_worker.observing.queue_age import record_queue_age
from segue_worker.operating.dead_letters import trim
from segue_worker.outbox.outbox import LOOK_SCRIPT, RECOUNT_SCRIPT
from segue_worker.outbox.pause import Pause, PauseKind
from segue_worker.outbox.redis_time import RedisTime, time_ms

FORGOTTEN_AFTER_MS = 3_600_000
"""A destination stays known to producers for an hour after the last worker that served it."""
RECOUNTED_AFTER_MS = 60_000
RECOUNTED_CONTACTS = 5000
"""With more contacts than this, counting would keep Redis for more than a few milliseconds; it waits until there are less."""
SETTINGS_EVERY_S = 10.0
"""How often the settings are announced; a process that starts does it at once."""
TIDIED_EVERY_S = 60.0
"""How often dead letters are trimmed and events counted."""
_WORTH_ANOTHER_RUN = 64
_ANNOUNCED_AT_ONCE = 1000
_Result = TypeVar("_Result")

log = logging.getLogger(__name__)


class Rounds:
    """What a process need not do at each of its sweeps, and when it did it last.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done: dict[str, float] = {}

    def is_time_for(self, what: str, every_s: float) -> bool:
        """Whether something is to be done in this sweep."""
        now = self._clock()
        if now < self._done.get(what, -math.inf) + every_s:
            return False
        self._done[what] = now
        return True


async def sweep(
    redis: "Redis",
    destinations: Sequence[Destination],
    rounds: Rounds | None = None,
    redis_time: RedisTime | None = None,
) -> list[str]:
    """Find the destinations that need a hint, announce the destinations to producers, and record queue ages.

    A destination that has nothing to do costs one EXISTS; what else is done for it is done now and then. What fails for one
    destination, for instance because a key is damaged, is logged and does not affect the others. Hints are found even if
    the other duties fail.

    Args:
        redis: client that answers bytes.
        destinations: of this worker's configuration.
        rounds: of this process; without them everything is done.
        redis_time: what this process knows of Redis's clock.

    Returns:
        names of the enabled destinations that have due contacts and room for a run, or a pause to probe.

    Raises:
        redis.RedisError: Redis does not answer.
    """
    rounds = rounds or Rounds()
    await _attempt("note that it swept", write(redis, "SET", SWEPT, "1", "PX", SWEPT_MS))
    now_ms = time_ms(await redis.time())
    redis_time = redis_time or RedisTime(kept_s=LEASE_S)
    redis_time.note(now_ms)
    settings = rounds.is_time_for("settings", SETTINGS_EVERY_S)
    await _attempt("announce its destinations", announce(redis, destinations, now_ms, settings=settings))
    reach("in_sweep")
    active = await _active(redis, destinations)
    wanting = [
        item.name
        for item in active
        if item.enabled
        and await _attempt(f"look for work at {item.name}", _wants_hint(redis, item, redis_time.expected()))
    ]
    all_of_them = rounds.is_time_for("tidying", TIDIED_EVERY_S)
    if all_of_them:
        for item in destinations:
            limits = item.dead_letter
            await _attempt(f"trim the dead letters of {item.name}", trim(redis, item.name, limits.keep, limits.max))
        for item in destinations:
            await _attempt(f"count the events of {item.name}", _recount(redis, item.name))
    aged = [item.name for item in (destinations if all_of_them else active)]
    await _attempt("record queue ages", record_queue_age(redis, aged, now_ms))
    return wanting


async def _active(redis: "Redis", destinations: Sequence[Destination]) -> list[Destination]:
    """The destinations for which something waits, or is away, or which are held."""
    async with redis.pipeline(transaction=False) as pipe:
        for item in destinations:
            keys = Keys(item.name)
            pipe.exists(keys.due, keys.bulk, keys.away, keys.paused)
        found = await pipe.execute()
    return [item for item, keys in zip(destinations, found, strict=True) if keys]


async def _attempt(what: str, work: Awaitable[_Result]) -> _Result | None:
    """Do a part of the sweep. If it fails, logs the error and returns None; raises only where Redis does not answer."""
    try:
        return await work
    except (RedisConnectionError, RedisTimeoutError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - one destination's error must not affect the others
        log.error("the sweep could not %s: %s: %s", what, type(error).__name__, error)  # noqa: TRY400 - said each second
        return None


async def _recount(redis: "Redis", name: str) -> None:
    """Put the number of waiting events right, where it is not, once in a while for each destination."""
    keys = Keys(name)
    kept, found = await redis.register_script(RECOUNT_SCRIPT)(
        keys=[keys.pending, keys.due, keys.away, keys.counted, keys.bulk, keys.live, keys.pending_bulk],
        args=[keys.outbox, RECOUNTED_AFTER_MS, RECOUNTED_CONTACTS],
    )
    if kept != found:
        log.warning("the number of waiting events of %s was %d, and is corrected to %d", name, kept, found)


async def announce(redis: "Redis", destinations: Sequence[Destination], now_ms: int, *, settings: bool = True) -> None:
    """Announce the destinations and the settings that producers need; remove those that were not served for long.

    One that still holds something stays known to whoever looks (`HELD`), though not to producers.
    """
    known = await redis.hgetall(DESTINATIONS)
    seen = read_counts(known)
    recent = {name.encode() for name, at in seen.items() if at >= now_ms - FORGOTTEN_AFTER_MS}
    stale = known.keys() - recent
    for item in destinations if settings else ():
        known_of_it: dict[Any, Any] = {
            "max_pending": item.max_pending,
            "rate_limit": item.rate_limit,
            "replicated": int(item.replicated),
        }
        await _attempt(f"announce {item.name}", _announce_one(redis, Keys(item.name).settings, known_of_it))
    for start in range(0, len(destinations), _ANNOUNCED_AT_ONCE):
        served = {item.name: now_ms for item in destinations[start : start + _ANNOUNCED_AT_ONCE]}
        await write_fields(redis, DESTINATIONS, served)
        await write_fields(redis, HELD, served)
    gone = stale - {item.name.encode() for item in destinations}
    if gone:
        await redis.hdel(DESTINATIONS, *gone)
    held: set[Any] = set(await redis.hkeys(HELD))
    for name in held - known.keys() - {item.name.encode() for item in destinations}:
        keys = Keys(name.decode())
        if not await redis.exists(keys.due, keys.bulk, keys.away, keys.parked, keys.dead):
            await redis.hdel(HELD, name)


async def _announce_one(redis: "Redis", key: str, settings: dict[Any, Any]) -> None:
    try:
        # With many teams, most commands of idle workers are these.
        await redis.hset(key, mapping=settings)
    except OutOfMemoryError:
        await write_fields(redis, key, settings)


async def _has_new_key(redis: "Redis", destination: Destination, pause: Pause) -> bool:
    """Whether Loops refused another key, or at another address, than the destination has by now."""
    if pause.kind is not PauseKind.REFUSED:
        return False
    refused: Any = await redis.hget(Keys(destination.name).settings, "refused")
    return destination.access.encode() not in (refused or b"").split()


async def _wants_hint(redis: "Redis", destination: Destination, expected: str) -> bool:
    keys = Keys(destination.name)
    paused, due, runs, now_ms = await redis.register_script(LOOK_SCRIPT)(
        keys=[
            *(keys.due, keys.away, keys.paused, keys.clock, keys.bulk),
            *(keys.run_number(number) for number in range(destination.parallel_runs)),
        ],
        args=[0, int(LEASE_S * 1000), expected],
    )
    if paused:
        pause = Pause.from_json(paused)
        wanted = pause.has_ended(now_ms) or pause.wants_probe(now_ms)
        return not runs and (wanted or await _has_new_key(redis, destination, pause))
    if not runs:
        return bool(due)
    return bool(runs < destination.parallel_runs and due > _WORTH_ANOTHER_RUN * runs)
