"""Every Redis client of Segue is made here; nothing else knows how Redis is reached. `urls` says what URLs there are.

Clients answer bytes. They try once more, at once, where the server has closed a connection meanwhile, and never after a
timeout: a caller who was told "5 seconds" does not wait for 20. Each opens so many connections at most; who comes while all
are in use waits for one. With Sentinel, each new connection goes to whoever is the primary then.
"""

import asyncio
import os
import sys
from typing import Any, Final, cast

import hiredis
from redis import BlockingConnectionPool, Redis
from redis import asyncio as async_redis
from redis import sentinel as blocking_sentinel
from redis.asyncio import sentinel as async_sentinel
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from segue_producer import urls
from segue_producer.settings import DEFAULT_REDIS_URL
from segue_producer.urls import where

__all__ = [
    "CONNECTIONS",
    "ONCE_AGAIN",
    "AllInUseError",
    "async_redis_client",
    "broker_url",
    "every_node",
    "redis_client",
    "redis_url",
    "where",
    "why_refused",
]

CONNECTIONS: Final = 64
"""Connections of one client at most; with a cluster, to each of its nodes."""
ONCE_AGAIN: Final = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))

NO_BROKER: Final = (
    "Celery cannot use a Redis Cluster as its broker: set SEGUE_BROKER_URL, to RabbitMQ (amqp://…) or to a single Redis"
)


_REFUSALS: Final = (
    # What stops a script comes as a plain ResponseError with the reason in its text, which differs between servers.
    ((AuthenticationError,), (), "check the user and password in its URL"),
    (
        (NoPermissionError,),
        ("ACL failure", "The user executing the script can't"),
        "its user may not do that; SECURITY.md says which rights are needed",
    ),
    ((ReadOnlyError,), ("READONLY",), "this is a read-only replica; its URL must name the primary"),
    ((OutOfMemoryError,), ("OOM",), "Redis is out of memory; give it more, or let the workers drain the outbox"),
    (
        (),
        ("WRONGTYPE",),
        "a key of Segue's holds what Segue never writes there; the workers' log says of which destination",
    ),
    ((BusyLoadingError,), ("LOADING",), "Redis is loading its data; wait until it has, then try again"),
    ((), ("MISCONF",), "Redis cannot write to its disk, which may be full; see its log"),
    ((), ("NOREPLICAS",), "fewer replicas are connected to Redis than its min-replicas-to-write; check them"),
    (
        (),
        ("unknown command",),
        "its URL must name a Redis from version 6.2 on, or with redis+sentinel:// the Sentinels",
    ),
    ((), ("DB index is out of range",), "it has no database of the number in its URL"),
    ((MovedError,), (), "this is a node of a cluster; its URL must begin with redis+cluster://"),
    ((ClusterDownError,), (), "a part of the cluster has no primary; check its nodes"),
)


def why_refused(error: BaseException) -> str:
    """Why Redis, which answers, refused something, and what to do; "" where it did not answer, or the reason is not known."""
    text = str(error)
    for kinds, words, why in _REFUSALS:
        if isinstance(error, kinds) or (isinstance(error, ResponseError) and any(word in text for word in words)):
            return why
    return ""


def redis_url(given: str | None = None) -> str:
    """The Redis URL: `given`, else `SEGUE_REDIS_URL`, else redis://localhost:6379/0. Raises AddressError if it is no text."""
    return urls.as_url(given or os.environ.get("SEGUE_REDIS_URL") or DEFAULT_REDIS_URL, urls.REDIS)


def broker_url(given: str | None = None, *, redis: str | None = None) -> str:
    """The Celery broker URL: `given`, else `SEGUE_BROKER_URL`, else the Redis URL; "" where that is a cluster's.

    Celery cannot use a cluster. Producers and commands then do without hints; workers refuse to start (`NO_BROKER`).

    Raises:
        AddressError: it is no text.
    """
    named = urls.as_url(given or os.environ.get("SEGUE_BROKER_URL") or redis_url(redis), urls.BROKER)
    return "" if urls.kind(named) == urls.CLUSTER else named


