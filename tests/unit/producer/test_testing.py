"""What users test their own code with."""

import inspect
from typing import Any

import pytest

from segue_producer import AsyncProducer, InvalidEvent, Producer
from segue_producer.errors import EnqueueError
from segue_producer.testing import AsyncMemoryProducer, MemoryProducer

NOWHERE = "redis://localhost:1/0"


def said(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(event["type"], event["userId"], event.get("event"), event["messageId"]) for event in events]


def test_a_producer_in_memory_keeps_what_the_real_one_would_enqueue() -> None:
    producer = MemoryProducer(NOWHERE, ("loops", "other"))
    producer.identify("777", {"email": "ada@example.com"}, message_id="m1")
    producer.track("u1", "User Registered", {"plan": "Pro"}, message_id="m2", lane="bulk")
    assert producer.enqueue([{"type": "identify", "userId": "u2", "messageId": "m3"}]) == ["m3"]
    assert said(producer.events) == [
        ("identify", "777", None, "m1"),
        ("track", "u1", "User Registered", "m2"),
        ("identify", "u2", None, "m3"),
    ]
    producer.clear()
    assert producer.events == []
    assert MemoryProducer().events == [], "each has its own"


def test_a_producer_in_memory_refuses_what_the_real_one_does() -> None:
    producer = MemoryProducer()
    with pytest.raises(InvalidEvent, match="userId"):
        producer.identify(None, {})
    with pytest.raises(EnqueueError, match="lane"):
        producer.track("u1", "E", lane="slow")  # type: ignore[arg-type]
    with pytest.raises(EnqueueError, match="lane"):
        producer.track("u1", "E", lane=0)  # type: ignore[arg-type]
    assert producer.events == []


async def test_the_asynchronous_one_does_the_same() -> None:
    producer = AsyncMemoryProducer()
    await producer.track("u1", "User Registered", message_id="m1")
    assert said(producer.events) == [("track", "u1", "User Registered", "m1")]


@pytest.mark.parametrize(("memory", "real"), [(MemoryProducer, Producer), (AsyncMemoryProducer, AsyncProducer)])
def test_they_have_the_surface_of_the_real_ones(memory: type, real: type) -> None:
    for name in ("__init__", "identify", "track", "enqueue", "enqueue_prepared", "close"):
        assert inspect.signature(getattr(memory, name)) == inspect.signature(getattr(real, name))


async def test_the_fixture_shows_what_any_producer_enqueues(segue_events: list[dict[str, Any]]) -> None:
    Producer(NOWHERE).identify("u1", message_id="m1")
    await AsyncProducer(NOWHERE).track("u1", "E", message_id="m2")
    assert said(segue_events) == [("identify", "u1", None, "m1"), ("track", "u1", "E", "m2")]


def test_the_fixture_begins_with_nothing(segue_events: list[dict[str, Any]]) -> None:
    assert segue_events == []
