"""The task segue.enqueue, with a real worker and a service that has nothing but Celery."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from celery import Celery

from segue_producer.settings import ENQUEUE_QUEUE, QUEUE
from segue_worker.observing.trace import read_trails
from segue_worker.outbox.pause import Pause
from tests.integration.stack import KEYS, MakeStack, Stack, wait_until

EMAIL = {"context": {"traits": {"email": "u1@example.com"}}}


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    stack = make_stack()
    stack.add_destinations(["second"])
    return stack


@pytest.fixture
def service(stack: Stack) -> Iterator[Celery]:
    with Celery("service", broker=stack.server.url) as app:
        app.conf.task_ignore_result = True
        yield app


def event(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u1", "event": name, "messageId": name, **EMAIL, **fields}


def outcomes(stack: Stack, message_id: str) -> list[str]:
    return [trail.outcome for trail in read_trails(stack.redis, "loops", message_id)]


@pytest.mark.parametrize("queue", [QUEUE, ENQUEUE_QUEUE])
def test_whatever_a_task_brings_is_delivered_or_kept_and_spoils_nothing(
    stack: Stack, service: Celery, queue: str
) -> None:
    worker = stack.worker()
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))
    arguments: list[tuple[Any, ...]] = [
        ([event("unknown destination")], ["nope"]),
        ([event("no name")], ["No Name!"]),
        ([event("one name")], "loops"),
        ([event("the last moment", timestamp=last, properties={"at": last}), event("its neighbour")],),
        ([event("looks like kombu", context={**EMAIL["context"], "x": {"__type__": "x", "__value__": 1}})],),
        ([event("many digits", properties={"n": 10**4000}), event("more digits", properties={"n": int("9" * 4200)})],),
        ([{**event("no type"), "type": "page"}, event("another neighbour")], ["loops"]),
        ([event("more arguments")], ["loops"], "live", "and more"),
        (event("by itself"),),
    ]
    for each in arguments:
        service.send_task("segue.enqueue", args=each, queue=queue)
    service.send_task("segue.enqueue", kwargs={"events": [event("unknown argument")], "x": 1}, queue=queue)
    delivered = ["one name", "the last moment", "its neighbour", "looks like kombu", "many digits", "more digits",
                 "another neighbour", "by itself"]  # fmt: skip
    kept = ["unknown destination", "no name", "no type", "more arguments", "unknown argument"]
    wait_until(lambda: all(outcomes(stack, name) == ["delivered"] for name in delivered))
    wait_until(lambda: all(outcomes(stack, name) == ["dead"] for name in kept))
    assert {found["eventName"] for found in stack.sandbox.events()} == set(delivered)
    assert stack.redis.llen(queue) == stack.redis.hlen("unacked") == 0
    assert "u1@example.com" not in worker.log.read_text()


@pytest.mark.parametrize(
    "element",
    [b"no JSON", b"\xff\xfe", b"5", b"[]", b"{}", b'{"body": "x"}', b'{"properties": 5}', b'{"properties": {}}'],
)
def test_an_element_of_the_queue_that_is_no_message_does_not_end_the_worker(
    stack: Stack, service: Celery, element: bytes
) -> None:
    worker = stack.worker()
    stack.redis.lpush(QUEUE, element)
    stack.redis.lpush(ENQUEUE_QUEUE, element)
    service.send_task("segue.enqueue", args=[[event("after it")], ["loops"]], queue=ENQUEUE_QUEUE)
    wait_until(lambda: outcomes(stack, "after it") == ["delivered"])
    wait_until(lambda: stack.redis.llen(QUEUE) == stack.redis.llen(ENQUEUE_QUEUE) == 0)
    assert not worker.ended


def test_tasks_for_a_full_outbox_wait_and_everything_else_goes_on(make_stack: MakeStack) -> None:
    stack = make_stack(max_pending=150)
    stack.add_destinations(["second"])
    stack.redis.set(KEYS.paused, Pause("a test", 0, None).to_json())
    worker = stack.worker()
    wait_until(lambda: stack.redis.hget(KEYS.settings, "max_pending") == b"150")
    with Celery("service", broker=stack.server.url) as service:
        service.conf.task_ignore_result = True
        for number in range(400):
            service.send_task("segue.enqueue", args=[[event(f"m{number}", userId=f"u{number}")]], queue=ENQUEUE_QUEUE)
        wait_until(lambda: stack.pending == 150)
        both = [[event("to both", userId="u1000")], ["loops", "second"]]
        service.send_task("segue.enqueue", args=both, queue=ENQUEUE_QUEUE)
        wait_until(lambda: [each.outcome for each in read_trails(stack.redis, "second", "to both")] == ["delivered"])
    # Each of them was tried a few times at most: the queue is read in growing pauses.
    assert worker.log.read_text().count("wait in the queue") < 100
    stack.redis.delete(KEYS.paused)
    wait_until(lambda: stack.delivered == 401, within_s=120)
    assert Counter(found["eventName"] for found in stack.sandbox.events())["to both"] == 2
    assert stack.counters.get("duplicates", 0) == 0
