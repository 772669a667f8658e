"""Group commit: the events of requests that arrive together are sent to Redis together.

This saves round trips and makes small batches cheap. Each request is still answered only once its own events are in the
outbox.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from segue_producer.append import BATCH
from segue_producer.events import Prepared

Append = Callable[[Sequence[Prepared]], Awaitable[Any]]


class GroupCommit:
    """Appends events for many requests, in the order of their arrival, one round trip at a time.

    Args:
        append: puts events into the outbox. It returns once they are there, and raises EnqueueError otherwise.
    """

    def __init__(self, append: Append) -> None:
        self._append = append
        self._waiting: deque[tuple[Sequence[Prepared], asyncio.Future[None]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def commit(self, events: Sequence[Prepared]) -> None:
        """Put events into the outbox, and return once they are there.

        Raises:
            EnqueueError: not all of them, or of those sent with them, were accepted. Sending them again is safe.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((events, done))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        await done

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._commit_group()
        finally:
            self._worker = None
            # There are any left only if the process is ending: nobody will commit them any more.
            for _, done in self._waiting:
                done.cancel()
            self._waiting.clear()

    async def _commit_group(self) -> None:
        events, done = self._waiting.popleft()
        group, waiters = list(events), [done]
        while self._waiting and len(group) + len(self._waiting[0][0]) <= BATCH:
            events, done = self._waiting.popleft()
            group.extend(events)
            waiters.append(done)
        error: Exception | None = None
        try:
            await self._append(group)
        except asyncio.CancelledError:
            for waiter in waiters:
                waiter.cancel()
            raise
        except Exception as raised:  # noqa: BLE001 - it is raised again in every request that waits for these events
            error = raised
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None) if error is None else waiter.set_exception(error)
