"""A worker and somebody who looks at what it did, over one Redis."""

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeRedis, FakeServer

from segue_producer.refusals import Refused, bury, id_of
from segue_sandbox.core import Sandbox
from segue_sandbox.switches import Switches
from segue_worker.observing.trace import read_trails
from segue_worker.observing.trail import Trail
from tests.unit.delivery.conftest import Bench

IDENTIFY = {"type": "identify", "traits": {"email": "u1@example.com"}}
TRACK = {"type": "track", "event": "E", "properties": {"email": "u1@example.com"}}


def refuse_rest(redis: FakeRedis, *message_ids: str) -> None:
    """Keep what a batch had too many: one dead letter, whatever the number of its events."""
    rest = [{**TRACK, "messageId": name} for name in message_ids]
    refused = Refused(id_of(rest), rest, "too many", "too_many_events", source="0123456789abcdef", further=message_ids)
    list(bury(redis, "loops", [refused]))


class Scene:
    """A bench for the worker's side, and a client for the reader's, over one Redis."""

    def __init__(self) -> None:
        server = FakeServer(version=(6, 2))
        self.reader = FakeRedis(server=server)
        self.bench = Bench(FakeAsyncRedis(server=server), Sandbox(Switches(rate_limit=10_000)))
        self._loop = asyncio.new_event_loop()

    def enqueue(self, *events: dict[str, Any]) -> None:
        self._do(self.bench.enqueue(*events))

    def claim_and_die(self) -> None:
        """What a worker does that is killed."""
        self._do(self.bench.outbox("killed").claim(10))
        self.bench.now_ms += 8000

    def run(self) -> None:
        self._do(self.bench.run())

    def trail(self, message_id: str) -> Trail:
        found = next(iter(read_trails(self.reader, "loops", message_id)), None)
        assert found is not None
        return found

    def story(self, message_id: str) -> list[str]:
        return [step.what for step in self.trail(message_id).steps]

    def close(self) -> None:
        self._do(self.bench.redis.aclose())
        self.reader.close()
        self._loop.close()

    def _do(self, work: Awaitable[Any]) -> None:
        self._loop.run_until_complete(work)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()
