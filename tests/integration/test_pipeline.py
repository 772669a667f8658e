"""Real Redis, real Celery worker processes, the sandbox over real HTTP."""

from collections import Counter, defaultdict
from multiprocessing import get_context

import pytest

from segue_producer import Producer

from .stack import KEYS, MakeStack, bodies, wait_until

CONTACTS = 1000
PRODUCERS = 4


def _sign_up(redis_url: str, first: int, step: int) -> None:
    with Producer(redis_url) as producer:
        for number in range(first, CONTACTS, step):
            producer.identify(f"u{number}", {"email": f"u{number}@example.com", "plan": "free"})
            producer.track(f"u{number}", "User Registered", {"number": number})


def test_a_thousand_sign_ups_through_faults_arrive_in_order_once_and_paced(make_stack: MakeStack) -> None:
    limit = 100
    stack = make_stack(rate_limit=limit, sandbox={"fail": 0.1, "seed": 7})
    for _ in range(3):
        stack.worker(wait=False)
    context = get_context("spawn")
    producers = [context.Process(target=_sign_up, args=(stack.server.url, n, PRODUCERS)) for n in range(PRODUCERS)]
    for process in producers:
        process.start()
    for process in producers:
        process.join()
        assert process.exitcode == 0
    stack.wait_delivered(within_s=200)

    assert stack.counters["delivered"] == 2 * CONTACTS
    applied = [record for record in stack.sandbox.requests() if record["applied"]]
    order: dict[str, list[str]] = defaultdict(list)
    for record in applied:
        order[record["body"]["userId"]].append(record["path"])
    assert len(order) == CONTACTS
    for paths in order.values():
        assert sorted(paths) == paths, "identify takes effect before track"
        assert paths[-1] == "/events/send"
    events = Counter(event["userId"] for event in stack.sandbox.events())
    assert events == {f"u{number}": 1 for number in range(CONTACTS)}
    # A contact's update takes effect twice only where its answer was lost.
    lost = Counter(
        record["body"]["userId"] for record in applied if record["fault"] and record["path"] == "/contacts/update"
    )
    updates = Counter(record["body"]["userId"] for record in applied if record["path"] == "/contacts/update")
    assert updates == {f"u{number}": 1 + lost[f"u{number}"] for number in range(CONTACTS)}
    assert stack.sandbox.summary()["max_received_per_second"] <= limit


def test_the_same_event_a_hundred_times_is_one_request(make_stack: MakeStack) -> None:
    stack = make_stack()
    for _ in range(50):
        stack.producer.track(
            "u1", "Signed Up", {"plan": "Pro"}, context={"traits": {"email": "u1@example.com"}}, message_id="m1"
        )
    stack.worker()
    stack.wait_delivered()
    for _ in range(50):
        stack.producer.track(
            "u1", "Signed Up", {"plan": "Pro"}, context={"traits": {"email": "u1@example.com"}}, message_id="m1"
        )
    stack.wait_delivered()
    assert len(stack.sandbox.requests()) == 1
    assert stack.counters["duplicates"] == 99


@pytest.mark.parametrize(("coalesce", "requests"), [("updates", 1), ("off", 20)])
def test_twenty_waiting_updates_of_a_contact(make_stack: MakeStack, coalesce: str, requests: int) -> None:
    stack = make_stack(coalesce=coalesce)
    for number in range(20):
        stack.producer.identify("u1", {"email": "u1@example.com", f"key{number}": number, "last": number})
    stack.worker()
    stack.wait_delivered()
    sent = list(bodies(stack))
    assert len(sent) == requests
    merged = {key: value for body in sent for key, value in body.items()}
    assert merged == {
        "email": "u1@example.com",
        **{f"key{number}": number for number in range(20)},
        "last": 19,
        "source": "Segment",
        "userId": "u1",
        "mailingLists": {},
    }
    if requests == 1:
        assert sent == [merged]


def test_updates_fold_into_the_event_that_follows(make_stack: MakeStack) -> None:
    stack = make_stack(coalesce="updates_into_events")
    stack.producer.identify("u1", {"email": "u1@example.com", "plan": "Pro"})
    stack.producer.track("u1", "Signed Up", {"from": "page"})
    stack.worker()
    stack.wait_delivered()
    (body,) = bodies(stack)
    assert body == {
        "eventName": "Signed Up",
        "userId": "u1",
        "eventProperties": {"from": "page"},
        "email": "u1@example.com",
        "plan": "Pro",
        "source": "Segment",
        "mailingLists": {},
    }


def test_a_refused_merge_is_taken_apart_and_only_the_guilty_event_dies(make_stack: MakeStack) -> None:
    stack = make_stack()
    stack.producer.identify("u1", {"email": "u1@example.com", "first": 1})
    stack.producer.identify("u1", {"mailingLists": {"no such list": True}, "second": 2})
    stack.producer.identify("u1", {"third": 3})
    stack.worker()
    stack.wait_delivered()
    (contact,) = stack.sandbox.contacts()
    assert (contact["first"], contact.get("second"), contact["third"]) == (1, None, 3)
    assert stack.counters["dead"] == 1
    assert stack.counters["delivered"] == 2


def test_runs_at_once_of_one_destination_lie_in_different_processes(make_stack: MakeStack) -> None:
    stack = make_stack(rate_limit=200, parallel_runs=2)
    emails = (f"u{n}@example.com" for n in range(2000))
    stack.producer.enqueue({"type": "identify", "userId": email, "traits": {"email": email}} for email in emails)
    alive: list[int] = []

    def runs() -> int:
        alive.append(stack.redis.exists(KEYS.run, KEYS.run_number(1)))
        return alive[-1]

    stack.worker()
    # Long enough for several sweeps, each of which finds room for a second run.
    wait_until(lambda: runs() >= 0 and stack.pending < 1400)
    assert max(alive) == 1
    stack.worker()
    wait_until(lambda: runs() == 2)