class AllInUseError(RedisConnectionError):
    """No connection was free in time. That says nothing of Redis."""

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"none of {CONNECTIONS} connections was free within {waited_s:g} s")


def redis_client(url: str, *, timeout: float) -> Redis:
    """A blocking client; it connects on first use.

    Args:
        url: as `redis_url` gives it.
        timeout: seconds to wait for a free connection, for one to be made, and for an answer.

    Raises:
        AddressError: `url` is no URL of a Redis, or has a part that cannot be used.
    """
    address = urls.parse(url)
    options = {**_sockets(timeout, url), "max_connections": CONNECTIONS, "timeout": timeout}
    if address is None:
        return Redis.from_pool(BlockingConnectionPool.from_url(url, **options, retry=ONCE_AGAIN))
    if address.kind == urls.CLUSTER:
        # Imported by those alone who have a cluster.
        from segue_producer.cluster import ClusterClient  # noqa: PLC0415

        return cast("Redis", ClusterClient(address, **options))
    managed = (
        blocking_sentinel.SentinelManagedSSLConnection if address.tls else blocking_sentinel.SentinelManagedConnection
    )
    sentinels = {**_of_sentinels(address, timeout), "retry": ONCE_AGAIN}
    pool = _SentinelPool(  # type: ignore[no-untyped-call]
        address.service,
        _Sentinels(address.hosts, sentinel_kwargs=sentinels),  # type: ignore[no-untyped-call]
        **{**address.options(), **options, "connection_class": managed, "retry": ONCE_AGAIN},
    )
    return Redis.from_pool(pool)


def async_redis_client(url: str, *, timeout: float, checked_every_s: int = 0) -> async_redis.Redis:
    """A client for one event loop; it connects on first use.

    Args:
        url: as `redis_url` gives it.
        timeout: seconds to wait for a free connection, for one to be made, and for an answer.
        checked_every_s: a connection that was idle for this long is tried out before it is used; 0: none is.

    Raises:
        AddressError: `url` is no URL of a Redis, or has a part that cannot be used.
    """
    address = urls.parse(url)
    options: dict[str, Any] = {**_sockets(timeout, url), "health_check_interval": checked_every_s}
    if address is not None and address.kind == urls.CLUSTER:
        from segue_producer.cluster import AsyncClusterClient  # noqa: PLC0415 - as above

        return cast("async_redis.Redis", AsyncClusterClient(address, wait_s=timeout, **options))
    options["retry"] = AsyncRetry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
    pool: Any
    if address is None:
        pool = _Waiting.from_url(url, wait_s=timeout, **options)
    else:
        sentinels = {**_of_sentinels(address, timeout), "retry": options["retry"]}
        pool = _WaitingSentinelPool(
            wait_s=timeout,
            service_name=address.service,
            sentinel_manager=_AsyncSentinels(address.hosts, sentinel_kwargs=sentinels),  # type: ignore[no-untyped-call]
            ssl=address.tls,
            **{**address.options(), **options},
        )
    pool.connection_class = type("PackedConnection", (_Packed, pool.connection_class), {})
    return async_redis.Redis.from_pool(pool)


def every_node(redis: Redis, url: str, *, timeout: float) -> dict[str, Redis]:
    """Clients of every server that is behind a client, by host and port: primaries, and replicas that are up.

    Args:
        redis: of `redis_client`.
        url: that it was made with.
        timeout: as there.

    Raises:
        redis.RedisError: nobody says which servers there are.
    """
    address = urls.parse(url)
    if address is None:
        return {where(url): redis}
    found: list[tuple[str, int]]
    if address.kind == urls.CLUSTER:
        found = [(node.host, node.port) for node in cast("Any", redis).get_nodes()]
    else:
        manager = cast("_SentinelPool", redis.connection_pool).sentinel_manager
        found = [manager.discover_master(address.service), *manager.discover_slaves(address.service)]
    return {f"{host}:{port}": redis_client(address.node_url(host, port), timeout=timeout) for host, port in found}


