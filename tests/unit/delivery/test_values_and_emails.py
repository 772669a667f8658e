"""What becomes of values that Loops refuses, and of contacts that have only an email, in real runs."""

from typing import Any

import pytest

from segue_producer.events import contact_of
from segue_sandbox.views import contact_records
from segue_worker.outbox.dead_letter import DeadLetter
from tests.unit.delivery.conftest import EVENTS, KEYS, Bench, mapping

GOOD = {"type": "identify", "traits": {"email": "u1@example.com", "plan": "pro"}}
BAD = {"type": "identify", "traits": {"city": "London", "address": {"city": "London"}}}
BY_EMAIL = (
    mapping("contacts", "createOrUpdateContact", fields={"userId": None}, values="repair"),
    mapping("events", "sendEvent", fields={"userId": None}, values="repair"),
)


async def letters(bench: Bench) -> list[DeadLetter]:
    return [DeadLetter.from_json(raw) for raw in (await bench.redis.hgetall(KEYS.dead)).values()]


async def test_one_bad_value_neither_spoils_nor_multiplies_its_neighbours(bench: Bench) -> None:
    bench.mappings = (mapping("contacts", "createOrUpdateContact", values="repair"), EVENTS)
    await bench.enqueue(GOOD, BAD, {"type": "identify", "traits": {"plan": "team"}})
    await bench.run()

    assert [request["status"] for request in bench.requests] == [200]
    (contact,) = contact_records(bench.sandbox)
    assert (contact["plan"], contact["city"]) == ("team", "London")
    assert await bench.counters() == {"delivered": 3, "merged": 2, "requests": 1, "left_out": 1}


async def test_refused_it_is_a_dead_letter_that_names_the_key_and_costs_no_request(bench: Bench) -> None:
    bench.mappings = (mapping("contacts", "createOrUpdateContact", values="refuse"), EVENTS)
    await bench.enqueue(GOOD, BAD)
    await bench.run()

    (letter,) = await letters(bench)
    assert letter.reason == "payload"
    assert letter.detail.startswith("address: ")
    assert "London" not in letter.detail
    assert [request["status"] for request in bench.requests] == [200]


async def test_kept_loops_refuses_it_and_nothing_else(bench: Bench) -> None:
    bench.mappings = (mapping("contacts", "createOrUpdateContact", values="keep"), EVENTS)
    await bench.enqueue(GOOD, BAD, {"type": "identify", "traits": {"plan": "team"}})
    await bench.run()

    assert [request["status"] for request in bench.requests] == [200, 400, 200]
    assert [letter.reason for letter in await letters(bench)] == ["refused"]


def by_email(email: str, **event: Any) -> dict[str, Any]:
    return {"userId": None, "anonymousId": f"anonymous {email}", **event, "context": {"traits": {"email": email}}}


async def test_contacts_of_an_email_alone_are_delivered_merged_and_kept_in_order(bench: Bench) -> None:
    bench.mappings = BY_EMAIL
    await bench.enqueue(
        by_email("ada@example.com", type="identify", traits={"email": "ada@example.com", "plan": "free"}),
        by_email("ADA@example.com", type="track", event="Signed Up"),
        by_email("ada@example.com", type="identify", traits={"email": "ada@example.com", "plan": "pro"}),
        by_email("ada@example.com", type="identify", traits={"email": "ada@example.com", "city": "London"}),
    )
    assert [key async for key in bench.redis.scan_iter(f"{KEYS.outbox}*")] == [f"{KEYS.outbox}ada@example.com".encode()]
    await bench.run()

    assert [(body.get("eventName"), body.get("plan"), body.get("city")) for body in bench.bodies] == [
        (None, "free", None),
        ("Signed Up", None, None),
        (None, "pro", "London"),
    ]
    assert all(request["status"] == 200 and "userId" not in request["body"] for request in bench.requests)
    assert len(list(contact_records(bench.sandbox))) == 1


async def test_without_an_email_there_is_nobody_to_send_to(bench: Bench) -> None:
    bench.mappings = BY_EMAIL
    await bench.enqueue({"userId": None, "anonymousId": "a1", "type": "identify", "traits": {"plan": "pro"}})
    await bench.run()

    (letter,) = await letters(bench)
    assert (letter.reason, letter.detail, bench.requests) == ("payload", "email is missing.", [])


@pytest.mark.parametrize("place", ["traits", "properties"])
def test_the_contact_of_an_email_is_the_same_in_any_spelling(place: str) -> None:
    assert contact_of({"anonymousId": "a1", place: {"email": " Ada@Example.com "}}) == "ada@example.com"
