"""The way from a process to Redis: clients of redis-py whose commands travel, and may be lost, late, or never answered.

Above `execute_command` everything is redis-py's own, so what the product calls is what it calls in earnest. What a
connection does is copied: five seconds of patience, and one immediate repeat of a call whose connection broke.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import greenlet
import redis
from redis import asyncio as async_redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.simulation.loop import NOBODY, Process, current
from tests.simulation.redis_data import Server

PATIENCE_S: Final = 5.0
Command = tuple[bytes, ...]


@dataclass
class Weather:
    """How Redis and the way to it are just now.

    Attributes:
        latency_s: least and most of one way.
        away: whether connections are refused.
        hangs_until: time of the loop until which nothing is done; what came meanwhile is done then.
        lost_before: share of calls whose connection breaks before they are done.
        lost_after: share of calls whose connection breaks after they are done, before the answer.
        swallows: share of cancelled calls that end as if they had not been cancelled.
    """

    latency_s: tuple[float, float] = (0.0002, 0.001)
    away: bool = False
    hangs_until: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    swallows: float = 0.0


@dataclass
class Link:
    """What the clients of the simulation share.

    Attributes:
        struck: is called with the name of each fault that strikes a call.
        told: is called with what a call asked and what was answered.
    """

    server: Server
    loop: asyncio.AbstractEventLoop
    random: Random
    struck: Callable[[str, Sequence[Command], "asyncio.Task[Any] | None"], None]
    told: Callable[[Sequence[Command], Sequence[Any], Process | None], None]
    weather: Weather = field(default_factory=Weather)

    async def call(self, commands: Sequence[Command]) -> list[Any]:
        """Do commands in one round trip. Each answer is what Redis said, or a ResponseError."""
        try:
            return await self._once(commands)
        except RedisConnectionError:
            return await self._once(commands)

    async def _once(self, commands: Sequence[Command]) -> list[Any]:
        answered: asyncio.Future[list[Any]] = self.loop.create_future()
        trip = _Trip(self, commands, answered)
        self.loop.call_later(self._way(), trip.arrive, context=NOBODY)
        try:
            return await answered
        except asyncio.CancelledError:
            if self.weather.swallows and self.random.random() < self.weather.swallows and not self.weather.away:
                self.struck("cancellation swallowed", commands, asyncio.current_task())
                trip.do()
                return trip.answers
            raise

    def _way(self) -> float:
        return self.random.uniform(*self.weather.latency_s)


class _Trip:
    """One call under way."""

    def __init__(self, link: Link, commands: Sequence[Command], answered: "asyncio.Future[list[Any]]") -> None:
        self._link = link
        self._commands = commands
        self._answered = answered
        self._task = asyncio.current_task()
        self._process = current()
        self.answers: list[Any] = []
        self._done = False
        self._began = link.loop.time()

    def arrive(self) -> None:
        link, weather = self._link, self._link.weather
        if weather.away:
            link.struck("Redis away", self._commands, self._task)
            self._break()
        elif weather.hangs_until > link.loop.time():
            link.struck("Redis hangs", self._commands, self._task)
            link.loop.call_at(self._began + PATIENCE_S, self.give_up, context=NOBODY)
            link.loop.call_at(weather.hangs_until + link._way(), self.arrive, context=NOBODY)
        elif weather.lost_before and link.random.random() < weather.lost_before:
            link.struck("lost before", self._commands, self._task)
            self._break()
        else:
            self.do()
            if weather.lost_after and link.random.random() < weather.lost_after:
                link.struck("lost after", self._commands, self._task)
                link.loop.call_later(link._way(), self._break, context=NOBODY)
            else:
                link.loop.call_later(link._way(), self._answer, context=NOBODY)

    def do(self) -> None:
        if self._done:
            return
        self._done = True
        for command in self._commands:
            try:
                self.answers.append(self._link.server.call(*command))
            except ResponseError as error:
                self.answers.append(error)
        if any("maxmemory" in str(answer) for answer in self.answers if isinstance(answer, ResponseError)):
            self._link.struck("Redis full", self._commands, self._task)
        self._link.told(self._commands, self.answers, self._process)

    def give_up(self) -> None:
        self._fail(RedisTimeoutError("Timeout reading from simulated Redis"))

    def _break(self) -> None:
        self._fail(RedisConnectionError("simulated connection lost"))

    def _fail(self, error: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(error)
            # Whoever waited may have been killed; then nobody hears of it.
            self._answered.exception()

    def _answer(self) -> None:
        if not self._answered.done():
            self._answered.set_result(self.answers)


def _encoded(client: Any, args: Sequence[Any]) -> Command:
    encode = client.get_encoder().encode
    return tuple(bytes(encode(part)) for name in args[:1] for part in str(name).split()) + tuple(
        bytes(encode(arg)) for arg in args[1:]
    )


def _parsed(client: Any, name: str, answer: Any, options: dict[str, Any]) -> Any:
    if isinstance(answer, Exception):
        raise answer
    options.pop("keys", None)
    callback = client.response_callbacks.get(name)
    return callback(answer, **options) if callback else answer


def _parsed_all(pipe: Any, stack: Sequence[Any], answers: Sequence[Any], *, raise_on_error: bool) -> list[Any]:
    results = []
    for (args, options), answer in zip(stack, answers, strict=True):
        try:
            results.append(_parsed(pipe, str(args[0]), answer, dict(options)))
        except ResponseError as error:
            if raise_on_error:
                raise
            results.append(error)
    return results


def _with_scripts(pipe: Any, stack: Sequence[Any]) -> list[Command]:
    """The commands of a pipeline, its scripts loaded first."""
    loads = [(b"SCRIPT", b"LOAD", bytes(pipe.get_encoder().encode(script.script))) for script in pipe.scripts]
    return sorted(loads) + [_encoded(pipe, args) for args, _ in stack]


class AsyncClient(async_redis.Redis):
    """redis-py's asyncio client over a link."""

    def __init__(self, link: Link) -> None:
        super().__init__(connection_pool=async_redis.ConnectionPool(protocol=2))
        self._link = link

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        (answer,) = await self._link.call([_encoded(self, args)])
        return _parsed(self, str(args[0]), answer, options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "AsyncPipeline":  # noqa: FBT001, FBT002 - redis-py's
        pipe = AsyncPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipe.link = self._link
        return pipe

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's
        """There are no connections."""


class AsyncPipeline(async_redis.client.Pipeline):
    """Its pipeline."""

    link: Link

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's
        stack = list(self.command_stack)
        commands = _with_scripts(self, stack)
        self.command_stack = []
        self.scripts = set()
        answers = await self.link.call(commands) if stack else []
        return _parsed_all(self, stack, answers[len(answers) - len(stack) :], raise_on_error=raise_on_error)


class Client(redis.Redis):
    """redis-py's blocking client over a link; to be used by what `blocking` runs."""

    def __init__(self, link: Link) -> None:
        super().__init__(connection_pool=redis.ConnectionPool(protocol=2))
        self._link = link

    def execute_command(self, *args: Any, **options: Any) -> Any:
        (answer,) = _await(self._link.call([_encoded(self, args)]))
        return _parsed(self, str(args[0]), answer, options)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "Pipeline":  # noqa: FBT001, FBT002 - redis-py's
        pipe = Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipe.link = self._link
        return pipe


class Pipeline(redis.client.Pipeline):
    """Its pipeline."""

    link: Link

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's
        stack = list(self.command_stack)
        commands = _with_scripts(self, stack)
        self.command_stack = []
        self.scripts = set()
        answers = _await(self.link.call(commands)) if stack else []
        return _parsed_all(self, stack, answers[len(answers) - len(stack) :], raise_on_error=raise_on_error)


async def blocking(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Run code that uses a blocking `Client`: where it would block, the simulation goes on."""
    side = greenlet.greenlet(lambda: function(*args, **options))
    side.gr_context = copy_context()
    asked = side.switch()
    while not side.dead:
        try:
            answer = await asked
        except BaseException as error:  # noqa: BLE001 - it is the blocking code's
            asked = side.throw(error)
        else:
            asked = side.switch(answer)
    return asked


def sleep(seconds: float) -> None:
    """`time.sleep` of code that runs in `blocking`."""
    _await(asyncio.sleep(seconds))


def _await(work: Any) -> Any:
    parent = greenlet.getcurrent().parent
    assert parent is not None
    return parent.switch(work)