def _sockets(timeout: float, url: str = "") -> dict[str, Any]:
    kept_alive = {} if url.startswith("unix:") else {"socket_keepalive": True}
    return {"socket_timeout": timeout, "socket_connect_timeout": timeout, **kept_alive}


def _of_sentinels(address: urls.Address, timeout: float) -> dict[str, Any]:
    """Options of connections to Sentinels: those that are silent, asked one after the other, take the timeout together."""
    return {**address.sentinel_options(), **_sockets(timeout / len(address.hosts))}


class NoPrimaryError(RedisTimeoutError):
    """None of the Sentinels named a primary. They were all asked; unlike a closed connection, that is not tried again."""

    def __init__(self) -> None:
        super().__init__("none of the Sentinels answered with a primary")


class _Sentinels(blocking_sentinel.Sentinel):
    def discover_master(self, service_name: str) -> Any:
        try:
            return super().discover_master(service_name)  # type: ignore[no-untyped-call]
        except blocking_sentinel.MasterNotFoundError:
            raise NoPrimaryError from None


class _AsyncSentinels(async_sentinel.Sentinel):
    async def discover_master(self, service_name: str) -> Any:
        try:
            return await super().discover_master(service_name)
        except async_sentinel.MasterNotFoundError:
            raise NoPrimaryError from None


class _SentinelPool(blocking_sentinel.SentinelConnectionPool, BlockingConnectionPool):
    """Asks the Sentinels where the primary is, and lets who comes while all connections are in use wait for one."""

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Close connections; all of them, to the Sentinels too, unless another primary was found meanwhile."""
        super().disconnect(inuse_connections)
        for each in self.sentinel_manager.sentinels if inuse_connections else ():
            each.close()


class _Waiting(async_redis.ConnectionPool):
    """Opens `CONNECTIONS` connections at most, and lets who comes while all are in use wait for one.

    redis-py's own pool that waits takes two locks for each command; here who need not wait pays for a counter.

    Args:
        wait_s: for how many seconds one waits at most.
    """

    def __init__(self, *, wait_s: float, **options: Any) -> None:
        # The places are the limit. One that a cancelled task took with it must not make the pool useless in the end.
        super().__init__(max_connections=sys.maxsize, **options)
        self._wait_s = wait_s
        self._places = asyncio.BoundedSemaphore(CONNECTIONS)
        self._with_place: set[Any] = set()

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        """A connection that is ready for a command."""
        del command_name, keys, options
        if self._places.locked():
            try:
                async with asyncio.timeout(self._wait_s):
                    await self._places.acquire()
            except TimeoutError:
                raise AllInUseError(self._wait_s) from None
        else:
            await self._places.acquire()
        try:
            connection = await super().get_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self._places.release()
            raise
        self._with_place.add(connection)
        return connection

    async def release(self, connection: Any) -> None:
        """Take a connection back, whatever became of it."""
        try:
            await super().release(connection)
        finally:
            if connection in self._with_place:
                self._with_place.discard(connection)
                self._places.release()


class _WaitingSentinelPool(_Waiting, async_sentinel.SentinelConnectionPool):
    """Of the primary that the Sentinels name."""

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Close connections; all of them, to the Sentinels too, unless another primary was found meanwhile."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            await self.sentinel_manager.aclose()


class _Packed(AbstractConnection):
    """A connection whose commands hiredis writes, as redis-py has it for its blocking connections.

    Measured for each request of a run, less what HTTP takes: 165 µs of CPU without it, 135 with it.
    """

    def pack_command(self, *args: Any) -> list[bytes]:
        """The bytes of a command."""
        name = args[0]
        if not isinstance(name, str) or " " in name:
            # A name of two words, which redis-py takes apart.
            return super().pack_command(*args)
        return [hiredis.pack_command(args)]
