"""`Producer`: enqueue events from ordinary, blocking code."""

import hashlib
import os
import queue
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Self

import hiredis
import redis

from segue_producer import append, replicated, tracing, urls
from segue_producer.append import EventInput, Partly, Taking
from segue_producer.breaker import Breaker
from segue_producer.calls import Call, identify_event, track_event
from segue_producer.clients import CONNECTIONS, AllInUseError, broker_url, redis_client, redis_url
from segue_producer.errors import AddressError, EnqueueError, OutboxFull
from segue_producer.events import Prepared, prepare
from segue_producer.hints import background_hints
from segue_producer.keys import DESTINATIONS, Keys
from segue_producer.lanes import Lane, check_lane
from segue_producer.typed_events import Id, Moment

KNOWN_FOR_S: Final = 30
"""Seconds for which the list of known destinations is believed."""


class Producer:
    """Hands events to Segue's outbox. Cheap to make, connects on first use, safe in threads and after a fork.

    Args:
        redis_url: Redis of the outbox; `SEGUE_REDIS_URL` when left out.
        destinations: names of the destinations that get each event.
        broker_url: Celery broker for hints; `SEGUE_BROKER_URL`, else the Redis, when left out.
        timeout: seconds a call waits for Redis before it raises OutboxUnavailable: more than 0, and at most a day. So long
            it waits, too, for one of 64 connections where more threads than that enqueue at once.
        lane: of all its events, unless a call says otherwise: `live`, or `bulk` for backfills and imports, which go behind.

    Every call returns only when its events are in the outbox (durable as far as Redis is), and raises an
    `EnqueueError` otherwise.
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
        self._connections: dict[int, _ProcessClients] = {}

    def identify(
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
        """Enqueue an identify event: who somebody is.

        Returns:
            its messageId.

        Raises:
            EnqueueError: the event was not taken.
        """
        call = Call(user_id, context, timestamp, anonymous_id, integrations, message_id)
        return self.enqueue_prepared([prepare(identify_event(call, traits))], lane=lane)[0]

    def track(
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
        """Enqueue a track event: what somebody did.

        Returns:
            its messageId.

        Raises:
            EnqueueError: the event was not taken.
        """
        call = Call(user_id, context, timestamp, anonymous_id, integrations, message_id)
        return self.enqueue_prepared([prepare(track_event(call, event, properties))], lane=lane)[0]

    def enqueue(self, events: Iterable[EventInput], *, lane: Lane | None = None) -> list[str]:
        """Enqueue many events, 250 to a round trip.

        Args:
            events: identify and track events, as mappings with Segment's field names or as models.
            lane: of these events; the producer's when left out.

        Returns:
            their messageIds, in order.

        Raises:
            InvalidEvent: an event is malformed; none was taken.
            EnqueueError: some were not taken; `.taken` lists those that were.
        """
        return self.enqueue_prepared(append.prepare_all(events), lane=lane)

    def enqueue_prepared(self, prepared: Sequence[Prepared], *, lane: Lane | None = None) -> list[str]:
        """Enqueue what `segue_producer.events.prepare` made, as `enqueue` does; for callers who check events one by one."""
        if tracing.wanted(prepared):
            with tracing.enqueueing(prepared, self._destinations) as traced:
                return self.enqueue_prepared(traced, lane=lane)
        lane = self._lane if lane is None else check_lane(lane)
        connection = self._connected()
        taking = Taking(self._destinations, self._partly)
        for batch in append.batches(prepared):
            try:
                connection.append(batch, taking, lane)
            except EnqueueError as error:
                error.taken = tuple(taking.taken)
                raise
            taking.end(batch)
        return taking.result()

    def close(self) -> None:
        """Close the connections. The producer may be used again; it then connects anew."""
        connection = self._connections.pop(os.getpid(), None)
        if connection is not None:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connected(self) -> "_ProcessClients":
        # A forked child must not share its parent's sockets.
        pid = os.getpid()
        connection = self._connections.get(pid)
        if connection is None:
            try:
                made = _ProcessClients(
                    redis_url(self._redis_url),
                    broker_url(self._broker_url, redis=self._redis_url),
                    self._timeout,
                    self._destinations,
                )
            except AddressError as error:
                raise append.bad_address(error) from None
            # Of threads that come at once, all use what one has made, and so no more connections than there may be.
            connection = self._connections.setdefault(pid, made)
            for other in [each for each in list(self._connections) if each != pid]:
                self._connections.pop(other, None)
        return connection


class _ProcessClients:
    """The clients of one process."""

    def __init__(self, url: str, broker: str, timeout: float, destinations: Sequence[str]) -> None:
        self._url = url
        self._breaker = Breaker()
        self._redis = redis_client(url, timeout=timeout)
        self._sha = hashlib.sha1(append.APPEND_SCRIPT.encode()).hexdigest()  # noqa: S324 - how Redis names scripts
        # redis-py's connections, whose methods it does not type.
        self._spare: list[Any] = []
        self._timeout = timeout
        # Looked up now, because gevent replaces it when it is told to.
        self._places: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(CONNECTIONS):
            self._places.put(None)
        self._keys = {name: Keys(name) for name in destinations}
        # A cluster's client knows which node a key is at, and has connections to each.
        self._on_cluster = urls.kind(url) == urls.CLUSTER
        self._hints = background_hints(broker, timeout=timeout, redis_url=url)
        self._known_until = 0.0
        self._replicated: set[str] = set()

    def append(self, events: Sequence[Prepared], taking: Taking, lane: Lane) -> None:
        began = self._breaker.enter()
        try:
            wanting = self._append(events, taking, lane)
        except (redis.RedisError, OSError) as error:
            unavailable = append.unavailable(error, self._url)
            unavailable.uncertain = tuple(event.message_id for event in events)
            raise (self._breaker.failed(began, unavailable) if append.is_unreachable(error) else unavailable) from None
        self._breaker.succeeded()
        for name in wanting:
            self._hints.send(name)

    def _append(self, events: Sequence[Prepared], taking: Taking, lane: Lane) -> list[str]:
        """Append to each open destination, as one of as many threads as there may be connections. Returns who wants a hint."""
        try:
            self._places.get(timeout=self._timeout)
        except queue.Empty:
            raise AllInUseError(self._timeout) from None
        try:
            self._check_known()
            return [name for name in taking.open if self._append_to(name, events, taking, lane)]
        finally:
            self._places.put(None)

    def _append_to(self, destination: str, events: Sequence[Prepared], taking: Taking, lane: Lane) -> bool:
        wanted = taking.wanted(destination, events)
        if not wanted:
            return False
        try:
            return append.hint_needed(self._answer(destination, wanted, lane), destination)
        except OutboxFull as error:
            taking.refuse(destination, error)
            return False

    def _answer(self, destination: str, events: Sequence[Prepared], lane: Lane) -> Any:
        keys, args = append.arguments(self._keys[destination], events, lane=lane)
        timeout = self._timeout if destination in self._replicated else 0
        if not self._on_cluster:
            command = (len(keys), *keys, *args)
            return self._on_connection(lambda each: _evaluate(each, self._sha, command, timeout))
        if timeout:
            return replicated.append_on_cluster(self._redis, append.APPEND_SCRIPT, keys, args, within_s=timeout)
        return self._redis.register_script(append.APPEND_SCRIPT)(keys, args)

    def _on_connection(self, converse: Callable[[Any], Any]) -> Any:
        """Send a command, and read its answer, on a connection of its own for each thread that is at it.

        By redis-py's connections, but past its client and its pool: those take 45 µs of the 160 a call took with them,
        to ask the socket first whether the server has closed it, among others. Here a closed one is found by using it.
        With Sentinel `connect` asks where the primary is, which sending alone would not.
        """
        try:
            connection = self._spare.pop()
        except IndexError:
            # Its `make_connection` would keep each that fails, for as long as Redis is away.
            pool = self._redis.connection_pool
            connection = pool.connection_class(**pool.connection_kwargs)
            connection.connect()
        try:
            try:
                answer = converse(connection)
            except redis.ConnectionError:
                # As `ONCE_AGAIN` of the other clients, whose closures cost more than all the rest here.
                connection.disconnect()
                connection.connect()
                answer = converse(connection)
        except redis.ResponseError:
            self._spare.append(connection)
            raise
        except BaseException:
            # Its late reply would be taken for the next call's.
            connection.disconnect()
            raise
        self._spare.append(connection)
        return answer

    def _check_known(self) -> None:
        if time.monotonic() >= self._known_until:
            append.check_known(tuple(self._keys), self._ask("HKEYS", DESTINATIONS))
            asked = {name: self._ask("HGET", keys.settings, "replicated") for name, keys in self._keys.items()}
            self._replicated = {name for name, answer in asked.items() if answer == b"1"}
            self._known_until = time.monotonic() + KNOWN_FOR_S

    def _ask(self, *command: str) -> Any:
        if self._on_cluster:
            return self._redis.execute_command(*command)
        return self._on_connection(lambda each: _converse(each, *command))

    def close(self) -> None:
        while self._spare:
            self._spare.pop().disconnect()
        self._redis.close()


def _converse(connection: Any, *command: Any) -> Any:
    # Written here, because redis-py looks at each argument before it hands them to hiredis.
    connection.send_packed_command([hiredis.pack_command(command)])
    return connection.read_response()


def _evaluate(connection: Any, sha: str, args: Sequence[Any], replicated_within_s: float) -> Any:
    try:
        answer = _converse(connection, "EVALSHA", sha, *args)
    except redis.exceptions.NoScriptError:
        answer = _converse(connection, "EVAL", append.APPEND_SCRIPT, *args)
    if replicated_within_s:
        replicated.check(_converse(connection, "WAIT", 1, replicated.wait_ms(replicated_within_s)))
    return answer
