"""Producers for the tests of services that enqueue: they check events as the real ones do, and need no Redis.

    producer = MemoryProducer()
    sign_up(producer, "ada@example.com")
    assert producer.events[0]["event"] == "User Registered"

Code that makes its own producer is tested with the pytest fixture `segue_events` (`segue_producer.pytest_plugin`).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import orjson

from segue_producer.async_producer import AsyncProducer
from segue_producer.events import Prepared
from segue_producer.lanes import Lane, check_lane
from segue_producer.producer import Producer


class _Memory:
    """What was enqueued."""

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The events in order, as they would wait in the outbox: with `messageId` and `timestamp`, ids as text."""
        return []

    def clear(self) -> None:
        """Forget the events."""
        self.events.clear()


class MemoryProducer(_Memory, Producer):
    """A `Producer` that keeps its events in the list `events`. It raises `InvalidEvent` as that does, and nothing else."""

    def enqueue_prepared(self, prepared: Sequence[Prepared], *, lane: Lane | None = None) -> list[str]:
        """Keep the events. Returns their messageIds."""
        return remember(self.events, prepared, lane)


class AsyncMemoryProducer(_Memory, AsyncProducer):
    """An `AsyncProducer` that keeps its events in the list `events`; see `MemoryProducer`."""

    async def enqueue_prepared(self, prepared: Sequence[Prepared], *, lane: Lane | None = None) -> list[str]:
        """Keep the events. Returns their messageIds."""
        return remember(self.events, prepared, lane)


def remember(events: list[dict[str, Any]], prepared: Sequence[Prepared], lane: Lane | None) -> list[str]:
    """Add prepared events to a list. Returns their messageIds."""
    if lane is not None:
        check_lane(lane)
    events += [orjson.loads(event.json) for event in prepared]
    return [event.message_id for event in prepared]
