"""The producer against a real Redis: durability, order, sharing, refusals."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis

from segue_producer import (
    AsyncProducer,
    EnqueueError,
    InvalidEvent,
    OutboxFull,
    OutboxUnavailable,
    Producer,
    UnknownDestination,
)
from segue_producer.hints import background_hints
from segue_producer.keys import DESTINATIONS, Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from segue_worker.outbox.entry import read_entry

KEYS = Keys("loops")


@pytest.fixture
def client(redis_server: EmbeddedRedis) -> redis.Redis:
    connection = redis.Redis.from_url(redis_server.url)
    # A hint of the test before may still be on its way.
    background_hints(redis_server.url, timeout=2.0, redis_url=redis_server.url).flush(5.0)
    connection.flushall()
    return connection


@pytest.fixture
def producer(redis_server: EmbeddedRedis, client: redis.Redis) -> Producer:
    del client
    return Producer(redis_server.url)


def waiting(client: redis.Redis, contact: str, destination: str = "loops") -> list[str]:
    entries = client.lrange(Keys(destination).outbox + contact, 0, -1)
    return [read_entry(entry).message_id for entry in entries if isinstance(entry, bytes)]


def hints(client: redis.Redis, server: EmbeddedRedis) -> int:
    """Hints that went out, once all that were asked for have."""
    background_hints(server.url, timeout=2, redis_url=server.url).flush(10)
    return int(client.llen("segue"))


def test_events_wait_in_order_and_one_hint_goes_out(
    producer: Producer, client: redis.Redis, redis_server: EmbeddedRedis
) -> None:
    first = producer.identify("u1", {"plan": "Pro"})
    second = producer.track("u1", "E", message_id="m2")
    assert waiting(client, "u1") == [first, second] == [first, "m2"]
    assert hints(client, redis_server) == 1


def test_a_large_batch_keeps_its_order_over_several_round_trips(producer: Producer, client: redis.Redis) -> None:
    ids = producer.enqueue({"type": "track", "userId": "u1", "event": str(number)} for number in range(1001))
    assert waiting(client, "u1") == ids
    assert client.get(KEYS.pending) == b"1001"


def test_an_event_goes_to_every_destination(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    Producer(redis_server.url, ("loops", "second")).track("u1", "E", message_id="m")
    assert waiting(client, "u1") == waiting(client, "u1", "second") == ["m"]


def test_a_malformed_event_takes_nothing_of_its_batch(producer: Producer, client: redis.Redis) -> None:
    good: Any = {"type": "track", "userId": "u1", "event": "E"}
    bad: Any = {**good, "userId": []}
    with pytest.raises(InvalidEvent, match=r"events\[1\]: userId"):
        producer.enqueue([good, bad, good])
    assert client.keys() == []


def test_a_batch_that_fills_the_outbox_says_what_was_taken(producer: Producer, client: redis.Redis) -> None:
    client.hset(KEYS.settings, "max_pending", 600)
    with pytest.raises(OutboxFull) as caught:
        producer.enqueue({"type": "track", "userId": "u1", "event": "E", "messageId": str(n)} for n in range(1000))
    assert list(caught.value.taken) == [str(number) for number in range(500)] == waiting(client, "u1")


def test_a_full_destination_silences_no_other_and_a_retry_doubles_nothing(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    client.hset(Keys("second").settings, "max_pending", 1)
    producer = Producer(redis_server.url, ("loops", "second"))
    producer.track("u1", "E", message_id="first")
    for _ in range(3):
        with pytest.raises(OutboxFull, match=r"'second': events pending: 1,.*\(loops took them\): m1") as caught:
            producer.track("u1", "E", message_id="m1")
        assert (caught.value.taken, caught.value.owed) == ((), {"second": ("m1",)})
    assert waiting(client, "u1") == ["first", "m1"]
    client.delete(Keys("second").settings)
    producer.track("u1", "E", message_id="m1")
    assert waiting(client, "u1") == waiting(client, "u1", "second") == ["first", "m1"]


def test_a_destination_that_fills_up_within_a_call_gets_no_later_batch(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    client.hset(Keys("second").settings, "max_pending", 300)
    ids = [str(number) for number in range(600)]
    events: Any = [{"type": "track", "userId": "u1", "event": "E", "messageId": each} for each in ids]
    producer = Producer(redis_server.url, ("loops", "second"))
    with pytest.raises(OutboxFull) as caught:
        producer.enqueue(events)
    assert list(caught.value.taken) == ids[:250] == waiting(client, "u1", "second")
    assert caught.value.owed == {"second": tuple(ids[250:])}
    client.delete(Keys("second").settings)
    producer.enqueue(events[250:])
    assert waiting(client, "u1") == waiting(client, "u1", "second") == ids


@pytest.mark.parametrize("name", ["Loops", "", "a b", "x" * 65, None, ["a"]])
def test_a_name_that_can_be_no_destination_is_refused_at_once(name: Any) -> None:
    with pytest.raises(UnknownDestination):
        Producer(destinations=(name,))


@pytest.mark.parametrize("destinations", ["loops", (), None, 5])
def test_destinations_are_a_sequence_of_names(destinations: Any) -> None:
    with pytest.raises(UnknownDestination, match="give a sequence"):
        Producer(destinations=destinations)


@pytest.mark.parametrize(
    "call",
    [
        lambda producer: producer.track("u", "X", ["a"]),
        lambda producer: producer.identify(10**5000),
        lambda producer: producer.identify("u", 5),
        lambda producer: producer.track("u", "X", timestamp=5),
        lambda producer: producer.track(["u"], "X"),
        lambda producer: producer.enqueue(5),
        lambda producer: producer.enqueue("text"),
        lambda producer: producer.enqueue({"type": "track"}),
    ],
)
def test_a_wrong_argument_is_an_invalid_event(producer: Producer, call: Callable[[Any], object]) -> None:
    with pytest.raises(InvalidEvent):
        call(producer)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:99999999/0",
        "redis://localhost:port/0",
        "redis://user:secret#1@localhost/0",
        "http://localhost/",
        "text",
        "redis://redis..internal:6379/0",
        "redis://localhost/0?foo=bar",
        "redis+sentinel://a..b:1/primary",
        "redis+sentinel://localhost:1/primary?foo=bar",
        123,
    ],
)
async def test_an_address_that_is_none_is_named(url: Any) -> None:
    with pytest.raises(EnqueueError, match="SEGUE_REDIS_URL") as caught:
        Producer(url).track("u1", "E")
    assert "secret" not in str(caught.value)
    with pytest.raises(EnqueueError, match="SEGUE_REDIS_URL"):
        await AsyncProducer(url).track("u1", "E")


@pytest.mark.parametrize("url", [5, "amqp://localhost:99999", "redis://localhost?foo=bar"])
async def test_a_brokers_address_that_is_none_is_named(redis_server: EmbeddedRedis, url: Any) -> None:
    with pytest.raises(EnqueueError, match="SEGUE_BROKER_URL"):
        Producer(redis_server.url, broker_url=url).track("u1", "E")
    with pytest.raises(EnqueueError, match="SEGUE_BROKER_URL"):
        await AsyncProducer(redis_server.url, broker_url=url).track("u1", "E")


def test_a_destination_no_worker_serves_is_refused_once_workers_have_said_which_they_serve(
    redis_server: EmbeddedRedis, client: redis.Redis
) -> None:
    client.hset(DESTINATIONS, "other", 1)
    with pytest.raises(UnknownDestination, match="known are other"):
        Producer(redis_server.url).track("u1", "E")
    assert not client.exists(KEYS.pending)


def test_many_threads_share_a_producer(producer: Producer, client: redis.Redis) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda number: producer.track(f"u{number % 4}", "E"), range(400)))
    assert sorted(ids) == sorted(message_id for user in range(4) for message_id in waiting(client, f"u{user}"))


def test_a_forked_child_uses_connections_of_its_own(producer: Producer, client: redis.Redis) -> None:
    producer.track("u1", "before", message_id="parent 1")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for number in range(50):
                producer.track("u2", "child", message_id=f"child {number}")
            status = 0
        finally:
            os._exit(status)
    for number in range(50):
        producer.track("u1", "after", message_id=f"parent {number + 2}")
    assert os.waitpid(child, 0)[1] == 0
    assert waiting(client, "u1") == [f"parent {number + 1}" for number in range(51)]
    assert waiting(client, "u2") == [f"child {number}" for number in range(50)]


def test_redis_errors_say_what_to_do(producer: Producer, client: redis.Redis) -> None:
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(OutboxUnavailable, match="out of memory"):
            producer.track("u1", "E")
    finally:
        client.config_set("maxmemory", "0")
    producer.track("u1", "E", message_id="m")
    assert waiting(client, "u1") == ["m"]


def test_a_password_is_never_shown(redis_server: EmbeddedRedis) -> None:
    url = redis_server.url.replace("redis://", "redis://somebody:secret@")
    with pytest.raises(OutboxUnavailable, match="user and password") as caught:
        Producer(url).track("u1", "E")
    assert "secret" not in f"{caught.value}{caught.value!r}"


def test_one_async_producer_serves_several_event_loops(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    producer = AsyncProducer(redis_server.url)

    async def work() -> list[str]:
        async with producer:
            first = await producer.identify("u1", {"plan": "Pro"})
            many = await asyncio.gather(*(producer.track("u2", "E") for _ in range(50)))
            return [first, *many]

    ids = asyncio.run(work()) + asyncio.run(work())
    assert sorted(ids) == sorted(waiting(client, "u1") + waiting(client, "u2"))
    assert hints(client, redis_server) >= 1


async def test_async_errors_are_those_of_the_producer(redis_server: EmbeddedRedis, client: redis.Redis) -> None:
    client.hset(KEYS.settings, "max_pending", 1)
    async with AsyncProducer(redis_server.url) as producer:
        with pytest.raises(InvalidEvent):
            await producer.track(None, "E")
        with pytest.raises(OutboxFull) as caught:
            await producer.enqueue([{"type": "track", "userId": "u1", "event": "E"}] * 300)
        assert caught.value.taken == ()
    client.hset(Keys("second").settings, "max_pending", 1)
    client.delete(KEYS.settings)
    async with AsyncProducer(redis_server.url, ("second", "loops")) as producer:
        await producer.track("u1", "E", message_id="first")
        for _ in range(2):
            with pytest.raises(OutboxFull) as caught:
                await producer.track("u1", "E", message_id="m1")
            assert caught.value.owed == {"second": ("m1",)}
    assert waiting(client, "u1") == ["first", "m1"]
    async with AsyncProducer("redis://127.0.0.1:9/0") as nowhere:
        with pytest.raises(OutboxUnavailable):
            await nowhere.track("u1", "E")
