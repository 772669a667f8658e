"""Runs and sweeps over one Redis client and one event loop, independent of the thread in which that loop runs.

An asyncio client must never be used from two event loops: it would hang, or hand one caller the answer to another's
request. So an engine belongs to the loop in which its coroutines run.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from segue_producer.keys import DESTINATIONS, HELD, HOLDING_KEYS, name_in
from segue_producer.refusals import Refused, bury
from segue_producer.writing import write
from segue_worker.config import Config, Destination
from segue_worker.delivery.context import RunContext, SendTraced, unix_ms
from segue_worker.delivery.lease import LEASE_S, Lease
from segue_worker.delivery.process_log import tell_minute
from segue_worker.delivery.run import RUN_S, run
from segue_worker.delivery.watch import Watch
from segue_worker.loops import LoopsClient
from segue_worker.loops.transport import tls_context
from segue_worker.outbox import Outbox
from segue_worker.outbox.plan import Plan, owner_token
from segue_worker.outbox.redis_time import RedisTime, time_ms
from segue_worker.pacing import Pacer
from segue_worker.process.sweep import Rounds, sweep
from segue_worker.schema.keeping import SchemaKeeping
from segue_worker.schema.known import Asking

PASSED_ON_S: Final = 1.0

log = logging.getLogger(__name__)


def loops_client(destination: Destination) -> LoopsClient:
    """The client of a destination's Loops team. To be made inside the event loop that uses it."""
    key, timeout = destination.api_key.get_secret_value(), destination.timeout.total_seconds()
    return LoopsClient(destination.base_url, key, timeout=timeout)


