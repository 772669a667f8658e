"""Redis as people run it, with real workers: what was acknowledged is delivered, once and in order, whoever is killed."""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from segue_producer import AsyncProducer, OutboxUnavailable, Producer
from segue_producer.clients import redis_client
from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis
from tests.needs import rabbitmq

from .commands import segue, start
from .engines import Cluster, RabbitMQ, Sentinels
from .programs import use_every_program
from .stack import HasUrl, Stack, until_taken, wait_until

CONTACTS = 200
PASSWORD = "secret-password"  # noqa: S105 - of servers of these tests


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    with RabbitMQ(tmp_path_factory.mktemp("rabbitmq")) as server:
        yield server


@pytest.fixture
def other_redis() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
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
                until_taken(partial(self._producer.enqueue, [event]))
                self.acknowledged.append(number)


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
    tmp_path: Path, rabbit: RabbitMQ
) -> None:
    names = ("loops", "second", "third")
    with (
        Cluster(tmp_path) as engine,
        Stack(engine, tmp_path, rate_limit=100, broker_url=rabbit.url) as stack,
    ):
        stack.add_destinations(names[1:])
        workers = stack.workers(2)
        feeders = feed(stack, rabbit.url, names, 500)
        wait_until(lambda: events_so_far(stack) >= 150)
        workers[0].kill()
        engine.primary_of(Keys("second").due).kill()
        for each in feeders:
            each.join(timeout=60)
        wait_until(lambda: not any(int(stack.redis.get(Keys(name).pending) or 0) for name in names))
        assert_delivered_once_and_in_order(stack, 500, teams=3)
        assert not workers[1].ended


