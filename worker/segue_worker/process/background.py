"""What a worker does without being asked by the broker: it says that it lives, and it looks for work that nobody does.

A worker sweeps where nobody has swept of late: beat was killed or never started, or the broker is away. What it finds it does
itself. So delivery needs no broker, and a hint only saves the two seconds until then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from segue_producer.keys import ABOUT_WORKERS, SWEPT, SWEPT_MS, WORKERS, WORKERS_SAY_S
from segue_producer.writing import write
from segue_worker.outbox.redis_time import time_ms

LOOK_S: Final = 0.5

log = logging.getLogger(__name__)


class Background:
    """The periodic duties of a worker, on its client's event loop.

    Args:
        redis: client that answers bytes.
        about: what the worker says of itself besides (`WorkerAbout`).
        sweep: gives the names of the destinations that have work but no run.
        serve: does runs for a destination, until nothing is left to do for this process.
        chores: what else is done, and every how many seconds.
    """

    def __init__(
        self,
        redis: "Redis",
        about: bytes,
        sweep: Callable[[], Awaitable[list[str]]],
        serve: Callable[[str], Coroutine[Any, Any, None]],
        chores: Sequence[tuple[Callable[[], Awaitable[None]], float]],
    ) -> None:
        self._redis = redis
        self._about = about
        self._sweep = sweep
        self._serve = serve
        self._chores = chores
        self._worker = ""
        self._ending = False
        self._loops: list[asyncio.Task[None]] = []
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._asked_again: set[str] = set()

    async def start(self, worker: str) -> None:
        """Begin, under the name of a worker."""
        self._worker = worker
        for work, seconds in (
            (self._say, WORKERS_SAY_S),
            (self._look, LOOK_S),
            *self._chores,
        ):
            self._loops.append(asyncio.create_task(self._again_and_again(work, seconds)))

    async def stop(self) -> None:
        """End, wait for the runs, and take back that the worker lives."""
        self._ending = True
        for each in self._loops:
            each.cancel()
        await asyncio.gather(*self._loops, *self._runs.values(), return_exceptions=True)
        try:
            await self._redis.zrem(WORKERS, self._worker)
            await self._redis.hdel(ABOUT_WORKERS, self._worker)
        except (RedisError, OSError) as error:
            log.debug("the worker could not say that it ends: %s", type(error).__name__)

    def serve(self, name: str) -> None:
        """Do runs for a destination; where that is under way here, once it has ended.

        A run that hands over sends a hint, which may arrive here before the run has ended. Ignored, it would leave the
        destination to the next sweep.
        """
        if name in self._runs:
            self._asked_again.add(name)
        elif not self._ending:
            self._runs[name] = asyncio.create_task(self._serve(name))
            self._runs[name].add_done_callback(lambda _: self._ended(name))

    def _ended(self, name: str) -> None:
        del self._runs[name]
        if name in self._asked_again:
            self._asked_again.discard(name)
            self.serve(name)

    async def _say(self) -> None:
        now_ms = time_ms(await self._redis.time())
        await write(self._redis, "HSET", ABOUT_WORKERS, self._worker, self._about)
        await write(self._redis, "ZADD", WORKERS, now_ms, self._worker)
        gone = await self._redis.zrangebyscore(WORKERS, "-inf", now_ms - 3_600_000)
        if gone:
            await self._redis.hdel(ABOUT_WORKERS, *gone)
            await self._redis.zrem(WORKERS, *gone)

    async def _look(self) -> None:
        # A mark that lives for longer was set before the server's clock was set back.
        marked = await write(self._redis, "SET", SWEPT, "1", "NX", "PX", SWEPT_MS)
        if marked or await self._redis.pttl(SWEPT) > SWEPT_MS:
            for name in await self._sweep():
                self.serve(name)

    async def _again_and_again(self, work: Callable[[], Awaitable[Any]], seconds: float) -> None:
        while not self._ending:
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - whatever it was, the next time may go well
                log.debug("a periodic duty of the worker failed: %s", type(error).__name__)
            await asyncio.sleep(seconds)
