"""Redis as people run it, with real workers: what was acknowledged is delivered, once and in order, whoever is killed."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from segue_producer import EnqueueError, Producer
from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from tests.needs import rabbitmq

from .commands import segue
from .engines import Cluster, RabbitMQ, Sentinels
from .stack import Stack, wait_until

CONTACTS = 200


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


class Feeder(threading.Thread):
    """Enqueues the events of some contacts one by one, in order, each again until it is acknowledged."""

    def __init__(self, url: str, broker_url: str | None, destinations: tuple[str, ...], numbers: range) -> None:
        super().__init__()
        self._producer = Producer(url, destinations, broker_url=broker_url, timeout=2.0)
        self._numbers = numbers
        self.acknowledged: list[int] = []

    def run(self) -> None:
        """Enqueue."""
        with self._producer:
            for number in self._numbers:
                user = f"u{number % CONTACTS}"
                event: Any = {
                    "type": "track",
                    "userId": user,
                    "event": "Counted",
                    "messageId": f"m{number}",
                    "properties": {"number": number, "email": f"{user}@example.com"},
                }
                while True:
                    try:
                        self._producer.enqueue([event])
                    except EnqueueError:
                        time.sleep(0.1)
                    else:
                        self.acknowledged.append(number)
                        break


def feed(stack: Stack, broker_url: str | None, destinations: tuple[str, ...], events: int) -> list[Feeder]:
    """Producers that enqueue so many events together, each the events of its own contacts."""
    # Those of one contact are all even or all odd, because the number of contacts is even.
    feeders = [Feeder(stack.server.url, broker_url, destinations, range(first, events, 2)) for first in (0, 1)]
    for each in feeders:
        each.start()
    return feeders


def assert_delivered_once_and_in_order(stack: Stack, events: int, *, teams: int = 1) -> None:
    """Each number took effect once for each team, and those of a contact in their order."""
    found: dict[tuple[str | None, str], list[int]] = {}
    for record in stack.sandbox.requests():
        if record["applied"]:
            body = record["body"]
            found.setdefault((record["team"], body["userId"]), []).append(body["eventProperties"]["number"])
    assert Counter(number for numbers in found.values() for number in numbers) == Counter(list(range(events)) * teams)
    assert [contact for contact, numbers in found.items() if numbers != sorted(numbers)] == []


def events_so_far(stack: Stack) -> int:
    return len(stack.sandbox.events())


def test_a_sentinel_promotes_while_producers_and_workers_are_busy(tmp_path: Path) -> None:
    with Sentinels(tmp_path) as engine, Stack(engine, tmp_path, rate_limit=200) as stack:
        workers = stack.workers(2)
        feeders = feed(stack, None, ("loops",), 2000)
        wait_until(lambda: events_so_far(stack) >= 300)
        old = engine.primary
        old.kill()
        wait_until(lambda: engine.primary is not old, within_s=30)
        before = events_so_far(stack)
        wait_until(lambda: events_so_far(stack) > before, within_s=15)
        for each in feeders:
            each.join(timeout=60)
        stack.wait_delivered()
        assert_delivered_once_and_in_order(stack, 2000)
        assert not any(worker.ended for worker in workers)
        assert segue(stack, "status", "--json")["destinations"]["loops"]["delivered"] == 2000


@rabbitmq
def test_a_node_of_a_cluster_and_a_worker_die_while_three_destinations_are_busy(
    tmp_path: Path, broker: RabbitMQ
) -> None:
    names = ("loops", "second", "third")
    with (
        Cluster(tmp_path) as engine,
        Stack(engine, tmp_path, rate_limit=100, broker_url=broker.url) as stack,
    ):
        stack.add_destinations(names[1:])
        workers = stack.workers(2)
        feeders = feed(stack, broker.url, names, 500)
        wait_until(lambda: events_so_far(stack) >= 150)
        workers[0].kill()
        engine.primary_of(Keys("second").due).kill()
        for each in feeders:
            each.join(timeout=60)
        wait_until(lambda: not any(int(stack.redis.get(Keys(name).pending) or 0) for name in names))
        assert_delivered_once_and_in_order(stack, 500, teams=3)
        assert not workers[1].ended


@rabbitmq
def test_delivery_goes_on_without_its_broker_and_messages_flow_when_it_is_back(
    tmp_path: Path, redis_server: EmbeddedRedis, broker: RabbitMQ
) -> None:
    with Stack(redis_server, tmp_path, rate_limit=200, broker_url=broker.url) as stack:
        worker = stack.worker()
        stack.producer.track("first", "E", {"number": -1, "email": "first@example.com"})
        stack.wait_delivered()
        broker.stop()
        try:
            for each in feed(stack, broker.url, ("loops",), 400):
                each.join(timeout=60)
            stack.wait_delivered()
        finally:
            broker.start()
        with Celery("service", broker=broker.url) as service:
            event = {"type": "track", "userId": "last", "event": "E", "properties": {"email": "last@example.com"}}
            service.send_task("segue.enqueue", args=[[event], ["loops"]], queue="segue", ignore_result=True)
        wait_until(lambda: any(event["userId"] == "last" for event in stack.sandbox.events()))
        log = worker.log.read_text()
        assert "Traceback" not in log
        assert "disable_prefetch" not in log
