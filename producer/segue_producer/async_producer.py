"""`AsyncProducer`: enqueue events from asyncio code."""

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Self
from weakref import WeakKeyDictionary

from redis import exceptions

from segue_producer import append, replicated, tracing
from segue_producer.append import EventInput, Partly, Taking
from segue_producer.breaker import Breaker
from segue_producer.calls import Call, identify_event, track_event
from segue_producer.clients import async_redis_client, broker_url, redis_url
from segue_producer.errors import AddressError, EnqueueError, OutboxFull
from segue_producer.events import Prepared, prepare
from segue_producer.hints import background_hints
from segue_producer.keys import DESTINATIONS, Keys
from segue_producer.lanes import Lane, check_lane
from segue_producer.producer import KNOWN_FOR_S
from segue_producer.typed_events import Id, Moment

_keys = lru_cache(maxsize=1024)(Keys)


class AsyncProducer:
    """`Producer` for asyncio: the same arguments, the same methods, awaited.

    One object may serve several event loops and processes; each gets its own connections.
    """

    def __init__(
        self,
        redis_url: str | None = None,
        destinations: Sequence[str] = ("loops",),
        *,
        broker_url: str | None = None,
        timeout: float = 2.0,
        lane: Lane = "live",
    ) -> None:
        self._destinations = append.check_names(destinations)
        self._redis_url = redis_url
        self._broker_url = broker_url
        self._timeout = append.check_timeout(timeout)
        self._lane = check_lane(lane)
        self._partly = Partly()
        self._connections: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClients] = WeakKeyDictionary()
        # Of a process, since an event loop may end with its only call.
        self._pid, self._breaker = os.getpid(), Breaker()

    async def identify(
        self,
        user_id: Id | None = None,
        traits: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Moment | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        *,
        lane: Lane | None = None,
    ) -> str:
        """See `Producer.identify`."""
        call = Call(user_id, context, timestamp, anonymous_id, integrations, message_id)
        return (await self.enqueue_prepared([prepare(identify_event(call, traits))], lane=lane))[0]

    async def track(
        self,
        user_id: Id | None,
        event: str,
        properties: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        timestamp: Moment | None = None,
        anonymous_id: Id | None = None,
        integrations: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        *,
        lane: Lane | None = None,
    ) -> str:
        """See `Producer.track`."""
        call = Call(user_id, context, timestamp, anonymous_id, integrations, message_id)
        return (await self.enqueue_prepared([prepare(track_event(call, event, properties))], lane=lane))[0]

    async def enqueue(self, events: Iterable[EventInput], *, lane: Lane | None = None) -> list[str]:
        """See `Producer.enqueue`."""
        return await self.enqueue_prepared(append.prepare_all(events), lane=lane)

    async def enqueue_prepared(self, prepared: Sequence[Prepared], *, lane: Lane | None = None) -> list[str]:
        """Enqueue what `segue_producer.events.prepare` made, as `enqueue` does; for callers who check events one by one."""
        if tracing.wanted(prepared):
            with tracing.enqueueing(prepared, self._destinations) as traced:
                return await self.enqueue_prepared(traced, lane=lane)
        lane = self._lane if lane is None else check_lane(lane)
        connection = self._connected()
        taking = Taking(self._destinations, self._partly)
        for batch in append.batches(prepared):
            try:
                await connection.append(batch, taking, lane)
            except EnqueueError as error:
                error.taken = tuple(taking.taken)
                raise
            taking.end(batch)
        return taking.result()

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        connection = self._connections.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            await connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _connected(self) -> "_LoopClients":
        loop = asyncio.get_running_loop()
        connection = self._connections.get(loop)
        if connection is None or connection.pid != os.getpid():
            self._let_go()
            if self._pid != os.getpid():
                self._pid, self._breaker = os.getpid(), Breaker()
            try:
                connection = self._connections[loop] = _LoopClients(
                    redis_url(self._redis_url),
                    broker_url(self._broker_url, redis=self._redis_url),
                    self._timeout,
                    self._breaker,
                )
            except AddressError as error:
                raise append.bad_address(error) from None
        return connection

    def _let_go(self) -> None:
        """Forget the connections of event loops that were closed: they hold the loop, which would so be kept for ever."""
        for reference in self._connections.keyrefs():
            loop = reference()
            if loop is not None and loop.is_closed():
                self._connections.pop(loop, None)


class _LoopClients:
    """The clients of one event loop."""

    def __init__(self, url: str, broker: str, timeout: float, breaker: Breaker) -> None:
        self.pid = os.getpid()
        self._url = url
        self._breaker = breaker
        self._redis = async_redis_client(url, timeout=timeout)
        self._script = self._redis.register_script(append.APPEND_SCRIPT)
        self._hints = background_hints(broker, timeout=timeout, redis_url=url)
        self._known_until = 0.0
        self._timeout = timeout
        self._replicated: set[str] = set()

    async def append(self, events: Sequence[Prepared], taking: Taking, lane: Lane) -> None:
        began = self._breaker.enter()
        try:
            await self._check_known(taking.open)
            wanting = [name for name in taking.open if await self._append_to(name, events, taking, lane)]
        except (exceptions.RedisError, OSError) as error:
            unavailable = append.unavailable(error, self._url)
            unavailable.uncertain = tuple(event.message_id for event in events)
            raise (self._breaker.failed(began, unavailable) if append.is_unreachable(error) else unavailable) from None
        self._breaker.succeeded()
        for name in wanting:
            self._hints.send(name)

    async def _append_to(self, destination: str, events: Sequence[Prepared], taking: Taking, lane: Lane) -> bool:
        wanted = taking.wanted(destination, events)
        if not wanted:
            return False
        try:
            return append.hint_needed(await self._answer(destination, wanted, lane), destination)
        except OutboxFull as error:
            taking.refuse(destination, error)
            return False

    async def _answer(self, destination: str, events: Sequence[Prepared], lane: Lane) -> Any:
        keys, args = append.arguments(_keys(destination), events, lane=lane)
        if destination in self._replicated:
            return await replicated.append(self._redis, append.APPEND_SCRIPT, keys, args, within_s=self._timeout)
        return await self._script(keys=keys, args=args)

    async def _check_known(self, destinations: Sequence[str]) -> None:
        if time.monotonic() >= self._known_until:
            append.check_known(destinations, await self._redis.hkeys(DESTINATIONS))
            asked = [await self._redis.hget(Keys(name).settings, "replicated") for name in destinations]
            self._replicated = {name for name, answer in zip(destinations, asked, strict=True) if answer == b"1"}
            self._known_until = time.monotonic() + KNOWN_FOR_S

    async def close(self) -> None:
        await self._redis.aclose()