class Engine:
    """Runs and sweeps for the destinations of a configuration.

    Args:
        config: the configuration that it serves.
        redis: client that answers bytes.
        stopping: tells whether the process is being shut down.
        client: makes the client of a destination's Loops team.
        run_s: seconds after which a run ends and hands over by a hint.
        send_traced: sends a request within its spans; None where nobody asked for traces.
    """

    def __init__(  # noqa: PLR0913 - what its runs need
        self,
        config: Config,
        redis: "Redis",
        *,
        stopping: Callable[[], bool],
        client: Callable[[Destination], LoopsClient] = loops_client,
        run_s: float = RUN_S,
        send_traced: SendTraced | None = None,
    ) -> None:
        self._config = config
        self._redis = redis
        self._stopping = stopping
        self._make_client = client
        self._run_s = run_s
        self._send_traced = send_traced
        self._watches: dict[str, Watch] = {}
        self._pacers: dict[str, Pacer] = {}
        self._clients: dict[str, LoopsClient] = {}
        self._redis_time = RedisTime(kept_s=LEASE_S)
        self._schemas: dict[str, SchemaKeeping] = {}
        self._running: set[str] = set()
        self._passed_on: dict[str, float] = {}
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._finding: asyncio.Task[None] | None = None
        self._rounds = Rounds(lambda: asyncio.get_running_loop().time())

    async def warm_up(self) -> None:
        """Make now what all clients share, so that the first request need not wait for it."""
        tls_context()
        self._finding = asyncio.create_task(self._find_held())

    async def _find_held(self) -> None:
        """Note Redis's clock, the plans of this configuration, and which destinations hold something though nobody announces them.

        A version of Segue from before there was `HELD` forgot them after an hour; others were named only by a producer.
        """
        try:
            self._redis_time.note(time_ms(await self._redis.time()))
            for destination in self._config.destinations:
                await self._outbox(destination.name, window_ms=1).keep_plan(Plan.of(destination.mappings))
            async for key in self._redis.scan_iter(match=HOLDING_KEYS, count=1000):
                await write(self._redis, "HSET", HELD, name_in(key), 0)
        except (RedisError, OSError) as error:
            log.warning("Redis was not searched for orphaned destinations: %s", type(error).__name__)

    async def sweep(self) -> list[str]:
        """Look for destinations that have work but no run. Returns the names of those that need a hint."""
        return await sweep(self._redis, self._config.destinations, self._rounds, self._redis_time)

    async def keep_schemas(self) -> None:
        """Write what was sent, and ask Loops what it knows; one destination does not wait for another.

        Only of destinations that this process has delivered to: nothing is made or asked for idle ones.
        """
        schemas = [each.keep() for each in self._schemas.values()]
        for result in await asyncio.gather(*schemas, return_exceptions=True):
            if isinstance(result, Exception):
                log.debug("the names that were sent could not be written: %s", type(result).__name__)

    async def write_schemas(self) -> None:
        """Write what was sent and is not written yet."""
        for each in self._schemas.values():
            with suppress(RedisError, OSError):
                await each.write(at_once=True)

    async def tell(self) -> None:
        """Write to the log what was settled since the last time, a line for each destination."""
        for name, counts in self._counts.items():
            if counts:
                tell_minute(name, counts)
                counts.clear()

    async def announced(self) -> list[bytes | str]:
        """The destinations that any worker serves."""
        return await self._redis.hkeys(DESTINATIONS)

    async def bury(self, destination: str, refused: Sequence[Refused]) -> None:
        """Make dead letters of events that were never in the outbox."""
        for step in bury(self._redis, destination, refused):
            await step

    async def deliver(self, destination: Destination) -> bool:
        """Do one run. Returns whether a hint must be sent."""
        if destination.parallel_runs == 1:
            return await self._run(destination)
        name = destination.name
        if name in self._running:
            return self._passes_on(name)
        self._running.add(name)
        try:
            return await self._run(destination)
        finally:
            self._running.discard(name)

    async def _run(self, destination: Destination) -> bool:
        return await run(self._context(destination), seconds=self._run_s)

    def _passes_on(self, name: str) -> bool:
        """Whether to send a hint on to another process, because this one already has a run of the destination.

        Two runs in one process share a processor: measured, 3,400 requests a second with both in one process, and 4,900
        in two. A hint is sent on once a second only, because there may be no other process.
        """
        now = asyncio.get_running_loop().time()
        if now < self._passed_on.get(name, -PASSED_ON_S) + PASSED_ON_S:
            return False
        self._passed_on[name] = now
        return True

    def _outbox(self, destination: str, *, window_ms: int, owner: str = "", unchanged_ms: int = 0) -> Outbox:
        return Outbox(
            self._redis,
            destination,
            owner=owner,
            window_ms=window_ms,
            lease_ms=int(LEASE_S * 1000),
            unchanged_ms=unchanged_ms,
            redis_time=self._redis_time,
        )

    def _context(self, destination: Destination) -> RunContext:
        window_ms = int(destination.dedupe_window.total_seconds() * 1000)
        owner = owner_token(uuid4().hex, Plan.of(destination.mappings))
        unchanged_ms = int(destination.skip_unchanged.total_seconds() * 1000)
        outbox = self._outbox(destination.name, window_ms=window_ms, owner=owner, unchanged_ms=unchanged_ms)
        return RunContext(
            destination=destination,
            outbox=outbox,
            pacer=self._pacer(destination),
            client=self._client(destination),
            lease=Lease(outbox),
            watch=self._watches.setdefault(destination.name, Watch()),
            stopping=self._stopping,
            now_ms=outbox.now_ms,
            counts=self._counts[destination.name],
            sent=self._schema(destination).sent,
            send_traced=self._send_traced,
        )

    def _schema(self, destination: Destination) -> SchemaKeeping:
        name = destination.name
        if name not in self._schemas:
            asker = Asking(self._client(destination), self._pacer(destination), destination.rate_limit)
            self._schemas[name] = SchemaKeeping(self._redis, name, asker, now_ms=unix_ms)
        return self._schemas[name]

    def _pacer(self, destination: Destination) -> Pacer:
        pacer = self._pacers.get(destination.name)
        if pacer is None:
            key, name = destination.api_key.get_secret_value(), destination.name
            pacer = Pacer(self._redis, key, destination.rate_limit, destination=name)
            self._pacers[destination.name] = pacer
        return pacer

    def _client(self, destination: Destination) -> LoopsClient:
        client = self._clients.get(destination.name)
        if client is None:
            client = self._clients[destination.name] = self._make_client(destination)
        return client
