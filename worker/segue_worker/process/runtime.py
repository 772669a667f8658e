"""One worker process: what delivers, and the thread in which its event loop runs.

Made when first used and kept for the life of the process.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

import uvloop

from segue_producer.append import as_names
from segue_producer.clients import async_redis_client, broker_url, redis_url
from segue_producer.hints import Hints
from segue_producer.refusals import Refused
from segue_worker.config import Config, Destination
from segue_worker.process.engine import Engine

REDIS_TIMEOUT_S: Final = 5.0
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
        redis = async_redis_client(redis_url(), timeout=REDIS_TIMEOUT_S, checked_every_s=10)
        self._engine = Engine(config, redis, stopping=stopping)
        self._loop = uvloop.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="segue-loop", daemon=True).start()

    def warm_up(self) -> None:
        """Make clients and pacers now, so that the first request need not wait for them."""
        self._call(self._engine.warm_up())

    def deliver(self, destination: Destination) -> bool:
        """Do one run, in the thread of the event loop. Returns whether a hint must be sent."""
        return self._call(self._engine.deliver(destination))

    def sweep(self) -> list[str]:
        """Look for destinations that have work but no run. Returns the names of those that need a hint."""
        return self._call(self._engine.sweep())

    def announced(self) -> set[str]:
        """The destinations that any worker serves."""
        return set(as_names(self._call(self._engine.announced())))

    def bury(self, destination: str, refused: Sequence[Refused]) -> None:
        """Make dead letters of events that can never be enqueued."""
        self._call(self._engine.bury(destination, refused))

    def _call(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
