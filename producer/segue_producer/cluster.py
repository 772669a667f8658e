"""Clients of a Redis Cluster that behave as those of one server do.

Each key that begins with `segue:{NAME}:` is in one slot, so every script of Segue works as it is. What differs is hidden here:
redis-py's blocking client connects when it is made; a cluster's failures have a root of their own, or look like faults of the
command; and a script whose digest a node does not know is loaded on all primaries, dead ones too.
"""

import asyncio
import hashlib
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Self

from redis import BlockingConnectionPool, RedisCluster, exceptions
from redis.asyncio import cluster as async_cluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, ClusterPipeline
from redis.retry import Retry

from segue_producer.urls import Address

_PLACES: Final = 64
_RETRIES: Final = 2
"""One for a connection that was closed, one for an answer that says that the slot has moved."""


@contextmanager
def _as_failures() -> Iterator[None]:
    """Make of what a cluster says while it is in trouble a redis.ConnectionError."""
    try:
        yield
    except (
        exceptions.RedisClusterException,
        exceptions.ClusterError,
        exceptions.AskError,
        exceptions.TryAgainError,
    ) as error:
        raise exceptions.ConnectionError(f"{type(error).__name__}: {error}") from None


class ClusterClient:
    """redis.RedisCluster, made when it is first used.

    Args:
        address: of `urls.parse`.
        options: of connections and their pools.
    """

    def __init__(self, address: Address, **options: Any) -> None:
        self._address = address
        self._options = options
        self._made: RedisCluster | None = None
        self._making = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        """What redis.RedisCluster has of this name."""
        with self._making, _as_failures():
            if self._made is None:
                (host, port), *others = self._address.hosts
                self._made = _Cluster(
                    url=self._address.node_url(host, port),
                    startup_nodes=[ClusterNode(*each) for each in others],
                    retry=Retry(NoBackoff(), _RETRIES),
                    connection_pool_class=BlockingConnectionPool,
                    **self._options,
                )
        return getattr(self._made, name)

    def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            self._made.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Cluster(RedisCluster):
    def execute_command(self, *args: Any, **options: Any) -> Any:
        with _as_failures():
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> ClusterPipeline:
        pipe: ClusterPipeline = super().pipeline(transaction, shard_hint)  # type: ignore[no-untyped-call]
        execute = pipe.execute

        def execute_or_fail(raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
            with _as_failures():
                answers: list[Any] = execute(raise_on_error)
                return answers

        vars(pipe).update(execute=execute_or_fail, time=lambda: pipe.execute_command("TIME"))
        return pipe

    def register_script(self, script: Any) -> Any:
        return _Script(self, script)


class _Script:
    """As redis-py's, but a digest that a node does not know is followed by the text, to that node alone."""

    def __init__(self, client: Any, text: str) -> None:
        self._client = client
        self._text = text
        self.sha = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - how Redis names scripts

    def __call__(self, keys: Sequence[Any] = (), args: Sequence[Any] = (), client: Any = None) -> Any:
        if client is not None:
            # Digests do not work in a cluster's pipeline.
            return client.execute_command("EVAL", self._text, len(keys), *keys, *args)
        try:
            return self._client.evalsha(self.sha, len(keys), *keys, *args)
        except exceptions.NoScriptError:
            return self._client.eval(self._text, len(keys), *keys, *args)


class AsyncClusterClient(async_cluster.RedisCluster):
    """redis.asyncio.RedisCluster for one event loop.

    Args:
        address: of `urls.parse`.
        wait_s: for how many seconds a command waits for its turn, where 64 are under way.
        options: of connections.
    """

    def __init__(self, address: Address, *, wait_s: float, **options: Any) -> None:
        super().__init__(
            startup_nodes=[async_cluster.ClusterNode(*each) for each in address.hosts],
            # The places are the limit: redis-py's own would fail instead of waiting.
            max_connections=sys.maxsize,
            retry=AsyncRetry(NoBackoff(), _RETRIES),
            ssl=address.tls,
            **{**address.options(), **options},
        )
        self._wait_s = wait_s
        self._places = asyncio.BoundedSemaphore(_PLACES)

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command to the nodes that it concerns."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise exceptions.ConnectionError(f"{_PLACES} commands were under way for {self._wait_s:g} s") from None
        try:
            with _as_failures():
                return await super().execute_command(*args, **options)
        finally:
            self._places.release()

    def pipeline(self, transaction: Any = None, shard_hint: Any = None) -> "_AsyncPipeline":
        """Commands that go together to the nodes that they concern."""
        del shard_hint
        return _AsyncPipeline(self, transaction)  # type: ignore[abstract]

    def register_script(self, script: Any) -> Any:
        """A script that can be called."""
        return _AsyncScript(self, script)


class _AsyncPipeline(async_cluster.ClusterPipeline):
    def time(self, **options: Any) -> Any:
        return self.execute_command("TIME", **options)

    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's signature
        with _as_failures():
            return await super().execute(raise_on_error, allow_redirections)


class _AsyncScript(_Script):
    async def __call__(self, keys: Sequence[Any] = (), args: Sequence[Any] = (), client: Any = None) -> Any:
        if client is not None:
            return client.execute_command("EVAL", self._text, len(keys), *keys, *args)
        try:
            return await self._client.evalsha(self.sha, len(keys), *keys, *args)
        except exceptions.NoScriptError:
            return await self._client.eval(self._text, len(keys), *keys, *args)