class BySocket:
    """One server, reached by a socket."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}?db=0"


@contextmanager
def engine_of(kind: str, directory: Path) -> Iterator[tuple[HasUrl, str | None]]:
    """A Redis of a kind, and its broker where that must be another."""
    if kind == "sentinel with a password":
        with Sentinels(directory, password=PASSWORD) as sentinels:
            yield sentinels, None
    elif kind == "cluster":
        with Cluster(directory) as cluster, EmbeddedRedis() as broker:
            yield cluster, broker.url
    else:
        # Paths of sockets are short.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "redis.sock"
            with EmbeddedRedis(options=("--unixsocket", str(path))):
                yield BySocket(path), None


@pytest.mark.parametrize("kind", ["socket", "sentinel with a password", "cluster"])
def test_every_program_takes_the_url(tmp_path: Path, kind: str) -> None:
    with engine_of(kind, tmp_path) as (engine, broker_url):
        with Stack(engine, tmp_path, rate_limit=100, broker_url=broker_url) as stack:
            use_every_program(tmp_path, stack)
        assert PASSWORD not in (tmp_path / "worker1.log").read_text()


def test_workers_and_beat_refuse_a_cluster_without_a_broker(tmp_path: Path) -> None:
    for program in ("worker", "beat"):
        done = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "segue_worker", program],
            env={**os.environ, "SEGUE_REDIS_URL": "redis+cluster://127.0.0.1:1", "SEGUE_BROKER_URL": ""},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2
        assert "SEGUE_BROKER_URL" in done.stderr
        assert "Traceback" not in done.stderr


def test_durability_replicated_takes_nothing_that_no_replica_has(tmp_path: Path) -> None:
    """From both producers; and what a call that failed left at the primary takes effect once."""
    with Sentinels(tmp_path) as engine, Stack(engine, tmp_path, rate_limit=100, durability="replicated") as stack:
        stack.worker()
        event: Any = {"type": "track", "userId": "u1", "event": "E", "properties": {"email": "u1@example.com"}}
        with Producer(engine.url) as producer:
            producer.enqueue([event | {"messageId": "m1"}])
            replica = next(server for server in engine.servers if server is not engine.primary)
            replica.kill()
            with pytest.raises(OutboxUnavailable, match="no replica") as caught:
                producer.enqueue([event | {"messageId": "m2"}])
            assert caught.value.uncertain == ("m2",)

            async def enqueue(message_id: str) -> None:
                async with AsyncProducer(engine.url) as asynchronous:
                    await asynchronous.enqueue([event | {"messageId": message_id}])

            with pytest.raises(OutboxUnavailable, match="no replica"):
                asyncio.run(enqueue("m3"))
            replica.start()
            wait_until(lambda: engine.follows(replica))
            asyncio.run(enqueue("m3"))
            producer.enqueue([event | {"messageId": "m2"}])
        stack.wait_delivered()
        assert events_so_far(stack) == 3


@pytest.mark.parametrize("kind", ["producer", "async"])
def test_durability_replicated_on_a_cluster(tmp_path: Path, kind: str) -> None:
    with Cluster(tmp_path) as engine, redis_client(engine.url, timeout=2) as client:
        client.hset(Keys("loops").settings, "replicated", 1)
        event: Any = {"type": "track", "userId": "u1", "event": "E"}

        async def enqueue() -> None:
            async with AsyncProducer(engine.url) as asynchronous:
                await asynchronous.enqueue([event])

        def enqueue_one() -> None:
            if kind == "async":
                asyncio.run(enqueue())
            else:
                with Producer(engine.url) as producer:
                    producer.enqueue([event])

        enqueue_one()
        for server in engine.servers[3:]:
            server.kill()
        with pytest.raises(OutboxUnavailable, match="no replica"):
            enqueue_one()


@pytest.fixture(params=[pytest.param("rabbitmq", marks=rabbitmq), "redis"])
def broker(request: pytest.FixtureRequest) -> RabbitMQ | EmbeddedRedis:
    """A broker apart from the Redis of the events."""
    if request.param == "redis":
        return request.getfixturevalue("other_redis")  # type: ignore[no-any-return]
    return request.getfixturevalue("rabbit")  # type: ignore[no-any-return]


def test_delivery_goes_on_without_its_broker_and_messages_flow_when_it_is_back(
    tmp_path: Path, redis_server: EmbeddedRedis, broker: RabbitMQ | EmbeddedRedis
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
            event: Any = {"type": "track", "userId": "last", "event": "E", "properties": {"email": "last@example.com"}}
            service.send_task("segue.enqueue", args=[[event], ["loops"]], queue="segue", ignore_result=True)
        wait_until(lambda: any(event["userId"] == "last" for event in stack.sandbox.events()))
        log = worker.log.read_text()
        assert "Traceback" not in log
        assert "disable_prefetch" not in log


@rabbitmq
def test_odd_messages_in_rabbitmq_hold_up_nothing_and_are_not_quoted(
    tmp_path: Path, redis_server: EmbeddedRedis, rabbit: RabbitMQ
) -> None:
    bodies = ("{}", "5", "[[], {}, 5]", "[" * 5000, "u1@example.com", '"u1@example.com"')
    faults: list[dict[str, Any]] = [
        *({"task": ["a"]}, {"task": "segue.enqeue"}, {"id": []}),
        *({"expires": {}}, {"eta": "u1@example.com"}, {"timelimit": 5}),
    ]
    none: dict[str, Any] = {}
    odd = [*((body, none) for body in bodies), *(("[[], {}, {}]", fault) for fault in faults)]
    with Stack(redis_server, tmp_path, rate_limit=200, broker_url=rabbit.url) as stack:
        worker = stack.worker()
        with Celery("service", broker=rabbit.url) as service:
            with service.connection_for_write() as connection:
                publish = connection.Producer(serializer="json").publish
                for body, headers in odd * 8:
                    whole = {"task": "segue.enqueue", "id": "t", **headers}
                    publish(
                        body, "segue.enqueue", content_type="application/json", content_encoding="utf-8", headers=whole
                    )
                    publish(body, "segue.enqueue", content_type="application/json", content_encoding="utf-8")
            event: Any = {"type": "track", "userId": "last", "event": "E", "properties": {"email": "last@example.com"}}
            service.send_task("segue.enqueue", args=[[event]], queue="segue.enqueue", ignore_result=True)
        wait_until(lambda: any(event["userId"] == "last" for event in stack.sandbox.events()))
        assert not worker.ended
        assert worker.stop() == 0
        left = dict(line.split() for line in rabbit.control("list_queues", "name", "messages").splitlines())
        assert left["segue"] == left["segue.enqueue"] == "0"
        log = worker.log.read_text()
        assert "threw away a message for the task 'segue.enqeue'" in log
        assert "example.com" not in log


@rabbitmq
def test_quorum_queues_of_rabbitmq(tmp_path: Path, redis_server: EmbeddedRedis, rabbit: RabbitMQ) -> None:
    """As the documentation has them made: the type is the virtual host's, and what waits there survives a `kill -9`."""
    rabbit.control("add_vhost", "quorum", "--default-queue-type", "quorum")
    rabbit.control("set_permissions", "--vhost", "quorum", "guest", ".*", ".*", ".*")
    url = f"{rabbit.url.removesuffix('/')}quorum"
    with Stack(redis_server, tmp_path, rate_limit=200, broker_url=url) as stack:
        worker = stack.worker()

        def enqueue(user: str) -> None:
            # Unconfirmed, it could be lost with the server that is killed next.
            confirmed = {"confirm_publish": True}
            with Celery("service", broker=url, broker_transport_options=confirmed) as service:
                event: Any = {"type": "track", "userId": user, "event": "E", "properties": {"email": "a@example.com"}}
                service.send_task("segue.enqueue", args=[[event], ["loops"]], queue="segue.enqueue", ignore_result=True)

        enqueue("first")
        wait_until(lambda: events_so_far(stack) == 1)
        listed = rabbit.control("list_queues", "--vhost", "quorum", "name", "type")
        types = dict(line.split() for line in listed.splitlines())
        assert {types[name] for name in ("segue", "segue.enqueue")} == {"quorum"}
        assert worker.stop() == 0
        enqueue("second")
        rabbit.stop()
        rabbit.start()
        stack.worker()
        wait_until(lambda: events_so_far(stack) == 2)
        assert "Traceback" not in worker.log.read_text()


