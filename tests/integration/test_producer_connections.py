"""The producer's connections: as many as it may open, whatever fails on them, and whoever waits for one."""

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from redis.asyncio.connection import AbstractConnection as Async
from redis.connection import AbstractConnection as Blocking

from segue_producer import AsyncProducer, OutboxUnavailable, Producer
from segue_producer.clients import CONNECTIONS, AllInUseError, async_redis_client
from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from tests.integration.stack import wait_until

KEYS = Keys("loops")
AT_ONCE = 300
GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent, sys
from segue_producer import Producer
from segue_producer.hints import background_hints
producer = Producer(sys.argv[1], timeout=20.0)
jobs = [gevent.spawn(producer.track, f"u{number}", "E") for number in range(1000)]
gevent.joinall(jobs, raise_error=True)
print(len({job.value for job in jobs}))
background_hints(sys.argv[1], timeout=2.0, redis_url=sys.argv[1]).flush(10)
"""


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_server.url) as connection:
        yield connection


@contextmanager
def held_up(client: "redis.Redis") -> Iterator[None]:
    """Redis answers nobody who writes, so that calls pile up."""
    client.client_pause(60_000, all=False)
    try:
        yield
    finally:
        client.client_unpause()


def is_taken(producer: Producer) -> bool:
    """Whether a producer takes events again."""
    try:
        producer.track("again", "E")
    except OutboxUnavailable:
        return False
    return True


async def is_taken_by(producer: AsyncProducer) -> bool:
    """The same of an AsyncProducer."""
    try:
        await producer.track("again", "E")
    except OutboxUnavailable:
        return False
    return True


def opened(client: "redis.Redis") -> int:
    """How many connections a producer has open."""
    return sum(each["cmd"] in {"evalsha", "eval", "hkeys", "NULL"} for each in client.client_list())


def test_a_producer_outlives_any_number_of_refused_calls(redis_server: EmbeddedRedis, client: "redis.Redis") -> None:
    with Producer(redis_server.url) as producer:
        client.config_set("maxmemory", "1")
        try:
            for _ in range(3 * CONNECTIONS):
                with pytest.raises(OutboxUnavailable, match="out of memory"):
                    producer.track("u1", "E")
        finally:
            client.config_set("maxmemory", "0")
        producer.track("u1", "E")
    assert client.llen(KEYS.outbox + "u1") == 1


def test_a_producer_outlives_any_number_of_calls_without_an_answer(
    redis_server: EmbeddedRedis, client: "redis.Redis"
) -> None:
    with Producer(redis_server.url, timeout=0.02) as producer, held_up(client):
        for _ in range(3 * CONNECTIONS):
            with pytest.raises(OutboxUnavailable):
                producer.track("u1", "E")
    with Producer(redis_server.url) as producer:
        producer.track("u2", "E")
    assert client.llen(KEYS.outbox + "u2") == 1


def test_calls_that_fail_leave_nothing_in_memory() -> None:
    with Producer("redis://127.0.0.1:9/0") as producer:
        clients = producer._connected()
        before = kept()
        for _ in range(2 * CONNECTIONS):
            with pytest.raises(redis.ConnectionError):
                clients._ask("PING")
        assert kept() <= before + 1


async def test_calls_of_an_async_producer_that_fail_leave_nothing_in_memory() -> None:
    async with AsyncProducer("redis://127.0.0.1:9/0") as producer:
        before = kept()
        for _ in range(2 * CONNECTIONS):
            with pytest.raises(OutboxUnavailable):
                await producer.track("u1", "E")
        assert kept() <= before + 2


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_async_producer_lets_go_of_event_loops_that_are_closed(
    redis_server: EmbeddedRedis, client: "redis.Redis"
) -> None:
    producer = AsyncProducer(redis_server.url)
    for number in range(10):
        # As `async_to_sync` does in a Django view, where nobody closes a producer of the whole process.
        asyncio.run(producer.track("u1", f"E{number}"))
    gc.collect()
    wait_until(lambda: opened(client) <= 1)
    assert len(producer._connections) == 1
    del producer
    gc.collect()
    assert client.llen(KEYS.outbox + "u1") == 10


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_new_event_loop_knows_that_redis_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        producer = AsyncProducer(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout=0.2)
        with pytest.raises(OutboxUnavailable, match="TimeoutError") as first:
            asyncio.run(producer.track("u1", "E", message_id="m1"))
        assert first.value.uncertain == ("m1",)
        with pytest.raises(OutboxUnavailable, match="tried again in") as second:
            asyncio.run(producer.track("u1", "E"))
        assert (second.value.uncertain, second.value.since) == ((), first.value.since)
        gc.collect()


def kept() -> int:
    """How many connections to Redis are in memory, open or not."""
    gc.collect()
    return sum(issubclass(type(each), Blocking | Async) for each in gc.get_objects())


def test_one_that_lost_its_answers_goes_on_by_itself(redis_server: EmbeddedRedis, client: "redis.Redis") -> None:
    with Producer(redis_server.url, timeout=0.1) as producer:
        producer.track("u1", "Before")
        with held_up(client), ThreadPoolExecutor(AT_ONCE) as pool:
            lost = [pool.submit(producer.track, "lost", "E") for _ in range(AT_ONCE)]
            assert all(isinstance(each.exception(30), OutboxUnavailable) for each in lost)
        # Until it is let in again, nobody asks.
        wait_until(lambda: is_taken(producer), within_s=30)
        for number in range(2 * CONNECTIONS):
            producer.track("u1", f"After {number}")
    assert client.llen(KEYS.outbox + "u1") == 1 + 2 * CONNECTIONS


def test_more_threads_than_connections_wait_for_one(redis_server: EmbeddedRedis, client: "redis.Redis") -> None:
    everybody = threading.Barrier(AT_ONCE)
    with Producer(redis_server.url, timeout=30.0) as producer, ThreadPoolExecutor(AT_ONCE) as pool:

        def track(number: int) -> str:
            everybody.wait(30)
            return producer.track(f"u{number % 7}", "E")

        ids = set(pool.map(track, range(AT_ONCE)))
        assert opened(client) <= CONNECTIONS + 2
    assert len(ids) == AT_ONCE
    assert client.get(KEYS.pending) == str(AT_ONCE).encode()


def test_who_waits_in_vain_is_told_that_it_was_not_redis(redis_server: EmbeddedRedis) -> None:
    with Producer(redis_server.url, timeout=0.05) as producer:
        places = producer._connected()._places
        for _ in range(CONNECTIONS):
            places.get()
        with pytest.raises(OutboxUnavailable, match="none of 64 connections was free") as caught:
            producer.track("u1", "E")
        assert "check that Redis runs" not in str(caught.value)
        places.put(None)
        producer.track("u1", "E")


async def test_a_thousand_tasks_share_an_async_producer(redis_server: EmbeddedRedis, client: "redis.Redis") -> None:
    async with AsyncProducer(redis_server.url, timeout=30.0) as producer:
        ids = await asyncio.gather(*(producer.track(f"u{number % 7}", "E") for number in range(1000)))
        assert opened(client) <= CONNECTIONS + 2
    assert len(set(ids)) == 1000
    assert client.get(KEYS.pending) == b"1000"


async def test_an_async_producer_says_whether_it_was_redis(redis_server: EmbeddedRedis, client: "redis.Redis") -> None:
    async with AsyncProducer(redis_server.url, timeout=0.3) as producer:
        await producer.track("u1", "E")
        with held_up(client):
            found = await asyncio.gather(*(producer.track("u1", "E") for _ in range(500)), return_exceptions=True)
        assert {type(error) for error in found} == {OutboxUnavailable}
        texts = {str(error).partition(" to Redis")[0] for error in found}
        assert "none of 64 connections was free within 0.3 s" in texts
        assert {error.since is None for error in found if isinstance(error, OutboxUnavailable)} == {True, False}
        async with asyncio.timeout(30):
            while not await is_taken_by(producer):  # noqa: ASYNC110 - nothing announces that a rest is over
                await asyncio.sleep(0.05)
        await producer.track("u2", "E")
    assert client.llen(KEYS.outbox + "u2") == 1


async def test_a_client_keeps_all_its_places_whatever_becomes_of_those_who_had_them(
    redis_server: EmbeddedRedis, client: "redis.Redis"
) -> None:
    async with async_redis_client(redis_server.url, timeout=0.5) as shared:

        async def write() -> None:
            await shared.incr("x")

        with held_up(client):
            tasks = [asyncio.ensure_future(write()) for _ in range(3 * CONNECTIONS)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert {type(each) for each in ended[1::2]} <= {redis.TimeoutError, AllInUseError}
        await asyncio.gather(*(write() for _ in range(5 * CONNECTIONS)))
        async with shared.pipeline() as pipe:
            pipe.incr("x")
            await pipe.execute()
        pool: Any = shared.connection_pool
        assert len(pool._with_place) == 0
        assert pool._places._value == CONNECTIONS


async def test_a_client_without_a_redis_keeps_all_its_places() -> None:
    async with async_redis_client("redis://127.0.0.1:9/0", timeout=0.5) as nowhere:
        for _ in range(2 * CONNECTIONS):
            with pytest.raises(redis.ConnectionError):
                await nowhere.get("x")
        pool: Any = nowhere.connection_pool
        assert pool._places._value == CONNECTIONS


def test_a_thousand_greenlets_share_a_producer(redis_server: EmbeddedRedis, client: "redis.Redis") -> None:
    command = [sys.executable, "-c", GEVENT, redis_server.url]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("1000\n", 0), done.stderr
    assert client.get(KEYS.pending) == b"1000"
    # One a second, however long that took: the thread that sends hints is a greenlet.
    assert 1 <= client.llen("segue") <= 1 + (time.monotonic() - began)
