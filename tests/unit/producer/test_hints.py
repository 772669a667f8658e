"""Hints are sent by a thread, and a broker that is away costs nobody anything."""

import os
import threading
import time

import pytest
from redis import Redis

from segue_producer import hints
from segue_producer.hints import BackgroundHints, Hints, background_hints
from segue_producer.keys import Keys
from segue_sandbox.embedded_redis import EmbeddedRedis, free_port


class Broker:
    """Stands in for a Celery application: counts what was tried, and fails while it is away."""

    def __init__(self) -> None:
        self.away = False
        self.tried = 0
        self.sent: list[str] = []
        self.hold = threading.Event()
        self.hold.set()

    def send_task(self, _: str, *, args: list[str], **options: object) -> None:
        """As Celery's."""
        assert options["retry"] is False
        assert self.hold.wait(10)
        self.tried += 1
        if self.away:
            raise OSError("away")
        self.sent += args


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(hints, "celery_app", lambda *_, **__: made)
    return made


def test_after_two_failures_the_broker_is_tried_only_once_in_a_while(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    sender = Hints("redis://one", timeout=1)
    broker.away = True
    assert [sender.send("loops") for _ in range(10)] == [False] * 10
    assert broker.tried == hints.FAILURES
    now += hints.ONCE_IN_S + 0.1
    assert not sender.send("loops")
    assert not sender.send("loops")
    assert broker.tried == hints.FAILURES + 1
    broker.away = False
    now += hints.ONCE_IN_S + 0.1
    assert [sender.send("loops") for _ in range(3)] == [True] * 3
    assert len(broker.sent) == 3


def test_hints_that_fail_or_are_not_tried_are_counted(broker: Broker, redis_server: EmbeddedRedis) -> None:
    sender = Hints("redis://one", timeout=1, redis_url=redis_server.url)
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        sender.send("loops")
        broker.away = True
        assert not any(sender.send("loops") for _ in range(5))
        assert redis.hgetall(Keys("loops").measures) == {b"hints_failed": b"5"}


def test_counting_them_never_fails(broker: Broker) -> None:
    broker.away = True
    assert not Hints("redis://one", timeout=1, redis_url=f"redis://127.0.0.1:{free_port()}").send("loops")


def test_without_a_broker_every_hint_is_dropped() -> None:
    assert not Hints("", timeout=1).send("loops")


def test_nobody_waits_for_a_broker_that_hangs_and_a_flush_has_an_end(broker: Broker) -> None:
    broker.hold.clear()
    sender = BackgroundHints("redis://one", timeout=1)
    for number in range(1000):
        sender.send(f"d{number}")
    sender.flush(0.01)
    assert broker.sent == []
    broker.hold.set()
    sender.flush(10)
    assert broker.sent[0] == "d0"
    assert 0 < len(broker.sent) < 1000, "what did not fit was dropped"


@pytest.mark.usefixtures("broker")
def test_producers_of_a_process_share_a_sender_and_a_forked_child_has_its_own() -> None:
    first = background_hints("redis://shared", timeout=1)
    assert background_hints("redis://shared", timeout=1) is first
    first.send("loops")
    first.flush(10)
    child = os.fork()
    if not child:
        mine = background_hints("redis://shared", timeout=1)
        mine.send("loops")
        mine.flush(10)
        os._exit(0 if mine is not first and not mine._waiting else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
