"""Many calls in few round trips: what comes while one is under way goes together in the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from redis.exceptions import ResponseError

_AT_ONCE: Final = 64
"""Calls in one round trip at most, so that nobody else waits long for Redis."""

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")


class Batched(Generic[_Item, _Answer]):
    """Does something for many items at once; items that come at the same time share a round trip, in their order.

    Args:
        do: takes items, gives an answer for each, in order.
    """

    def __init__(self, do: Callable[[Sequence[_Item]], Awaitable[Sequence[_Answer]]]) -> None:
        self._do = do
        self._waiting: list[tuple[_Item, asyncio.Future[_Answer]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def __call__(self, item: _Item) -> _Answer:
        """Do it for one item. Returns its answer, or raises what doing it raised."""
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        try:
            while self._waiting:
                calls, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                try:
                    answers = await self._answers([item for item, _ in calls])
                    for (_, future), answer in zip(calls, answers, strict=True):
                        if future.done():
                            continue
                        if isinstance(answer, Exception):
                            future.set_exception(answer)
                        else:
                            future.set_result(answer)
                finally:
                    # Whatever ends this early, nobody waits for an answer that will not come.
                    for _, future in calls:
                        future.cancel()
        finally:
            self._sending = None

    async def _answers(self, items: Sequence[_Item]) -> Sequence[_Answer | Exception]:
        try:
            return await self._do(items)
        except ResponseError as error:
            if len(items) == 1:
                return [error]
            # One of them is to blame, and the others are not to suffer for it.
            return [answer for item in items for answer in await self._answers([item])]
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            return [error] * len(items)
