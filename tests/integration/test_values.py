"""Values that Loops cannot hold, and contacts that have only an email, from a producer to the ledger and back to people."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from .commands import segue
from .stack import MakeStack

BY_EMAIL = {"userId": None}


def steps(stack: Any, message_id: str) -> list[dict[str, Any]]:
    (trail,) = segue(stack, "trace", message_id, "--json")
    found: list[dict[str, Any]] = trail["steps"]
    return found


def test_the_contact_is_updated_with_the_rest_and_everybody_is_told(make_stack: MakeStack) -> None:
    stack = make_stack(coalesce="off")
    stack.worker()
    ada = {"email": "ada@example.com"}
    stack.producer.identify("u1", {**ada, "plan": "free"}, message_id="before")
    bad = {"plan": "pro", "address": {"city": "London"}, "tags": ["a"], "bio": "x" * 600, "createdAt": 1_700_000_000}
    seen = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=timezone(timedelta(hours=2)))
    stack.producer.identify("u1", {**bad, "seenAt": seen}, message_id="bad")
    stack.producer.identify("u1", {"city": "London"}, message_id="after")
    stack.wait_delivered()

    assert [request["status"] for request in stack.sandbox.requests()] == [200, 200, 200]
    (contact,) = stack.sandbox.contacts()
    assert {key: contact.get(key) for key in ("plan", "city", "address", "tags", "bio")} == {
        "plan": "pro",
        "city": "London",
        "address": None,
        "tags": None,
        "bio": None,
    }
    assert datetime.fromisoformat(contact["createdAt"]) == datetime.fromtimestamp(1_700_000_000, UTC)
    told = {step["key"]: step["why"] for step in steps(stack, "bad") if step["what"] == "value"}
    assert set(told) >= {"address", "tags", "bio", "createdAt"}
    assert all(told[key].startswith("left out: ") for key in ("address", "tags", "bio"))
    later = [step["why"] for step in steps(stack, "after") if step["what"] == "value"]
    assert [why for why in later if "does not know" not in why] == []
    status = segue(stack, "status", "--json")["destinations"]["loops"]
    assert (status["left_out"], status["dead"]) == (3, 0)
    assert status["repaired"] >= 1


def test_refused_they_make_a_dead_letter_that_names_the_key(make_stack: MakeStack) -> None:
    stack = make_stack(values="refuse")
    stack.worker()
    stack.producer.identify("u1", {"email": "ada@example.com", "address": {"city": "London"}}, message_id="bad")
    stack.producer.identify("u1", {"email": "ada@example.com"}, message_id="good")
    stack.wait_delivered()

    (letter,) = segue(stack, "dead", "list", "--json")
    assert (letter["reason"], letter["messageIds"]) == ("payload", ["bad"])
    (details,) = segue(stack, "dead", "show", letter["id"], "--json")
    assert details["detail"].startswith("address: ")
    assert len(stack.sandbox.requests()) == 1


def test_somebody_with_only_an_email_is_delivered_to_in_order_and_can_be_forgotten(make_stack: MakeStack) -> None:
    actions = ("createOrUpdateContact", "sendEvent")
    mappings = [{"name": action, "action": action, "fields": BY_EMAIL} for action in actions]
    stack = make_stack(mappings=mappings)
    stack.worker()
    for number, email in enumerate(("ada@example.com", "Ada@Example.com")):
        context = {"traits": {"email": email}}
        stack.producer.identify(None, {"email": email, "step": number}, anonymous_id=f"a{number}")
        stack.producer.track(None, f"Step {number}", context=context, anonymous_id=f"a{number}")
    stack.wait_delivered()

    assert [request["body"].get("eventName") for request in stack.sandbox.requests()] == [
        None,
        "Step 0",
        None,
        "Step 1",
    ]
    (contact,) = stack.sandbox.contacts()
    assert (contact["email"], contact["userId"], contact["step"]) == ("ada@example.com", None, 1)
    segue(stack, "pause", "loops")
    stack.producer.track(None, "Later", context={"traits": {"email": "ADA@example.com"}}, anonymous_id="a3")
    assert stack.pending == 1
    segue(stack, "forget", "ada@example.com", "--yes")
    assert stack.pending == 0
