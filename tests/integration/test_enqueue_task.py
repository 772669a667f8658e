"""The task segue.enqueue, with a real worker and a service that has nothing but Celery."""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

from segue_producer.settings import ENQUEUE_QUEUE, QUEUE
from segue_worker.observing.trace import read_trails
from segue_worker.outbox.pause import Pause
from tests.integration.stack import KEYS, MakeStack, Stack, bodies, wait_until

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
    [
        *(b"no JSON", b"\xff\xfe", b"5", b"[]", b"{}", b'{"body": "x"}', b'{"properties": 5}', b'{"properties": {}}'),
        *(b"[" * 5000, b'{"__type__": "decimal", "__value__": "x"}', b'{"__type__": "uuid", "__value__": 5}'),
        *(
            b'{"properties": {"delivery_tag": %b, "delivery_info": {"exchange": "", "routing_key": "x"}}}' % tag
            for tag in (b"null", b"{}", b"true")
        ),
    ],
    ids=lambda element: element[:60].decode("latin-1"),
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


def message(body: Any, **headers: Any) -> dict[str, Any]:
    """A message of Celery's second protocol, as other languages write it."""
    tag = str(uuid4())
    return {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "segue.enqueue", "id": tag, **headers},
        "properties": {
            "delivery_tag": tag,
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": ENQUEUE_QUEUE},
        },
    }


def test_whatever_other_languages_make_of_the_arguments_is_delivered_or_kept(stack: Stack) -> None:
    """PHP has one empty value for lists and objects, some clients write null, and some events stand where none belong."""
    bodies: list[Any] = [
        [[[event("empty list")]], [], {}],
        [[[event("null")]], None, None],
        [None, {"events": [event("no positions")]}, {}],
        [{"events": [event("swapped")]}, [], []],
        {"args": [[event("first and second protocol")]], "kwargs": []},
        [[[event("by position")]], {"events": [event("and by name")]}, {}],
        [[[event("more than a mapping")]], [event("in a list")], {}],
        [[], {"event": event("mistyped name")}, {}],
        [[[event("itself")]], {"self": 1}, {}],
    ]
    first = {"task": "segue.enqueue", "id": "t", "args": [[event("first protocol")], ["loops"]], "kwargs": []}
    messages = [
        *map(message, bodies),
        {**message(first), "headers": []},
        message([[[event("no id")]], {}, {}], id=None),
    ]
    stack.redis.lpush(ENQUEUE_QUEUE, *map(json.dumps, messages))
    worker = stack.worker()
    delivered = [
        "empty list",
        "null",
        "no positions",
        "swapped",
        "first and second protocol",
        "first protocol",
        "no id",
    ]
    kept = ["by position", "and by name", "more than a mapping", "in a list", "mistyped name", "itself"]
    wait_until(lambda: all(outcomes(stack, name) == ["delivered"] for name in delivered))
    wait_until(lambda: all(outcomes(stack, name) == ["dead"] for name in kept))
    wait_until(lambda: stack.redis.hlen("unacked") == 0)
    assert {found["eventName"] for found in stack.sandbox.events()} == set(delivered)
    assert "u1@example.com" not in worker.log.read_text()


NO_ARGUMENTS: list[Any] = [{}, [], 5, "abc", [1, 2, 3], [[], {}, 5], {"x": [EMAIL]}, None]
ODD_HEADERS: list[dict[str, Any]] = [
    *({"task": ["a"]}, {"task": None}, {"task": "segue.enqeue"}, {"task": "a\nb"}, {"id": []}, {"id": {}}),
    *({"expires": {}}, {"expires": "garbage"}, {"eta": "garbage"}, {"eta": {"x": 1}}, {"timelimit": 5}),
    {"compression": "gzip"},
]
BROKEN: list[dict[str, Any]] = [
    *({"headers": {}}, {"headers": None}, {"headers": ["x"]}, {"content-type": "x/y"}, {"content-encoding": 5}),
    *({"body": base64.b64encode(body).decode()} for body in (b'[{"email": "u1@example.com"}', b"[" * 5000)),
    {"body": "no base64"},
]


def test_more_odd_messages_than_a_worker_takes_at_once_hold_up_nothing_and_are_not_quoted(
    stack: Stack, service: Celery
) -> None:
    whole = [[[event("odd")]], {}, {}]
    odd = [message(body) for body in NO_ARGUMENTS * 10]
    odd += [message(whole, **headers) for headers in ODD_HEADERS * 10]
    odd += [{**message(whole), **broken} for broken in BROKEN * 10]
    for queue in (QUEUE, ENQUEUE_QUEUE):
        stack.redis.lpush(queue, *map(json.dumps, odd))
    worker = stack.worker()
    service.send_task("segue.enqueue", args=[[event("good")]], queue=QUEUE)
    service.send_task("segue.enqueue", args=[[event("also good")]], queue=ENQUEUE_QUEUE)
    stack.redis.publish("/0.celery.pidbox", b"[" * 5000)
    stack.redis.publish("/0.celery.pidbox", b"{}")
    wait_until(lambda: outcomes(stack, "good") == outcomes(stack, "also good") == ["delivered"])
    wait_until(lambda: stack.redis.llen(QUEUE) == stack.redis.llen(ENQUEUE_QUEUE) == 0)
    wait_until(lambda: stack.redis.hlen("unacked") == stack.redis.zcard("unacked_index") == 0)
    assert not worker.ended
    text = worker.log.read_text()
    assert "threw away a message for the task 'segue.enqeue': workers have no such task" in text
    assert r"the task 'a\nb':" in text
    assert "threw away a command to the workers" in text
    assert "u1@example.com" not in text
    assert base64.b64encode(b"u1@example.com").decode()[:12] not in text
    assert "Traceback" not in text


def test_messages_whose_worker_was_killed_come_back_though_one_of_them_cannot_be_read(stack: Stack) -> None:
    first = {"task": "segue.enqueue", "id": "t", "args": [[event("interrupted")]], "kwargs": {}}
    php = {**message(first), "headers": []}
    for tag, held in (("odd", "[" * 5000), ("odd too", "5"), ("php", json.dumps([php, "", ENQUEUE_QUEUE]))):
        stack.redis.hset("unacked", tag, held)
        stack.redis.zadd("unacked_index", {tag: {"odd": 3, "odd too": 2}.get(tag, 1)})
    worker = stack.worker()
    wait_until(lambda: outcomes(stack, "interrupted") == ["delivered"])
    wait_until(lambda: stack.redis.hlen("unacked") == stack.redis.zcard("unacked_index") == 0)
    text = worker.log.read_text()
    assert "threw away an interrupted message" in text
    assert "u1@example.com" not in text


def test_a_task_with_more_events_than_may_wait_is_enqueued_bit_by_bit(make_stack: MakeStack) -> None:
    stack = make_stack(max_pending=40)
    stack.worker()
    wait_until(lambda: stack.redis.hget(KEYS.settings, "max_pending") == b"40")
    with Celery("service", broker=stack.server.url) as service:
        events = [event(f"m{number}", event=f"E{number}") for number in range(130)]
        service.send_task("segue.enqueue", args=[events], queue=ENQUEUE_QUEUE, ignore_result=True)
        wait_until(lambda: stack.delivered == 130, within_s=120)
    assert [body["eventName"] for body in bodies(stack, "/events/send")] == [each["event"] for each in events]
    assert stack.counters.get("duplicates", 0) == 0


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
