"""What one worker process needs to deliver: an event loop in a thread, Redis, and an HTTP client per destination.

Made when first used and kept for the life of the process. An asyncio client must never be used from two event loops:
it would hang, or hand one caller the answer to another's request.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar
from uuid import uuid4

import uvloop

from segue_producer.clients import async_redis_client, broker_url, redis_url
from segue_producer.hints import Hints
from segue_worker.config import Config, Destination
from segue_worker.delivery.context import RunContext, unix_ms
from segue_worker.delivery.lease import LEASE_S, Lease
from segue_worker.delivery.run import run
from segue_worker.delivery.watch import Watch
from segue_worker.loops import LoopsClient
from segue_worker.outbox import Outbox
from segue_worker.outbox.dead_letter import DeadLetter
from segue_worker.pacing import Pacer
from segue_worker.process.sweep import sweep

REDIS_TIMEOUT_S: Final = 5.0
PASSED_ON_S: Final = 1.0
_Result = TypeVar("_Result")


class Runtime:
    """The working parts of one process.

    Args:
        config: the configuration that it serves.
        stopping: tells whether the process is being shut down.
    """

    def __init__(self, config: Config, *, stopping: Callable[[], bool]) -> None:
        self.config = config
        self.hints = Hints(broker_url(), timeout=2.0)
        self._stopping = stopping
        self._redis = async_redis_client(redis_url(), timeout=REDIS_TIMEOUT_S, checked_every_s=10)
        self._watches: dict[str, Watch] = {}
        self._pacers: dict[str, Pacer] = {}
        self._clients: dict[str, LoopsClient] = {}
        self._running: set[str] = set()
        self._passed_on: dict[str, float] = {}
        self._loop = uvloop.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="segue-loop", daemon=True).start()

    def warm_up(self) -> None:
        """Make clients and pacers now, so that the first request need not wait for them."""
        self._call(self._warm_up())

    async def _warm_up(self) -> None:
        for destination in self.config.destinations:
            self._client(destination)
            self._pacer(destination)

    def deliver(self, destination: Destination) -> bool:
        """Do one run, in the thread of the event loop. Returns whether a hint must be sent."""
        return self._call(self._deliver(destination))

    def sweep(self) -> list[str]:
        """Look for destinations that have work but no run. Returns the names of those that need a hint."""
        return self._call(self._sweep())

    def bury(self, destination: str, malformed: Sequence[tuple[Any, str]]) -> None:
        """Make dead letters of malformed events. Each is given with what is wrong with it."""
        now_ms = unix_ms()
        letters = [
            DeadLetter(
                reason="invalid",
                detail=detail,
                contact="",
                mappings=(),
                message_ids=(),
                events=(json.dumps(event, default=repr),),
                at=now_ms,
            )
            for event, detail in malformed
        ]
        self._call(self._outbox(destination, window_ms=1).bury(letters))

    def _outbox(self, destination: str, *, window_ms: int) -> Outbox:
        return Outbox(self._redis, destination, owner=uuid4().hex, window_ms=window_ms, lease_ms=int(LEASE_S * 1000))

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _sweep(self) -> list[str]:
        return await sweep(self._redis, self.config.destinations)

    async def _deliver(self, destination: Destination) -> bool:
        if destination.parallel_runs == 1:
            return await run(self._context(destination))
        name = destination.name
        if name in self._running:
            return self._passes_on(name)
        self._running.add(name)
        try:
            return await run(self._context(destination))
        finally:
            self._running.discard(name)

    def _passes_on(self, name: str) -> bool:
        """Whether to send a hint on to another process, because this one already has a run of the destination.

        Two runs in one process share a processor: measured, 3,400 requests a second with both in one process, and 4,900
        in two. A hint is sent on once a second only, because there may be no other process.
        """
        now = self._loop.time()
        if now < self._passed_on.get(name, -PASSED_ON_S) + PASSED_ON_S:
            return False
        self._passed_on[name] = now
        return True

    def _context(self, destination: Destination) -> RunContext:
        outbox = self._outbox(destination.name, window_ms=int(destination.dedupe_window.total_seconds() * 1000))
        return RunContext(
            destination=destination,
            outbox=outbox,
            pacer=self._pacer(destination),
            client=self._client(destination),
            lease=Lease(outbox),
            watch=self._watches.setdefault(destination.name, Watch()),
            stopping=self._stopping,
            now_ms=outbox.now_ms,
        )

    def _pacer(self, destination: Destination) -> Pacer:
        pacer = self._pacers.get(destination.name)
        if pacer is None:
            pacer = Pacer(self._redis, destination.api_key.get_secret_value(), destination.rate_limit)
            self._pacers[destination.name] = pacer
        return pacer

    def _client(self, destination: Destination) -> LoopsClient:
        client = self._clients.get(destination.name)
        if client is None:
            client = self._clients[destination.name] = LoopsClient(
                destination.base_url,
                destination.api_key.get_secret_value(),
                timeout=destination.timeout.total_seconds(),
            )
        return client