def test_a_move_between_slots_of_a_cluster(tmp_path: Path, other_redis: EmbeddedRedis) -> None:
    """What waits, is parked and has died arrives, in the order of enqueueing; what was settled stays a duplicate.

    Also where the command is killed in between.
    """
    names = ("old", "loops")
    with (
        Cluster(tmp_path) as engine,
        Stack(engine, tmp_path, rate_limit=100, broker_url=other_redis.url) as stack,
        Producer(engine.url, ("old",), broker_url=other_redis.url) as to_old,
    ):
        assert len({engine.primary_of(Keys(name).due).port for name in names}) == 2
        stack.add_destinations(("old",))
        stack.worker()
        stack.sandbox.add_fault(event="Parked")
        to_old.track("parked", "Parked", {"number": 0, "email": "parked@example.com"})
        to_old.track("dead", "Dead", {"number": 0, "email": "no address"})
        to_old.track("settled", "E", {"number": 0, "email": "settled@example.com"}, message_id="settled")
        wait_until(lambda: bool(stack.redis.hlen(Keys("old").parked) and stack.redis.hlen(Keys("old").dead)))
        wait_until(lambda: len(stack.sandbox.events()) == 1)
        for name in names:
            segue(stack, "pause", name)
        for number in range(300):
            contact = f"u{number % CONTACTS}"
            event = {"number": number, "email": f"{contact}@example.com"}
            # The first one of each contact to one name, the second one to the other.
            producer = (stack.producer, to_old)[number // CONTACTS]
            producer.track(contact, "E", event)
        to_old.track("settled", "E", {"number": 0, "email": "settled@example.com"}, message_id="settled")
        stack.sandbox.faults([])
        arrived = f"{Keys('loops').arrived}old"
        with start(stack, "move", "old", "loops") as process:
            wait_until(lambda: bool(stack.redis.exists(arrived)) or process.poll() is not None)
            process.kill()
        assert segue(stack, "move", "old", "loops", "--json")["left"] == 0
        segue(stack, "resume", "loops")
        stack.wait_delivered()
        assert int(stack.redis.get(Keys("old").pending) or 0) == 0
        assert stack.redis.hlen(Keys("loops").dead) == 1
        assert not stack.redis.exists(arrived)
        found: dict[str, list[int]] = {}
        for each in stack.sandbox.events():
            found.setdefault(str(each["userId"]), []).append(each["eventProperties"]["number"])
        assert (found.pop("settled"), found.pop("parked")) == ([0], [0])
        assert found == {f"u{number}": list(range(number, 300, CONTACTS)) for number in range(CONTACTS)}
