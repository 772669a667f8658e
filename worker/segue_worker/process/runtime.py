"""One worker process: what delivers, and the thread in which its event loop runs.

Made when first used and kept for the life of the process.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

import uvloop
from redis.exceptions import RedisError

from segue_producer.append import as_names
from segue_producer.clients import async_redis_client, broker_url, redis_url
from segue_producer.hints import Hints
from segue_producer.refusals import Refused
from segue_worker.config import Config
from segue_worker.delivery.context import unix_ms
from segue_worker.observing.workers import WorkerAbout
from segue_worker.process.background import Background
from segue_worker.process.engine import Engine
from segue_worker.process.mapping_announcements import MAPPINGS_TOLD_S, MappingAnnouncements
from segue_worker.process.traces import set_up_traces

REDIS_TIMEOUT_S: Final = 5.0
SCHEMAS_S: Final = 1.0
TELLS_S: Final = 60.0
"""How often the log says what was settled."""
_Result = TypeVar("_Result")

log = logging.getLogger(__name__)


class Runtime:
    """The working parts of one process.

    Args:
        config: the configuration that it serves.
        stopping: tells whether the process is being shut down.
    """

    def __init__(self, config: Config, *, stopping: Callable[[], bool]) -> None:
        self.config = config
        self.hints = Hints(broker_url(), redis_url=redis_url())
        redis = async_redis_client(redis_url(), timeout=REDIS_TIMEOUT_S, checked_every_s=10)
        self._engine = Engine(config, redis, stopping=stopping, send_traced=set_up_traces())
        self._stopping = stopping
        about = WorkerAbout.of(config, unix_ms()).to_json()
        chores = (
            (self._engine.keep_schemas, SCHEMAS_S),
            (self._engine.tell, TELLS_S),
            (MappingAnnouncements(redis, config).tell, MAPPINGS_TOLD_S),
        )
        self._unasked = Background(redis, about, self._engine.sweep, self._serve, chores)
        self._loop = uvloop.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="segue-loop", daemon=True).start()

    def warm_up(self) -> None:
        """Make clients and pacers now, so that the first request need not wait for them."""
        self._call(self._engine.warm_up())

    def start(self, worker: str) -> None:
        """Begin to work without being asked, under the name of this worker."""
        self._call(self._unasked.start(worker))

    def stop(self) -> None:
        """End that, and wait for its runs."""
        self._call(self._unasked.stop())
        self._call(self._engine.write_schemas())
        self._call(self._engine.tell())

    def serve(self, destination: str) -> None:
        """Do runs for a destination, in the thread of the event loop, until nothing is left or a hint was sent.

        Nobody waits for them: a run mostly waits itself, and one thread for each would limit how many destinations a process
        serves at once. Several runs of one destination are spread over processes by the threads that they keep.
        """
        parallel = any(each.name == destination and each.parallel_runs > 1 for each in self.config.destinations)
        if parallel:
            self._call(self._serve(destination))
        else:
            self._loop.call_soon_threadsafe(self._unasked.serve, destination)

    def sweep(self) -> None:
        """Look for destinations that have work but no run, and send hints for them, or do the runs here."""
        for name in self._call(self._engine.sweep()):
            if not self.hints.send(name):
                self._loop.call_soon_threadsafe(self._unasked.serve, name)

    def announced(self) -> set[str]:
        """The destinations that any worker serves."""
        return set(as_names(self._call(self._engine.announced())))

    def bury(self, destination: str, refused: Sequence[Refused]) -> None:
        """Make dead letters of events that can never be enqueued."""
        self._call(self._engine.bury(destination, refused))

    async def _serve(self, name: str) -> None:
        try:
            destination = self.config.destination(name)
        except KeyError:
            log.warning("got a hint for destination %r, which is not in this worker's configuration", name)
            return
        try:
            # Work must not stop because the broker accepts no message: then this process does the next run itself.
            while destination.enabled and await self._engine.deliver(destination):
                if await asyncio.to_thread(self.hints.send, name) or self._stopping():
                    return
        except (RedisError, OSError) as error:
            said = "the run for %s ended early: Redis does not answer (%s); the sweep will start another"
            log.warning(said, name, type(error).__name__)

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
